import type { JourneyTable, journeySessions } from "../schema.js";
import { type Append, verb as append } from "./append.js";
import { type Count, verb as count } from "./count.js";
import { type Create, verb as create } from "./create.js";
import { type Delete, verb as deleteOne } from "./delete.js";
import { type DeleteAll, verb as deleteAll } from "./delete-all.js";
import { type Export, verb as exportAll } from "./export.js";
import { type Fork, verb as fork } from "./fork.js";
import { type Get, verb as get } from "./get.js";
import { type GetBy, verb as getBy } from "./get-by.js";
import { type Latest, verb as latest } from "./latest.js";
import { type List, verb as list } from "./list.js";
import { type MergeMetadata, verb as mergeMetadata } from "./merge-metadata.js";
import { type Messages, verb as messages } from "./messages.js";
import { type ReplaceMessages, verb as replaceMessages } from "./replace-messages.js";
import type { Replies } from "./replies.js";
import { type Search, verb as search } from "./search.js";
import { type SetPhase, verb as setPhase } from "./set-phase.js";
import { type Truncate, verb as truncate } from "./truncate.js";
import type { MessageLayout } from "./types.js";
import { type Update, verb as update } from "./update.js";
import type { Verb } from "./verb.js";
import { type Watch, verb as watch } from "./watch.js";

/**
 * The sessions of one user. Every statement filters by owner: another user's session is indistinguishable
 * from one that does not exist.
 *
 * Each call is one SQL statement (`export`: one per batch) and throws JourneyDbError: besides the codes named below,
 * `invalid_input` before anything is sent, `corrupt` for a malformed row of an older program, and `unavailable`,
 * `timeout`, `configuration`, `migration` or `internal`.
 */
export interface UserSessions<
  Message,
  Metadata,
  Phase extends string,
  Table extends JourneyTable = typeof journeySessions,
  Layout extends MessageLayout = "column",
> extends Append<Message, Metadata, Table, Layout>,
    Create<Message, Metadata, Phase, Table>,
    Get<Message, Metadata, Phase, Table>,
    GetBy<Message, Metadata, Phase, Table>,
    Messages<Message, Metadata, Phase, Table>,
    Latest<Message, Metadata, Phase, Table>,
    List<Metadata, Phase, Table>,
    Count,
    Search<Metadata, Phase, Table>,
    Export<Message, Metadata, Phase, Table>,
    Update<Metadata, Phase, Table>,
    SetPhase<Phase>,
    MergeMetadata<Metadata>,
    ReplaceMessages<Message, Layout>,
    Truncate,
    Fork<Message, Metadata, Phase, Table>,
    Delete,
    DeleteAll,
    Watch {
  /** The replies that are being produced; undefined without `defineJourney({ replies })`. */
  readonly replies?: Replies | undefined;
}

type AnySessions = UserSessions<unknown, object, string, JourneyTable, MessageLayout>;

/** The catalogue of verbs, the methods of a handle. */
export const VERBS: { [Name in Exclude<keyof AnySessions, "replies">]: Verb<AnySessions[Name]> } = {
  append,
  create,
  get,
  getBy,
  messages,
  latest,
  list,
  count,
  search,
  export: exportAll,
  update,
  setPhase,
  mergeMetadata,
  replaceMessages,
  truncate,
  fork,
  delete: deleteOne,
  deleteAll,
  watch,
};
