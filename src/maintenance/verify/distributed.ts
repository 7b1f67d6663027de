import { type SQL, sql } from "drizzle-orm";
import { literal } from "../table-sql.js";
import type { Check } from "./check.js";
import type { DeclaredTable } from "./declared.js";

type Distributed = NonNullable<DeclaredTable["distributed"]>;

/** A remedy that Citus refuses while the table is distributed, or that has to create a table beside it. */
export const undoFirst = ({ distribute, undo }: Distributed, remedy: string): string =>
  `run ${undo}, then ${remedy}, then run ${distribute}`;

/** For what Citus cannot change while the table is distributed. */
export const changeUndistributed = (distributed: Distributed): string =>
  undoFirst(distributed, "run journey-db verify for the remedy");

/** ALTER TABLE with all of the actions. Citus accepts a constraint or a trigger only alone. */
export const alterations = ({ distributed, sql }: DeclaredTable, actions: readonly string[]): string[] =>
  (distributed ? actions : [actions.join(", ")]).map((action) => `alter table ${sql} ${action}`);

/** Statements about triggers, which Citus accepts on a distributed table only with this setting. */
export const onTriggers = (
  { distributed }: Pick<DeclaredTable, "distributed">,
  statements: readonly string[],
): string[] => [...(distributed ? ["set local citus.enable_unsafe_triggers = on"] : []), ...statements];

/** A table of ours that Citus does not store beside the sessions. */
interface Apart {
  label: string;
  state: "local" | "otherwise" | "apart";
}

/** Whether Citus stores each table by its owner, beside the sessions. */
export const distributionCheck = (table: DeclaredTable, distributed: Distributed): Check => {
  const tables = [table, table.messages, ...(table.replies ?? [])].filter((one) => one !== undefined);
  const rows = tables.map(({ oid, label }): SQL => sql`(${oid}::oid, ${sql.raw(literal(label))})`);
  return {
    code: "not_distributed",
    query: sql`select label, case when partmethod is null or partmethod = 'n' and repmodel <> 't' then 'local'
          when partmethod <> 'h' or column_to_column_name(logicalrelid, partkey) <> 'user_id' then 'otherwise' else 'apart' end as state
        from (values ${sql.join(rows, sql`, `)}) as own (oid, label) left join pg_dist_partition p on p.logicalrelid = own.oid
        where own.oid is not null and (partmethod is distinct from 'h' or column_to_column_name(logicalrelid, partkey) is distinct from 'user_id'
          or colocationid <> (select colocationid from pg_dist_partition where logicalrelid = ${table.oid}))`,
    finding: ({ label, state }: Apart) =>
      state === "local"
        ? [
            `${label} is on one server, and other tables of the sessions are distributed: calls that need both fail.`,
            `run ${distributed.distribute}`,
          ]
        : state === "apart"
          ? [
              `${label} is not co-located with ${table.label}: calls that need both fail.`,
              `run ${distributed.undo}, then run ${distributed.distribute}`,
            ]
          : [
              `${label} is not distributed by user_id: calls fail, or ask every server.`,
              `make it a table of one server (select undistribute_table(…)), then run ${distributed.distribute}`,
            ],
  };
};
