import { describe, expect, onTestFinished, test, vi } from "vitest";
import { configuredUrl, parseDatabaseUrl } from "../../src/connection/database-url.js";
import { JourneyDbError } from "../../src/model/errors.js";

const read = (url: string, env: NodeJS.ProcessEnv = {}) => parseDatabaseUrl(url, "DATABASE_URL", env);

/** Parses a URL with that host and query; or the message of its refusal. */
const readAt = (host: string, query: string, env?: NodeJS.ProcessEnv) =>
  read(`postgres://me@${host}/db?${query}`, env);
const refusal = (query: string, env?: NodeJS.ProcessEnv, host = "db.example"): unknown => {
  try {
    return readAt(host, query, env);
  } catch (error) {
    expect(error).toBeInstanceOf(JourneyDbError);
    expect(error).toMatchObject({ code: "configuration" });
    return (error as Error).message;
  }
};

/** Parameters that the URL sets. */
const settings = (parameters: Record<string, string>) =>
  new Map(Object.entries(parameters).map(([key, value]) => [key, { value, from: `DATABASE_URL: ${key}` }]));

describe("a database URL", () => {
  test("is read to the last part", () => {
    expect(read("postgresql://me:secret@db.example:6000/chat?application_name=app")).toEqual({
      host: "db.example",
      port: 6000,
      others: [],
      writable: false,
      user: "me",
      password: "secret",
      database: "chat",
      tls: "prefer",
      tlsParameters: new Map(),
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

  test.each([
    ["me:secret@one:1,two:2/db", "one:1 two:2"],
    ["me:secret@one,two/db", "one:5432 two:5432"],
    ["one,two:6000/db", "one:5432 two:6000"],
    ["one,,[::1]:3/db", "one:5432 localhost:5432 ::1:3"],
    ["me@/db?host=one,two&port=1,2", "one:1 two:2"],
    ["me@/db?host=one,two&port=7", "one:7 two:7"],
    ["ignored/db?host=/tmp,two", "/tmp:5432 two:5432"],
  ])("may have several hosts: %s", (rest, hosts) => {
    const { host, port, others } = read(`postgres://${rest}`);
    expect([{ host, port }, ...others].map((one) => `${one.host}:${one.port}`).join(" ")).toBe(hosts);
  });

  test("encrypts each host's connections as that host alone would", () => {
    const { tls, others } = read("postgres://localhost,db.example/db");
    expect([tls, ...others.map((other) => other.tls)]).toEqual(["disable", "prefer"]);
  });

  test.each([
    ["any", false],
    ["read-write", true],
    ["primary", true],
  ])("asks for a server that accepts writes: target_session_attrs=%s", (value, writable) => {
    expect(readAt("one,two", `target_session_attrs=${value}`).writable).toBe(writable);
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
      "application_name=&schema=public&pool_timeout=0&connect_timeout=300&supa=base-pooler.x&channel_binding=prefer&uselibpqcompat=true";
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
    "postgres://me:hunter2@one,two/db?port=1,2,3",
    "postgres://me:hunter2@one,two:x/db",
    "postgres://me:hunter2@one/db?target_session_attrs=standby",
    "postgres://me:hunter2@one/db?target_session_attrs=read-only",
    "postgres://me:hunter2@one/db?target_session_attrs=hunter2",
    "postgres://me:hunter2@one,two/db?load_balance_hosts=random",
    "postgres://me:hunter2@/more@host/db",
    "postgres://me:hunter2@host/db?sslmode=hunter2",
    "postgres://me:[YOUR-PASSWORD]@hunter2/db",
    "postgres://me:hunter2@host/db#?sslmode=require",
    "postgres://me:hunter2@host/db?sslmode=require&sslmode=hunter2",
    "postgres://me:hunter2@host/db?sslcert=/hunter2",
    "postgres://me:hunter2@host/db?sslkey=/hunter2&sslpassword=hunter2",
    "postgres://me:hunter2@host/db?sslpassword=hunter2&sslpassword=hunter2more",
    "postgres://me:hunter2@host/db?sslnonsense=hunter2",
    "postgres://me:hunter2@host/db?ssl%0Anonsense=hunter2",
    "postgres://host/db?password=rest&hunter2ssl",
    "postgres://me:hunter2@host/db&sslmode=hunter2",
    "postgres://me:hunter2@host/db?application_name=x?sslmode=hunter2",
  ])("%s is refused and not shown", (url) => {
    const thrown = (() => {
      try {
        return read(url);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(JourneyDbError);
    expect(thrown).toMatchObject({
      code: "configuration",
      message: expect.stringMatching(
        /^DATABASE_URL: ((ssl\w*|target_session_attrs|load_balance_hosts): |a parameter that looks like sslmode: )?expected /,
      ),
    });
    expect(`${(thrown as Error).stack}${JSON.stringify(thrown)}`).not.toContain("hunter2");
  });
});

describe("encryption", () => {
  test.each([
    ["db.example", "prefer"],
    ["localhost", "disable"],
    ["LocalHost.", "disable"],
    ["127.0.0.1", "disable"],
    ["127.255.0.3", "disable"],
    ["[::1]", "disable"],
    ["[0:0:0:0:0:0:0:1]", "disable"],
    ["[::ffff:127.0.0.1]", "disable"],
    ["[::ffff:7f00:1]", "disable"],
    ["127.example.com", "prefer"],
    ["127.0.0.1.example.com", "prefer"],
    ["127.1", "prefer"],
    ["128.0.0.1", "prefer"],
    ["localhost.example.com", "prefer"],
    ["db.localhost", "prefer"],
    ["[::ffff:10.0.0.1]", "prefer"],
    ["[2001:db8::1]", "prefer"],
  ])("of the host %s is %s where nothing is said of it", (host, tls) => {
    expect(readAt(host, "").tls).toBe(tls);
    expect(readAt("db.example", `host=${host}`).tls).toBe(tls);
  });

  test.each([
    ["sslmode=disable", "disable"],
    ["sslmode=allow", "prefer"],
    ["sslmode=prefer", "prefer"],
    ["sslmode=require", "require"],
    ["sslmode=no-verify", "require"],
    ["sslmode=verify-full", "verify-full"],
    ["sslmode=require&sslmode=require", "require"],
    ["sslmode=require&sslrootcert=/root.pem", "verify-ca"],
    ["sslmode=verify-ca&sslrootcert=/root.pem", "verify-ca"],
    ["sslmode=verify-full&sslrootcert=/root.pem", "verify-full"],
    ["sslmode=verify-full&sslrootcert=system", "verify-full"],
    ["sslmode=verify-full&sslcrl=/list.pem", "verify-full"],
    ["sslmode=disable&sslrootcert=/root.pem", "disable"],
    ["sslmode=require&sslrootcert=", "require"],
    ["sslrootcert=/root.pem", "verify-full"],
    ["sslrootcert=system", "verify-full"],
    ["sslcrl=/list.pem", "verify-full"],
    ["sslcert=/client.pem&sslkey=/key.pem", "prefer"],
    ["ssl_min_protocol_version=TLSv1.3", "prefer"],
    ["ssl_max_protocol_version=TLSv1.2", "prefer"],
    ["ssl=true", "verify-full"],
    ["ssl=1", "verify-full"],
    ["ssl=false", "disable"],
    ["ssl=0", "disable"],
    ["ssl=disable", "disable"],
    ["ssl=prefer", "prefer"],
    ["ssl=require", "require"],
    ["ssl=no-verify", "require"],
    ["ssl=verify-full", "verify-full"],
    ["ssl=true&sslmode=verify-full", "verify-full"],
    ["ssl=true&sslrootcert=system", "verify-full"],
    ["ssl=false&sslmode=disable", "disable"],
  ])("%s is %s, wherever the host is", (query, tls) => {
    expect(readAt("db.example", query).tls).toBe(tls);
    expect(readAt("localhost", query).tls).toBe(tls);
  });

  test.each<[string, string]>([
    ["sslmode=", "sslmode: expected disable, allow, prefer, require, no-verify, verify-ca or verify-full"],
    ["sslmode", "sslmode: expected disable, allow, prefer, require, no-verify, verify-ca or verify-full"],
    ["sslmode=Require", "sslmode: expected disable, allow, "],
    ["sslmode=verify-full%20", "sslmode: expected disable, allow, "],
    ["sslmode=true", "sslmode: expected disable, allow, "],
    ["sslmode=constructor", "sslmode: expected disable, allow, "],
    ["sslmode=disable&sslmode=verify-full", "sslmode: expected one value"],
    ["sslmode=verify-full&sslmode=disable", "sslmode: expected one value"],
    ["sslmode=require&sslmode=", "sslmode: expected one value"],
    ["sslmode=verify-ca", "sslmode: expected verify-full, or sslrootcert as well"],
    ["sslmode=require&sslcrl=/list.pem", "sslmode: expected verify-full, or sslrootcert as well"],
    ["sslmode=prefer&sslrootcert=/root.pem", "sslmode: expected require, verify-ca or verify-full"],
    ["sslmode=allow&sslcrl=/list.pem", "sslmode: expected require, verify-ca or verify-full"],
    ...["disable", "allow", "prefer", "require", "verify-ca"].map((mode): [string, string] => [
      `sslrootcert=system&sslmode=${mode}`,
      "sslmode: expected verify-full, since sslrootcert is system",
    ]),
    ["sslrootcert=/one.pem&sslrootcert=/two.pem", "sslrootcert: expected one value"],
    ["ssl=", "ssl: expected "],
    ["ssl=True", "ssl: expected "],
    ["ssl=on", "ssl: expected "],
    ["ssl=true&ssl=false", "ssl: expected one value"],
    ["ssl=true&sslmode=disable", "ssl: expected the same as in sslmode"],
    ["ssl=true&sslmode=require", "ssl: expected the same as in sslmode"],
    ["ssl=false&sslmode=verify-full", "ssl: expected the same as in sslmode"],
    ["ssl=no-verify&sslrootcert=system", "ssl: expected verify-full, since sslrootcert is system"],
    ["sslcert=/client.pem", "sslcert: expected sslkey as well"],
    ["sslkey=/key.pem", "sslkey: expected sslcert as well"],
    ["sslcertmode=require", "sslcertmode: expected disable or allow, since "],
    ["sslcertmode=", "sslcertmode: expected disable or allow, since "],
    ["sslsni=no", "sslsni: expected 0 or 1"],
    ["ssl_min_protocol_version=TLSv1.4", "ssl_min_protocol_version: expected TLSv1, TLSv1.1, "],
    ["ssl_max_protocol_version=1.3", "ssl_max_protocol_version: expected TLSv1, TLSv1.1, "],
    ["ssl_max_protocol_version=TLSv1.1", "ssl_max_protocol_version: expected TLSv1.2 or newer"],
    [
      "ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
      "ssl_max_protocol_version: expected TLSv1.3 or newer",
    ],
    ["sslcompression=yes", "sslcompression: expected nothing, 0 or 1"],
    ["sslcrldir=/lists", "sslcrldir: expected nothing, since "],
    ["sslnegotiation=direct&sslmode=require", "sslnegotiation: expected postgres, since "],
    ["requirepeer=postgres", "requirepeer: expected nothing, since "],
    ["channel_binding=require", "channel_binding: expected prefer or disable, since "],
    ["channel_binding=", "channel_binding: expected prefer or disable, since "],
    ["require_auth=scram-sha-256", "require_auth: expected nothing, since "],
    ["require_auth=!password", "require_auth: expected nothing, since "],
    ["gssencmode=require", "gssencmode: expected prefer or disable, since "],
    ["krbsrvname=db", "krbsrvname: expected nothing or postgres, since "],
    ["gsslib=gssapi", "gsslib: expected nothing, since "],
    ["gssdelegation=1", "gssdelegation: expected nothing or 0, since "],
    ["min_protocol_version=3.2", "min_protocol_version: expected 3.0, since "],
    ["max_protocol_version=2.0", "max_protocol_version: expected 3.0, 3.2 or latest"],
    // Unknown, of another program, or misspelt.
    ["sslMode=require", "sslMode: expected sslmode instead"],
    ["ssl_mode=require", "ssl_mode: expected sslmode instead"],
    ["ssl-mode=VERIFY_IDENTITY", "ssl-mode: expected sslmode instead"],
    ["SSLROOTCERT=/root.pem", "SSLROOTCERT: expected sslrootcert instead"],
    ["%73slMode=require", "sslMode: expected sslmode instead"],
    ["channelBinding=require", "channelBinding: expected channel_binding instead"],
    ["channel-binding=require", "channel-binding: expected channel_binding instead"],
    ["Require-Auth=md5", "Require-Auth: expected require_auth instead"],
    ["gssEncMode=require", "gssEncMode: expected gssencmode instead"],
    ["requirePeer=postgres", "requirePeer: expected requirepeer instead"],
    ["requiressl=1", "requiressl: expected sslmode or another parameter of libpq instead"],
    ["sslaccept=strict", "sslaccept: expected sslmode or another parameter of libpq instead"],
    ["sslkeylogfile=/keys", "sslkeylogfile: expected sslmode or "],
    ["sslfactory=x", "sslfactory: expected sslmode or "],
    ["amp;sslmode=require", "a parameter that looks like sslmode: expected sslmode or another"],
    ["use_tls=true", "use_tls: expected sslmode or "],
    ["tlsVersion=1.3", "tlsVersion: expected sslmode or "],
    ["min_tls_protocol_version=1.3", "min_tls_protocol_version: expected sslmode or "],
    ["minProtocolVersion=3.2", "minProtocolVersion: expected min_protocol_version instead"],
    ["scram_client_key=x", "scram_client_key: expected sslmode or "],
    ["oauth_issuer=x", "oauth_issuer: expected sslmode or "],
    ["krb_server_name=x", "krb_server_name: expected sslmode or "],
    ["rejectUnauthorized=true", "rejectUnauthorized: expected sslmode or "],
    ["trustServerCertificate=false", "trustServerCertificate: expected sslmode or "],
    ["encrypt=true", "encrypt: expected sslmode or "],
    ["pgbouncer=true?sslmode=verify-full", "expected ? before the first parameter, and & between them"],
    ["pgbouncer=true;sslmode=verify-full", "expected ? before the first parameter, and & between them"],
  ])("that cannot be had is refused by its name: %s", (query, message) => {
    for (const host of ["db.example", "localhost"]) {
      expect(refusal(query, {}, host)).toMatch(
        new RegExp(`^DATABASE_URL: ${message.replaceAll("?", "\\?")}`),
      );
    }
  });

  test.each([
    "channel_binding=prefer",
    "channel_binding=disable",
    "gssencmode=prefer",
    "gssencmode=disable",
    "require_auth=",
    "requirepeer=",
    "sslcrldir=",
    "sslcert=&sslkey=&sslpassword=",
    "sslcertmode=allow",
    "sslcompression=0",
    "sslcompression=1",
    "sslnegotiation=postgres",
    "sslsni=1",
    "ssl_min_protocol_version=",
    "krbsrvname=postgres",
    "gssdelegation=0",
    "min_protocol_version=3.0&max_protocol_version=latest",
    "connect_timeout=5&target_session_attrs=any&keepalives=1&uselibpqcompat=true&statement_cache_size=0",
  ])("is as if nothing were said of it where nothing is asked for: %s", (query) => {
    expect(readAt("db.example", query)).toEqual(readAt("db.example", ""));
    expect(readAt("localhost", query)).toEqual(readAt("localhost", ""));
  });

  test("has the files, the versions and the name to send that were named, and where", () => {
    const said = {
      sslmode: "require",
      sslrootcert: "/root.pem",
      sslcrl: "list.pem",
      sslcert: "/client.pem",
      sslkey: "/key.pem",
      sslpassword: "secret",
      ssl_min_protocol_version: "tlsv1.1",
      ssl_max_protocol_version: "TLSV1.3",
      sslsni: "0",
    };
    expect(readAt("db.example", `${new URLSearchParams(said)}`)).toMatchObject({
      tls: "verify-ca",
      tlsParameters: settings({
        ...said,
        ssl_min_protocol_version: "TLSv1.1",
        ssl_max_protocol_version: "TLSv1.3",
      }),
    });
  });

  test("shows no certificate where sslcertmode is disable", () => {
    const { tlsParameters } = readAt("db.example", "sslcert=/client.pem&sslcertmode=disable");
    expect(tlsParameters).toEqual(settings({ sslcertmode: "disable" }));
  });

  test.each(["require", "verify-full", "verify-full&sslrootcert=system", "require&sslcert=/client.pem"])(
    "is not of a Unix socket, as in libpq: sslmode=%s",
    (mode) => {
      for (const env of [{}, { PGSSLMODE: "verify-full", PGSSLROOTCERT: "/root.pem" }]) {
        expect(readAt("%2Frun%2Fpostgresql", `sslmode=${mode}`, env)).toMatchObject({ tls: "disable" });
        expect(readAt("db.example", `host=/run/postgresql&sslmode=${mode}`, env).tls).toBe("disable");
      }
    },
  );

  test.each(["sslmode=always", "requirepeer=postgres", "channel_binding=require", "gssencmode=require"])(
    "that nobody knows, or that could not be seen to, is refused of a Unix socket too: %s",
    (query) => {
      expect(refusal(query, {}, "%2Frun%2Fpostgresql")).toMatch(/^DATABASE_URL: \w+: expected /);
    },
  );

  test.each<[string, NodeJS.ProcessEnv, string]>([
    ["", { PGSSLMODE: "verify-full" }, "verify-full"],
    ["", { PGSSLMODE: "disable" }, "disable"],
    ["sslmode=require", { PGSSLMODE: "verify-full" }, "require"],
    ["sslmode=verify-full", { PGSSLMODE: "disable" }, "verify-full"],
    ["sslmode=verify-full", { PGSSLMODE: "nonsense" }, "verify-full"],
    ["ssl=true", { PGSSLMODE: "disable", PGSSL: "false" }, "verify-full"],
    ["", { PGSSL: "true" }, "verify-full"],
    ["sslmode=require", { PGSSL: "true" }, "require"],
    ["", { PGSSLROOTCERT: "system" }, "verify-full"],
    ["", { PGSSLROOTCERT: "/root.pem" }, "verify-full"],
    ["sslmode=require", { PGSSLROOTCERT: "/root.pem" }, "verify-ca"],
    ["sslmode=require&sslrootcert=", { PGSSLROOTCERT: "/root.pem" }, "require"],
    ["sslrootcert=system", { PGSSLMODE: "verify-full" }, "verify-full"],
    ["sslmode=disable", { PGSSLROOTCERT: "/root.pem" }, "disable"],
    ["", { PGSSLROOTCERT: "", PGREQUIREAUTH: "", PGREQUIREPEER: "", PGSSLMODE: "require" }, "require"],
    ["", { PGREQUIRESSL: "0", PGSSLMODE: "require" }, "require"],
    [
      "sslmode=require",
      { PGREQUIRESSL: "0", PGBOUNCER_CLIENT_TLS_SSLMODE: "verify-full", PG_SSL: "1" },
      "require",
    ],
  ])("with %s and %j in the environment is %s", (query, env, tls) => {
    expect(readAt("db.example", query, env).tls).toBe(tls);
    expect(readAt("localhost", query, env).tls).toBe(tls);
  });

  test("has the environment's files and versions where the URL has none", () => {
    const env = {
      PGSSLMODE: "verify-ca",
      PGSSLROOTCERT: "/root.pem",
      PGSSLCERT: "/client.pem",
      PGSSLKEY: "/key.pem",
      PGSSLCRL: "/list.pem",
      PGSSLMINPROTOCOLVERSION: "TLSv1.3",
      PGSSLMAXPROTOCOLVERSION: "TLSv1.3",
      PGSSLSNI: "0",
    };
    expect(readAt("db.example", "sslrootcert=/own.pem", env)).toMatchObject({
      tls: "verify-ca",
      tlsParameters: new Map([
        ["sslrootcert", { value: "/own.pem", from: "DATABASE_URL: sslrootcert" }],
        ["sslmode", { value: "verify-ca", from: "PGSSLMODE" }],
        ["sslcert", { value: "/client.pem", from: "PGSSLCERT" }],
        ["sslkey", { value: "/key.pem", from: "PGSSLKEY" }],
        ["sslcrl", { value: "/list.pem", from: "PGSSLCRL" }],
        ["ssl_min_protocol_version", { value: "TLSv1.3", from: "PGSSLMINPROTOCOLVERSION" }],
        ["ssl_max_protocol_version", { value: "TLSv1.3", from: "PGSSLMAXPROTOCOLVERSION" }],
        ["sslsni", { value: "0", from: "PGSSLSNI" }],
      ]),
    });
  });

  test.each<[NodeJS.ProcessEnv, RegExp]>([
    [{ PGSSLMODE: "" }, /^PGSSLMODE: expected disable, /],
    [{ PGSSLMODE: "hunter2" }, /^PGSSLMODE: expected disable, /],
    [{ PGSSLMODE: "verify-ca" }, /^PGSSLMODE: expected verify-full, or sslrootcert as well$/],
    [{ PGSSLMODE: "prefer", PGSSLROOTCERT: "/hunter2" }, /^PGSSLMODE: expected require, verify-ca or /],
    [{ PGSSLMODE: "require", PGSSLROOTCERT: "system" }, /^PGSSLMODE: expected verify-full, since /],
    [{ PGSSLMODE: "require", PGSSL: "true" }, /^PGSSL: expected the same as in sslmode$/],
    [{ PGSSL: "hunter2" }, /^PGSSL: expected /],
    [{ PGREQUIRESSL: "1" }, /^PGREQUIRESSL: expected PGSSLMODE instead$/],
    [{ PGSSL_MODE: "require" }, /^PGSSL_MODE: expected PGSSLMODE instead$/],
    [{ pgsslmode: "require" }, /^pgsslmode: expected PGSSLMODE instead$/],
    [{ PG_CHANNEL_BINDING: "require" }, /^PG_CHANNEL_BINDING: expected PGCHANNELBINDING instead$/],
    [{ PGSSLCERT: "/hunter2" }, /^PGSSLCERT: expected sslkey as well$/],
    [{ PGSSLKEY: "/hunter2" }, /^PGSSLKEY: expected sslcert as well$/],
    [{ PGSSLCERTMODE: "require" }, /^PGSSLCERTMODE: expected disable or allow, since /],
    [{ PGSSLCRLDIR: "/hunter2" }, /^PGSSLCRLDIR: expected nothing, since /],
    [{ PGSSLNEGOTIATION: "direct" }, /^PGSSLNEGOTIATION: expected postgres, since /],
    [{ PGSSLMINPROTOCOLVERSION: "3" }, /^PGSSLMINPROTOCOLVERSION: expected TLSv1, TLSv1.1, /],
    [{ PGSSLMAXPROTOCOLVERSION: "TLSv1.1" }, /^PGSSLMAXPROTOCOLVERSION: expected TLSv1.2 or newer/],
    [{ PGCHANNELBINDING: "require" }, /^PGCHANNELBINDING: expected prefer or disable, since /],
    [{ PGREQUIREAUTH: "scram-sha-256" }, /^PGREQUIREAUTH: expected nothing, since /],
    [{ PGREQUIREPEER: "hunter2" }, /^PGREQUIREPEER: expected nothing, since /],
    [{ PGGSSENCMODE: "require" }, /^PGGSSENCMODE: expected prefer or disable, since /],
    [{ PGKRBSRVNAME: "hunter2" }, /^PGKRBSRVNAME: expected nothing or postgres, since /],
    [{ PGMINPROTOCOLVERSION: "3.2" }, /^PGMINPROTOCOLVERSION: expected 3.0, since /],
  ])("that the environment asks for and that cannot be had is refused by its name: %j", (env, message) => {
    expect(refusal("", env)).toMatch(message);
    expect(refusal("", env)).not.toContain("hunter2");
  });

  test("follows the environment of the process", () => {
    vi.stubEnv("PGSSLMODE", "verify-full");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(parseDatabaseUrl("postgres://me@localhost/db", "DATABASE_URL").tls).toBe("verify-full");
  });
});

test("of a host or a port that is said twice the last counts, as in libpq", () => {
  expect(readAt("one", "host=two&port=1&host=three&port=2")).toMatchObject({ host: "three", port: 2 });
});

test("a blank variable is not configured, and the first one that is counts", () => {
  expect(configuredUrl({}, "A", "B")).toBeUndefined();
  expect(configuredUrl({ A: "", B: " \n" }, "A", "B")).toBeUndefined();
  expect(configuredUrl({ A: "", B: "two" }, "A", "B")).toBe("two");
  expect(configuredUrl({ A: "one", B: "two" }, "A", "B")).toBe("one");
});
