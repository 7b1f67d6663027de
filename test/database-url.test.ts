import { describe, expect, test } from "vitest";
import { configuredUrl, parseDatabaseUrl } from "../src/database-url.js";
import { JourneyDbError } from "../src/errors.js";

const read = (url: string) => parseDatabaseUrl(url, "DATABASE_URL");

describe("a database URL", () => {
  test("is read to the last part", () => {
    expect(read("postgresql://me:secret@db.example:6000/chat?application_name=app")).toEqual({
      host: "db.example",
      port: 6000,
      user: "me",
      password: "secret",
      database: "chat",
      tls: "prefer",
      rootCertificates: undefined,
      pooled: false,
      max: undefined,
      settings: { application_name: "app" },
    });
  });

  test("needs nothing but a scheme", () => {
    expect(read("postgres://")).toMatchObject({
      host: "localhost",
      port: 5432,
      user: "",
      password: "",
      database: "",
    });
  });

  test("keeps special characters, percent-encoded or harmless as they are", () => {
    const special = "a@b:c/d?e#f%g é[]";
    const encoded = encodeURIComponent(special);
    expect(read(`postgres://${encoded}:${encoded}@host/${encoded}`)).toMatchObject({
      user: special,
      password: special,
      database: special,
    });
    expect(read("postgres://me:p@ss!$&*@host/db")).toMatchObject({ password: "p@ss!$&*", host: "host" });
  });

  test.each([
    ["[::1]", "::1"],
    ["[2001:db8::2]", "2001:db8::2"],
    ["%2Frun%2Fpostgresql", "/run/postgresql"],
  ])("of the host %s means %s", (written, host) => {
    expect(read(`postgres://me@${written}:5433/db`)).toMatchObject({ host, port: 5433 });
  });

  test.each([
    ["/db?host=/cloudsql/p:r:i", "/cloudsql/p:r:i", 5432],
    ["me:secret@/db?host=/cloudsql/p:r:i", "/cloudsql/p:r:i", 5432],
    ["me:secret@:5433/db?host=/run/postgresql", "/run/postgresql", 5433],
    ["me@localhost:5433/db?host=/run/postgresql&port=5434", "/run/postgresql", 5434],
    ["me@one:5433/db?host=two", "two", 5433],
    ["me@one/db?port=6543", "one", 6543],
    ["me@one/db?host=[::1]", "::1", 5432],
    ["me@one:5433/db?host=&port=", "one", 5433],
    ["me@/db", "localhost", 5432],
    ["me@", "localhost", 5432],
  ])("%s names the host %s and the port %s, as libpq reads it", (rest, host, port) => {
    expect(read(`postgres://${rest}`)).toMatchObject({ host, port, pooled: port === 6543 });
  });

  test("of a socket is not encrypted, whatever it says", () => {
    expect(read("postgres://me@%2Frun%2Fpostgresql/db?sslmode=require").tls).toBe("disable");
    expect(read("postgres://me@host/db?host=/run/postgresql&sslmode=verify-full").tls).toBe("disable");
  });

  test.each([
    ["host", "", "prefer"],
    ["localhost", "", "disable"],
    ["127.0.0.1", "", "disable"],
    ["[::1]", "", "disable"],
    ["localhost", "?sslmode=require", "require"],
    ["host", "?sslmode=disable", "disable"],
    ["host", "?sslmode=allow", "prefer"],
    ["host", "?sslmode=verify-ca", "verify-ca"],
    ["host", "?sslmode=verify-full", "verify-full"],
    ["host", "?ssl=true", "require"],
    ["host", "?ssl=no-verify", "require"],
    ["host", "?ssl=true&sslmode=verify-full", "verify-full"],
  ])("with %s and %s is encrypted as %s", (host, query, tls) => {
    expect(read(`postgres://me@${host}/db${query}`).tls).toBe(tls);
  });

  test.each([
    ["postgres://me@host:6543/db", true],
    ["postgres://me@host/db?pgbouncer=true", true],
    ["postgres://me@host:5432/db?pgbouncer=false", false],
  ])("%s is a pooler's: %s", (url, pooled) => {
    expect(read(url).pooled).toBe(pooled);
  });

  test.each([
    ["1", 1],
    ["0", undefined],
    ["2.5", undefined],
    ["many", undefined],
    ["100000", undefined],
  ])("with connection_limit=%s allows %s connections", (limit, max) => {
    expect(read(`postgres://me@host/db?connection_limit=${limit}`).max).toBe(max);
  });

  test("keeps what is meant for other programs from the server", () => {
    const foreign =
      "application_name=&schema=public&pool_timeout=0&connect_timeout=300&supa=base-pooler.x&channel_binding=require&uselibpqcompat=true";
    expect(read(`postgres://me@host/db?${foreign}&options=-c%20x%3Dy&search_path=chat`).settings).toEqual({
      options: "-c x=y",
      search_path: "chat",
    });
  });

  test.each([
    "mysql://me:hunter2@host/db",
    "prisma+postgres://me:hunter2@host/db",
    '"postgres://me:hunter2@host/db"',
    "me:hunter2@host/db",
    "hunter2",
    "postgres:hunter2",
    "postgres://me:hunter2#more@host/db",
    "postgres://me:hunter2/more@host/db",
    "postgres://hunter2:12/3@host/db",
    "postgres://hunter2:12#3@host/db",
    "postgres://hunter2:12?3@host/db",
    "postgres://me:hunter2%@host/db",
    "postgres://me:hunter2@host:port/db",
    "postgres://me:hunter2@host:99999/db",
    "postgres://me:hunter2@host:0/db",
    "postgres://me:hunter2@host/db?port=99999",
    "postgres://me:hunter2@host/db?port=1,2",
    "postgres://me:hunter2@one,two/db",
    "postgres://me:hunter2@host/db?host=one,two",
    "postgres://me:hunter2@/more@host/db",
    "postgres://me:hunter2@one:1,two:2/db",
    "postgres://me:hunter2@host/db?sslmode=hunter2",
    "postgres://me:[YOUR-PASSWORD]@hunter2/db",
  ])("%s is refused and not shown", (url) => {
    const refusal = (() => {
      try {
        return read(url);
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toBeInstanceOf(JourneyDbError);
    expect(refusal).toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/^DATABASE_URL: expected /),
    });
    expect(`${(refusal as Error).stack}${JSON.stringify(refusal)}`).not.toContain("hunter2");
  });
});

test("a blank variable is not configured, and the first one that is counts", () => {
  expect(configuredUrl({}, "A", "B")).toBeUndefined();
  expect(configuredUrl({ A: "", B: " \n" }, "A", "B")).toBeUndefined();
  expect(configuredUrl({ A: "", B: "two" }, "A", "B")).toBe("two");
  expect(configuredUrl({ A: "one", B: "two" }, "A", "B")).toBe("one");
});
