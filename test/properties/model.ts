import type { JourneyMessage } from "../../src/index.js";
import { mergePatch } from "../support/merge-patch.js";
import { storable } from "../support/storable.js";

/** Values of own columns. */
export type Own = Record<string, unknown>;

/** What the model keeps of a session. */
export interface Kept {
  id: string;
  owner: string;
  phase: string;
  messages: JourneyMessage[];
  metadata: Record<string, unknown>;
  own: Own;
  /** As the package answered it; opaque here, too. */
  revision: string;
  /** When it was written last, as a number that grows with each write of the model. */
  written: number;
}

type Options = Record<string, unknown>;

/** How a call must end: with a value, or with an error's code. */
export type Expected = { value: unknown; changed?: Kept } | { code: "not_found" | "conflict" };

/** Own columns for which an array is one value. */
const ONE_VALUE = ["tags", "results"];

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

  /**
   * @param defaults what a new session has of the table's own columns
   * @param isUniquePerUser whether two users may have the same id
   */
  constructor(
    private readonly defaults: Own,
    private readonly isUniquePerUser: boolean,
  ) {}

  of = (owner: string) => this.sessions.filter((one) => one.owner === owner);
  find = (owner: string, id: string) => this.of(owner).find((one) => one.id === id.toLowerCase());
  private taken = (owner: string, id: string) =>
    (this.isUniquePerUser ? this.of(owner) : this.sessions).some((one) => one.id === id.toLowerCase());

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

  /** A unique index over the owner and a column: NULL is equal to nothing. */
  private conflicts = (owner: string, { runId = null }: Own, except?: Kept) =>
    runId !== null && this.of(owner).some((one) => one !== except && one.own.runId === runId);

  append(owner: string, id: string, messages: JourneyMessage[], options: Options): Expected {
    const { create, after, from, ifRevision } = options;
    const bare = (after ?? null) === null && from === undefined && ifRevision === undefined;
    if (create && bare && !this.find(owner, id)) {
      if (this.taken(owner, id)) return notFound;
      const { metadata = {}, ...given } = Object(create) as Options;
      if (this.conflicts(owner, given)) return conflict;
      const own = { ...this.defaults, ...given };
      const content = { messages: [...messages], metadata: metadata as Options, own };
      const changed = this.add({ id, owner, phase: "setup", ...content });
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
    const { id = made, phase = "setup", messages = [], metadata = {}, ...own } = given;
    if ((given.id !== undefined && this.taken(owner, given.id)) || this.conflicts(owner, own))
      return conflict;
    const changed = this.add({ id, owner, phase, messages, metadata, own: { ...this.defaults, ...own } });
    return { value: this.shown(changed), changed };
  }

  /** A session as the package shows it. */
  shown = ({ id, owner, phase, metadata, messages, own }: Kept) => ({
    ...own,
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

  /** As `where` asks: null is equal to null, and an array means any of it. */
  private isFound = ({ own }: Kept, where: Own, same: Same) =>
    Object.entries(where).every(([key, asked]) => {
      const several = Array.isArray(asked) && !ONE_VALUE.includes(key) ? asked : [asked];
      return several.some((one) => same(one, own[key]));
    });

  getBy = (owner: string, where: Own, same: Same): Expected => {
    const found = this.of(owner).findLast((one) => this.isFound(one, where, same));
    return { value: found ? this.shown(found) : null };
  };

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

  /** Only the first that it gives. */
  watch(owner: string, id: string): Expected {
    const kept = this.find(owner, id);
    return { value: kept ? [{ revision: kept.revision, reply: null }] : [] };
  }

  /** All pages, one after the other. */
  list(
    owner: string,
    {
      limit = 20,
      orderBy,
      phase,
      where = {},
      metadata,
    }: { limit?: number; orderBy?: string; phase?: string; where?: Own; metadata?: unknown },
    same: Same,
  ): Expected {
    const all = this.of(owner).filter(
      (one) =>
        (phase === undefined || one.phase === phase) &&
        this.isFound(one, where, same) &&
        (metadata === undefined || contains(one.metadata, metadata, same)),
    );
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

  update = (owner: string, id: string, { phase, metadata, ...own }: Options, options: Options): Expected =>
    this.change(owner, id, options, (kept) => {
      if (this.conflicts(owner, own, kept)) return conflict;
      Object.assign(kept.own, own);
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
      kept.metadata = options.deep ? (mergePatch(kept.metadata, patch) as Options) : this.merged(kept, patch);
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

  fork(owner: string, id: string, { through, id: chosen, set = {} }: Options, made: string): Expected {
    const kept = this.find(owner, id);
    if (!kept) return notFound;
    const last = through === undefined ? kept.messages.length - 1 : indexOf(kept.messages, through);
    if (through !== undefined && last < 0) return notFound;
    if (chosen !== undefined && this.taken(owner, chosen as string)) return conflict;
    const own = { ...kept.own, ...(set as Own) };
    if (this.conflicts(owner, own)) return conflict;
    const messages = kept.messages.slice(0, last + 1);
    const { phase, metadata } = kept;
    const changed = this.add({
      id: (chosen as string) ?? made,
      owner,
      phase,
      messages,
      metadata: { ...metadata },
      own,
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

/** `@>` of PostgreSQL's jsonb (https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT). */
function contains(stored: unknown, asked: unknown, same: Same): boolean {
  if (typeof asked !== "object" || asked === null) return same(stored, asked);
  if (typeof stored !== "object" || stored === null || Array.isArray(stored) !== Array.isArray(asked))
    return false;
  if (Array.isArray(asked))
    return asked.every((one) => (stored as unknown[]).some((other) => contains(other, one, same)));
  const has = new Map(Object.entries(stored));
  return Object.entries(asked).every(([key, one]) => has.has(key) && contains(has.get(key), one, same));
}
