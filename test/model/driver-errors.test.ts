import { expect, it } from "vitest";
import { fromDriver, NO_TLS } from "../../src/model/driver-errors.js";
import { JourneyDbError } from "../../src/model/errors.js";

const SECRET = "what-the-user-wrote";
const thrown = (code: string | undefined, message = SECRET) =>
  Object.assign(new Error(message), code && { code });

/** What a failure is, and whether a call may be repeated after it if its repetition does no harm, and if it does. */
const meanings: [failure: Error, code: string, repeatable: boolean, notRepeatable: boolean][] = [
  [thrown("0A000"), "unavailable", true, true],
  [thrown("08006"), "unavailable", true, false],
  [thrown("08P01"), "configuration", false, false],
  [thrown("22P05"), "invalid_input", false, false],
  [thrown("2201E"), "invalid_input", false, false],
  [thrown("23502"), "configuration", false, false],
  [thrown("25006"), "unavailable", true, true],
  [thrown("25P02"), "internal", false, false],
  [thrown("25P03"), "timeout", false, false],
  [thrown("25P04"), "timeout", false, false],
  [thrown("26000"), "configuration", false, false],
  [thrown("28P01"), "configuration", false, false],
  [thrown("3D000"), "configuration", false, false],
  [thrown("40001"), "conflict", true, true],
  [thrown("40P01"), "conflict", true, true],
  [thrown("40003"), "unavailable", true, false],
  [thrown("42501"), "configuration", false, false],
  [thrown("42703"), "migration", false, false],
  [thrown("42P01"), "migration", false, false],
  [thrown("42P05"), "configuration", false, false],
  [thrown("53100"), "unavailable", true, false],
  [thrown("53200"), "unavailable", true, false],
  [thrown("53300"), "unavailable", true, true],
  [thrown("54000"), "too_large", false, false],
  [thrown("54001"), "internal", false, false],
  [thrown("55P03"), "timeout", true, true],
  [thrown("57014"), "timeout", true, true],
  [thrown("57P01"), "unavailable", true, false],
  [thrown("57P03"), "unavailable", true, true],
  [thrown("57P05"), "unavailable", true, true],
  [thrown("58030"), "unavailable", true, false],
  [thrown("XX000"), "internal", false, false],
  [thrown("ECONNREFUSED"), "unavailable", true, true],
  [thrown("ENOTFOUND"), "unavailable", true, true],
  [thrown("ENOENT"), "unavailable", true, true],
  [thrown("EACCES"), "unavailable", true, true],
  [thrown("CONNECT_TIMEOUT"), "unavailable", true, true],
  [thrown("CONNECTION_ENDED"), "unavailable", false, false],
  [thrown("CONNECTION_CLOSED"), "unavailable", true, false],
  [thrown("ECONNRESET"), "unavailable", true, false],
  [thrown("EPIPE"), "unavailable", true, false],
  [thrown("EPERM"), "unavailable", true, false],
  [thrown("UND_ERR_SOCKET"), "unavailable", true, false],
  [thrown(undefined, "Connection terminated unexpectedly"), "unavailable", true, false],
  [thrown(undefined, "read ECONNRESET"), "unavailable", true, false],
  [thrown(undefined, "fetch failed"), "unavailable", true, false],
  [thrown(undefined, "timeout expired"), "unavailable", true, true],
  [thrown(undefined, "timeout exceeded when trying to connect"), "unavailable", true, true],
  [thrown(undefined, "Cannot use a pool after calling end on the pool"), "unavailable", false, false],
  [thrown(undefined, "Query read timeout"), "timeout", true, false],
  [thrown("DEPTH_ZERO_SELF_SIGNED_CERT"), "configuration", false, false],
  [thrown("SELF_SIGNED_CERT_IN_CHAIN"), "configuration", false, false],
  [thrown("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "configuration", false, false],
  [thrown("CERT_HAS_EXPIRED"), "configuration", false, false],
  [thrown("ERR_TLS_CERT_ALTNAME_INVALID"), "configuration", false, false],
  [thrown(NO_TLS), "configuration", false, false],
  [new TypeError(SECRET), "internal", false, false],
];

it.each(meanings)("%o is %s", (failure, code, repeatable, notRepeatable) => {
  // As it comes from the driver, and as Drizzle wraps it.
  for (const form of [failure, Object.assign(new Error(`Failed query: ${SECRET}`), { cause: failure })]) {
    expect(fromDriver(form, true)).toMatchObject({ code, retryable: repeatable });
    const error = fromDriver(form, false);
    expect(error).toMatchObject({ code, retryable: notRepeatable });
    expect(`${JSON.stringify(error)} ${error.stack}`).not.toContain(SECRET);
    // In words too, not by its code alone.
    expect(error.message.replace(/^The .* SQLSTATE \w{5}: /, "")).toMatch(/^\w.{10,}\.$/);
  }
});

it.each([
  ["ECONNREFUSED", "The database cannot be reached (ECONNREFUSED); nothing was sent."],
  [
    "ECONNRESET",
    "The connection to the database was lost (ECONNRESET); whether the call took effect is unknown.",
  ],
  ["CERT_HAS_EXPIRED", "No trusted connection could be established (CERT_HAS_EXPIRED); nothing was sent."],
  [NO_TLS, "The server offers no TLS, which the URL or the environment requires. Nothing was sent."],
])("%s is named, and what became of the call", (code, message) => {
  expect(fromDriver(thrown(code), false).message).toBe(message);
});

it("a failure without a code is reported without one", () => {
  expect(fromDriver(thrown(undefined, "fetch failed"), false).message).toBe(
    "The connection to the database was lost; whether the call took effect is unknown.",
  );
});

it("what stands around a known code in its place is not taken for it, and not shown", () => {
  for (const code of ["ECONNRESET", "UND_ERR_SOCKET", "CERT_HAS_EXPIRED", "23505"]) {
    for (const odd of [`${SECRET} ${code}`, `${code} ${SECRET}`]) {
      expect(fromDriver(thrown(odd), true).code).toBe("internal");
      const lost = fromDriver(thrown(odd, "fetch failed"), true);
      expect(lost.code).toBe("unavailable");
      expect(lost.message).not.toContain(SECRET);
    }
  }
});

it("a cause that is no error counts for nothing", () => {
  for (const cause of [SECRET, null, 5]) {
    const failure = Object.assign(thrown(undefined, "fetch failed"), { cause });
    expect(fromDriver(failure, true)).toMatchObject({ code: "unavailable", retryable: true });
  }
});

it("what is typed already stays as it is", () => {
  const typed = new JourneyDbError("not_found", "There is none.", { retryable: true });
  expect(fromDriver(typed, false)).toBe(typed);
});

it("has a SQLSTATE and a constraint only where the server named them", () => {
  const known = fromDriver(Object.assign(thrown("23505"), { constraint: "journey_sessions_pkey" }), false);
  expect(known).toMatchObject({ sqlState: "23505", constraint: "journey_sessions_pkey" });
  expect(Object.keys(fromDriver(thrown("23505"), false))).not.toContain("constraint");
  expect(
    Object.keys(fromDriver(Object.assign(thrown("23505"), { constraint: [SECRET] }), false)),
  ).not.toContain("constraint");
  expect(Object.keys(fromDriver(thrown("EPIPE"), false))).not.toContain("sqlState");
});

it("whatever else is thrown is internal, without its words", () => {
  for (const odd of [SECRET, null, undefined, 5, { code: SECRET, message: SECRET }]) {
    const error = fromDriver(odd, true);
    expect(error).toBeInstanceOf(JourneyDbError);
    expect(error).toMatchObject({ code: "internal", retryable: false });
    expect(JSON.stringify(error)).not.toContain(SECRET);
  }
});

it("a broken rule of the table means a stored row, one of the application's own does not", () => {
  const broken = (code: string, constraint: string) =>
    fromDriver(Object.assign(thrown(code), { constraint }), false);
  expect(broken("23514", "journey_sessions_messages_is_array")).toMatchObject({ code: "corrupt" });
  expect(broken("23514", "journey_sessions_phase_check")).toMatchObject({
    code: "conflict",
    message: expect.stringContaining("a constraint of the application refused the row"),
    constraint: "journey_sessions_phase_check",
  });
  expect(broken("23514", "old_journey_sessions_pkey")).toMatchObject({ code: "conflict" });
  expect(broken("23514", "other_messages_is_array")).toMatchObject({ code: "conflict" });
  expect(broken("23505", "journey_sessions_pkey")).toMatchObject({ code: "conflict", retryable: false });
  expect(broken("23505", "journey_sessions_user_id_key")).toMatchObject({ code: "conflict" });
  expect(broken("23502", "")).toMatchObject({ code: "configuration" });
});

it("the rules of a table are those of its own name", () => {
  const broken = (code: string, constraint: string) =>
    fromDriver(Object.assign(thrown(code), { constraint }), true, { table: "chats" });
  expect(broken("23514", "chats_messages_is_array")).toMatchObject({ code: "corrupt" });
  expect(broken("23514", "journey_sessions_messages_is_array")).toMatchObject({ code: "conflict" });
  expect(broken("23505", "chats_pkey")).toMatchObject({ code: "conflict", retryable: true });
  expect(broken("23505", "journey_sessions_pkey")).toMatchObject({ code: "conflict", retryable: false });
});

it.each([
  { constraint: "journey_sessions_pkey_ccnew" },
  { constraint_name: "journey_sessions_pkey_ccold1" },
  { constraint: "journey_sessions_pkey1" },
  { constraint: "renamed", table: "journey_sessions", detail: `Key (id)=(${SECRET}) already exists.` },
  { constraint_name: "n", table_name: "journey_sessions", detail: `Schlüssel »(id)=(${SECRET})« existiert.` },
])("a taken id is told by the index's name, or by the column that the server shows: %o", (shown) => {
  const failure = Object.assign(thrown("23505"), shown);
  const error = fromDriver(failure, true);
  expect(error).toMatchObject({ code: "conflict", retryable: true, sqlState: "23505" });
  expect(fromDriver(failure, false).retryable).toBe(false);
  expect(error.message + JSON.stringify(error)).not.toContain(SECRET);
});

it.each([
  { constraint: "other_pkey_ccnew", table: "other", detail: "Key (id)=(1) already exists." },
  { constraint: "c", table: "journey_sessions", detail: "Key (user_id)=((id)=(1)) already exists." },
  { constraint: "journey_sessions_pkey_ccnew_mine", table: "journey_sessions" },
])("any other key that is taken is the application's own: %o", (shown) => {
  expect(fromDriver(Object.assign(thrown("23505"), shown), true)).toMatchObject({
    code: "conflict",
    message: expect.stringContaining("a constraint of the application"),
    retryable: false,
  });
});

/** As Citus passes on the error of a worker: without the fields of the constraint, and with the names of a shard. */
const ofWorker = (code: string, message: string, more: { detail?: string; where?: string } = {}) =>
  Object.assign(thrown(code, message), {
    detail: `Failing row contains (${SECRET}).`,
    where: "while executing command on worker-1.example.com:5432",
    ...more,
  });

it.each([
  [
    "23505",
    'duplicate key value violates unique constraint "journey_sessions_pkey_102041"',
    { code: "conflict", constraint: "journey_sessions_pkey", retryable: true },
  ],
  [
    "23505",
    'duplicate key value violates unique constraint "journey_sessions_user_id_slug_key_102041"',
    { code: "conflict", constraint: "journey_sessions_user_id_slug_key", retryable: false },
  ],
  [
    "23505",
    'duplicate key value violates unique constraint "a_long_name_0a2ffe72_102041"',
    { code: "conflict", constraint: "a_long_name_0a2ffe72", retryable: false },
  ],
  [
    "23P01",
    'conflicting key value violates exclusion constraint "one_at_a_time_102041"',
    { code: "conflict", constraint: "one_at_a_time" },
  ],
  [
    "23514",
    'new row for relation "journey_sessions_102041" violates check constraint "journey_sessions_metadata_is_object"',
    { code: "corrupt", constraint: "journey_sessions_metadata_is_object" },
  ],
  [
    "23514",
    'new row for relation "journey_sessions_102041" violates check constraint "phases_2024"',
    { code: "conflict", constraint: "phases_2024" },
  ],
  [
    "23514",
    'new row for relation "journey_sessions_102041" violates check constraint "journey_sessions_messages_is_array_102041"',
    { code: "corrupt", constraint: "journey_sessions_messages_is_array" },
  ],
  [
    "23514",
    'new row for relation "orders_102041" violates check constraint "journey_sessions_metadata_is_object_"',
    { code: "conflict" },
  ],
  [
    "23502",
    'null value in column "phase" of relation "journey_sessions_102041" violates not-null constraint',
    { code: "configuration", message: expect.stringContaining('column "phase" needs a value') },
  ],
  [
    "23502",
    'null value in column "note" of relation "audit_102049" violates not-null constraint',
    { code: "conflict" },
  ],
  [
    "23503",
    'insert or update on table "journey_messages_102049" violates foreign key constraint "journey_messages_session_id_fkey_102049"',
    { code: "conflict", constraint: "journey_messages_session_id_fkey" },
  ],
  [
    "23503",
    'update or delete on table "journey_sessions_102041" violates foreign key constraint "orders_fkey_102057" on table "orders_102057"',
    { code: "conflict", constraint: "orders_fkey" },
  ],
  [
    "23001",
    'update or delete on table "journey_sessions_102041" violates RESTRICT setting of foreign key constraint "orders_fkey_102057" on table "orders_102057"',
    { code: "conflict", constraint: "orders_fkey" },
  ],
])("%s of a worker of Citus: %s", (code, message, expected) => {
  const error = fromDriver(ofWorker(code, message), true);
  expect(error).toMatchObject({ sqlState: code, ...expected });
  expect(`${JSON.stringify(error)} ${error.stack}`).not.toContain(SECRET);
});

it("a delete that a worker refuses names the constraint", () => {
  const message =
    'update or delete on table "journey_sessions_102041" violates foreign key constraint "orders_fkey_102057" on table "orders_102057"';
  expect(fromDriver(ofWorker("23503", message), true, { deletes: true })).toMatchObject({
    code: "conflict",
    constraint: "orders_fkey",
    message: expect.stringContaining('(constraint "orders_fkey")'),
  });
});

it("a taken id of a worker is told by the columns that the server shows, whatever the index's name", () => {
  const message = 'duplicate key value violates unique constraint "renamed_102041"';
  const taken = ofWorker("23505", message, { detail: `Key (user_id, id)=(${SECRET}, x) already exists.` });
  expect(fromDriver(taken, true)).toMatchObject({ code: "conflict", constraint: "renamed", retryable: true });
  expect(fromDriver(ofWorker("23505", message), true)).toMatchObject({ retryable: false });
});

it.each([
  ["23514", "journey_sessions_102041", "journey_sessions_metadata_is_object", { code: "corrupt" }],
  ["23505", "journey_sessions_102041", "journey_sessions_pkey_102041", { retryable: true }],
  ["23514", "journey_replies_102041", "journey_replies_state", { code: "conflict" }],
])("%s of a shard that the server has itself", (code, table_name, constraint_name, expected) => {
  const constraint = constraint_name.replace("_102041", "");
  expect(fromDriver(Object.assign(thrown(code), { table_name, constraint_name }), true)).toMatchObject({
    constraint,
    ...expected,
  });
});

it("a table of the application that keeps a session of a shard is named without its number", () => {
  const message =
    'update or delete on table "journey_sessions_102041" violates foreign key constraint "orders_fkey_102057" on table "orders_102057"';
  const failure = Object.assign(thrown("23503", message), {
    table: "orders_102057",
    constraint: "orders_fkey_102057",
  });
  expect(fromDriver(failure, true, { deletes: true })).toMatchObject({ constraint: "orders_fkey" });
});

it("a number in the name of another table, or of another constraint, is part of it", () => {
  const named = (table_name: string, constraint_name: string) =>
    fromDriver(Object.assign(thrown("23503"), { table_name, constraint_name }), true).constraint;
  expect(named("orders_202401", "fkey_202401")).toBe("fkey_202401");
  expect(named("journey_sessions_102041", "fkey_202401")).toBe("fkey_202401");
});

it("the text of a trigger, or of any other error, is read for no name", () => {
  const said = 'new row for relation "journey_sessions_102041" violates check constraint "secret"';
  const byTrigger = "PL/pgSQL function f() line 1 at RAISE\nwhile executing command on worker:5432";
  for (const error of [
    fromDriver(ofWorker("23514", said, { where: byTrigger }), true),
    fromDriver(thrown("23514", said), true),
    fromDriver(ofWorker("P0001", said), true),
    fromDriver(ofWorker("23514", `${said} or not`), true),
    fromDriver(ofWorker("23514", `A ${said}`), true),
  ])
    expect(JSON.stringify(error)).not.toContain("secret");
});

it.each([
  [
    "journey_sessions",
    "messages",
    'relation "journey_messages" does not exist',
    'run journey-db migrate --with message-rows, or for the embedded database pass with: ["message-rows"] to connect',
  ],
  [
    "chats",
    "messages",
    "Relation »app.chats_messages« existiert nicht",
    "apply the application's migrations, with what journey-db sql --with message-rows prints",
  ],
  [
    "journey_sessions",
    "replies",
    'relation "journey_replies" does not exist',
    'run journey-db migrate --with durable-replies, or for the embedded database pass with: ["durable-replies"] to connect',
  ],
  [
    "chats",
    "chunks of replies",
    "Relation »app.chats_reply_chunks« existiert nicht",
    "apply the application's migrations, with what journey-db sql --with durable-replies prints",
  ],
])("a missing table of %s: that of %s has its own remedy", (table, of, message, remedy) => {
  expect(fromDriver(thrown("42P01", message), true, { table })).toMatchObject({
    code: "migration",
    message: `The database returned SQLSTATE 42P01: the table of ${of} is missing; ${remedy}.`,
  });
});

it.each([
  ["journey_sessions", 'relation "journey_sessions" does not exist', "run journey-db migrate"],
  ["chats", 'relation "chats" does not exist', "apply the application's migrations"],
])("a missing table %s has that of the sessions", (table, message, remedy) => {
  expect(fromDriver(thrown("42P01", message), true, { table }).message).toBe(
    `The database returned SQLSTATE 42P01: the table is missing; ${remedy}.`,
  );
});
