import type { JourneyMessage } from "../../src/index.js";
import { storable } from "../support/storable.js";

/** What the model keeps of a session. */
export interface Kept {
  id: string;
  owner: string;
  phase: string;
  messages: JourneyMessage[];
  metadata: Record<string, unknown>;
  /** As the package answered it; opaque here, too. */
  revision: string;
  /** When it was written last, as a number that grows with each write of the model. */
  written: number;
}

type Options = Record<string, unknown>;

/** How a call must end: with a value, or with an error's code. */
export type Expected = { value: unknown; changed?: Kept } | { code: "not_found" | "conflict" };

const notFound = { code: "not_found" } as const;
const conflict = { code: "conflict" } as const;
const indexOf = (messages: readonly JourneyMessage[], id: unknown) =>
  messages.findIndex((one) => one.id === id);

/**
 * What the package promises of one call after another, over plain arrays: no SQL, no JSON. Sessions
 * are in the order of their creation.
 */
export class Model {
  sessions: Kept[] = [];
  private clock = 0;

  of = (owner: string) => this.sessions.filter((one) => one.owner === owner);
  find = (owner: string, id: string) => this.of(owner).find((one) => one.id === id.toLowerCase());
  private taken = (id: string) => this.sessions.some((one) => one.id === id.toLowerCase());

  private add(session: Omit<Kept, "revision" | "written">): Kept {
    const added = { ...session, id: session.id.toLowerCase(), revision: "", written: ++this.clock };
    this.sessions.push(added);
    return added;
  }

  /** The owner's session, changed; or why it must not be. */
  private change(
    owner: string,
    id: string,
    { ifRevision }: Options,
    change: (kept: Kept) => Expected,
  ): Expected {
    const kept = this.find(owner, id);
    if (!kept) return notFound;
    if (ifRevision !== undefined && ifRevision !== kept.revision) return conflict;
    const expected = change(kept);
    if ("value" in expected) {
      kept.written = ++this.clock;
      expected.changed = kept;
    }
    return expected;
  }

  append(owner: string, id: string, messages: JourneyMessage[], options: Options): Expected {
    const { create, after, from, ifRevision } = options;
    const bare = (after ?? null) === null && from === undefined && ifRevision === undefined;
    if (create && bare && !this.find(owner, id)) {
      if (this.taken(id)) return notFound;
      const { metadata = {} } = Object(create) as Pick<Partial<Kept>, "metadata">;
      const changed = this.add({ id, owner, phase: "setup", messages: [...messages], metadata });
      return { value: { id: changed.id, created: true, messageCount: messages.length }, changed };
    }
    return this.change(owner, id, options, (kept) => {
      const cut = from === undefined ? kept.messages.length : indexOf(kept.messages, from);
      if (cut < 0) return notFound;
      const others = kept.messages.filter((one) => indexOf(messages, one.id) < 0);
      if (after !== undefined && (others.at(-1)?.id ?? null) !== after) return conflict;
      kept.messages = kept.messages.slice(0, cut);
      for (const message of messages) {
        const place = indexOf(kept.messages, message.id);
        if (place < 0) kept.messages.push(message);
        else kept.messages[place] = message;
      }
      return { value: { id: kept.id, created: false, messageCount: kept.messages.length } };
    });
  }

  create(owner: string, given: Partial<Kept>, made: string): Expected {
    if (given.id !== undefined && this.taken(given.id)) return conflict;
    const { phase = "setup", messages = [], metadata = {} } = given;
    const changed = this.add({ id: given.id ?? made, owner, phase, messages, metadata });
    return { value: this.shown(changed), changed };
  }

  /** A session as the package shows it. */
  shown = ({ id, owner, phase, metadata, messages }: Kept) => ({
    id,
    userId: owner,
    phase,
    metadata,
    messages,
  });

  get = (owner: string, id: string): Expected => {
    const kept = this.find(owner, id);
    return { value: kept ? this.shown(kept) : null };
  };

  messages(owner: string, id: string, { limit = 50, before }: { limit?: number; before?: string }): Expected {
    const kept = this.find(owner, id);
    if (!kept) return notFound;
    const end = before === undefined ? kept.messages.length : indexOf(kept.messages, before);
    if (end < 0) return notFound;
    const start = Math.max(0, end - limit);
    return {
      value: {
        session: this.summary(kept),
        messages: kept.messages.slice(start, end),
        hasMore: start > 0,
        revision: kept.revision,
      },
    };
  }

  latest = (owner: string): Expected => {
    const last = this.of(owner).at(-1);
    return { value: last ? this.shown(last) : null };
  };

  private summary = (kept: Kept) => {
    const { messages, ...summary } = this.shown(kept);
    return { ...summary, revision: kept.revision };
  };

  /** Texts of the model are short, so that an excerpt is the whole text, and each letter's other case is as long. */
  search(owner: string, text: string, { limit = 20 }: { limit?: number }): Expected {
    const asked = storable(text).toLowerCase();
    const hits = this.of(owner).flatMap((kept) => {
      const texts = kept.messages
        .toReversed()
        .flatMap(({ id, parts }) =>
          parts.filter(({ type }) => type === "text").map((part): [string, string] => [id, part.text]),
        );
      const [messageId, found] = texts.find(([, one]) => one.toLowerCase().includes(asked)) ?? [];
      if (found === undefined) return [];
      const start = found.toLowerCase().indexOf(asked);
      const end = start + asked.length;
      const excerpt = {
        before: found.slice(0, start),
        match: found.slice(start, end),
        after: found.slice(end),
      };
      return [{ session: this.summary(kept), messageId, excerpt }];
    });
    return { value: hits.reverse().slice(0, limit) };
  }

  export = (owner: string): Expected => ({
    value: this.of(owner).map((kept) => ({ ...this.shown(kept), revision: kept.revision })),
  });

  /** All pages, one after the other. */
  list(
    owner: string,
    { limit = 20, orderBy, phase }: { limit?: number; orderBy?: string; phase?: string },
  ): Expected {
    const all = this.of(owner).filter((one) => phase === undefined || one.phase === phase);
    if (orderBy === "updated") all.sort((a, b) => a.written - b.written);
    const summaries = all.reverse().map(this.summary);
    const pages: unknown[] = [];
    do pages.push(summaries.splice(0, limit));
    while (summaries.length > 0);
    return { value: pages };
  }

  count = (owner: string): Expected => ({ value: this.of(owner).length });

  setPhase = (owner: string, id: string, phase: string, options: Options): Expected =>
    this.change(owner, id, options, (kept) => {
      if (options.from !== undefined && options.from !== kept.phase) return conflict;
      kept.phase = phase;
      return { value: { id: kept.id } };
    });

  update = (owner: string, id: string, { phase, metadata }: Options, options: Options): Expected =>
    this.change(owner, id, options, (kept) => {
      if (phase !== undefined) kept.phase = phase as string;
      if (metadata !== undefined) kept.metadata = this.merged(kept, metadata as Options);
      return { value: { id: kept.id } };
    });

  private merged({ metadata }: Kept, patch: Options): Options {
    const stored = new Map(Object.entries(metadata));
    for (const [key, value] of Object.entries(patch))
      value === null ? stored.delete(key) : stored.set(key, value);
    return Object.fromEntries(stored);
  }

  mergeMetadata = (owner: string, id: string, patch: Options, options: Options, same: Same): Expected =>
    this.change(owner, id, options, (kept) => {
      const asked = Object.entries((options.ifMatch ?? {}) as Options);
      const stored = new Map(Object.entries(kept.metadata));
      if (!asked.every(([key, value]) => same(stored.get(key) ?? null, value))) return conflict;
      kept.metadata = this.merged(kept, patch);
      return { value: { id: kept.id, metadata: kept.metadata } };
    });

  replaceMessages = (owner: string, id: string, messages: JourneyMessage[], options: Options): Expected =>
    this.change(owner, id, options, (kept) => {
      kept.messages = [...messages];
      return { value: { id: kept.id, messageCount: messages.length } };
    });

  truncate = (owner: string, id: string, options: Options): Expected =>
    this.change(owner, id, options, (kept) => {
      const cut = indexOf(kept.messages, options.from);
      if (cut < 0) return notFound;
      kept.messages = kept.messages.slice(0, cut);
      return { value: { id: kept.id, messageCount: cut } };
    });

  fork(owner: string, id: string, { through, id: chosen }: Options, made: string): Expected {
    const kept = this.find(owner, id);
    if (!kept) return notFound;
    const last = through === undefined ? kept.messages.length - 1 : indexOf(kept.messages, through);
    if (through !== undefined && last < 0) return notFound;
    if (chosen !== undefined && this.taken(chosen as string)) return conflict;
    const messages = kept.messages.slice(0, last + 1);
    const { phase, metadata } = kept;
    const changed = this.add({
      id: (chosen as string) ?? made,
      owner,
      phase,
      messages,
      metadata: { ...metadata },
    });
    return { value: this.shown(changed), changed };
  }

  delete(owner: string, id: string, { ifRevision }: Options): Expected {
    const kept = this.find(owner, id);
    if (!kept) return { value: false };
    if (ifRevision !== undefined && ifRevision !== kept.revision) return conflict;
    this.sessions = this.sessions.filter((one) => one !== kept);
    return { value: true };
  }

  deleteAll(owner: string): Expected {
    const value = this.of(owner).length;
    this.sessions = this.sessions.filter((one) => one.owner !== owner);
    return { value };
  }
}

/** Whether two values are the same JSON. */
export type Same = (a: unknown, b: unknown) => boolean;
