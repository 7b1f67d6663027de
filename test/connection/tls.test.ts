import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/connection/connect.js";
import { parseDatabaseUrl } from "../../src/connection/database-url.js";
import { tlsOptions } from "../../src/connection/tls-options.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { newUser, rawClient } from "../support/database.js";
import { runCode, temporaryFolder } from "../support/program.js";
import { startTlsServer, tlsFile } from "../support/tls-server.js";

const urlAt = await startTlsServer();
const root = { sslrootcert: tlsFile("root.pem") };
const other = { sslrootcert: tlsFile("other-root.pem") };

/** The result of a TLS handshake after PostgreSQL's SSLRequest: the version, or the code of the error. */
async function handshake(url: string): Promise<string | null> {
  const address = parseDatabaseUrl(url, "DATABASE_URL", {});
  expect(address.tls).not.toBe("disable");
  const { host, port } = address;
  const socket = connectSocket({ host, port });
  onTestFinished(() => void socket.destroy());
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  const [answer] = await once(socket, "data");
  expect(`${answer}`).toBe("S");
  const secure = connectTls({ socket, ...tlsOptions(address) });
  return once(secure, "secureConnect").then(
    () => secure.getProtocol(),
    (error) => error.code,
  );
}

describe("the certificate", () => {
  const mismatch = "ERR_TLS_CERT_ALTNAME_INVALID";
  // The server sends its root certificate.
  const unknown = "SELF_SIGNED_CERT_IN_CHAIN";
  test.each<[string, Record<string, string>, string | null]>([
    ["127.0.0.1", { sslmode: "prefer" }, "TLSv1.3"],
    ["127.0.0.1", { sslmode: "require" }, "TLSv1.3"],
    ["127.0.0.1", { sslmode: "require", ...root }, "TLSv1.3"],
    ["127.0.0.1", { sslmode: "require", ...other }, unknown],
    ["127.0.0.1", { sslmode: "verify-ca", ...root }, "TLSv1.3"],
    ["localhost", { sslmode: "verify-ca", ...other }, unknown],
    ["127.0.0.1", { sslmode: "verify-full", ...root }, mismatch],
    ["localhost", { sslmode: "verify-full", ...root }, "TLSv1.3"],
    ["localhost", { sslmode: "verify-full", ...other }, unknown],
    ["localhost", { sslmode: "verify-full" }, unknown],
    ["localhost", root, "TLSv1.3"],
    ["127.0.0.1", root, mismatch],
    ["localhost", other, unknown],
    ["localhost", { sslrootcert: "system" }, unknown],
    ["localhost", { ssl: "true" }, unknown],
    ["localhost", { ssl: "no-verify" }, "TLSv1.3"],
    ["localhost", { sslmode: "verify-full", sslsni: "0", ...root }, "TLSv1.3"],
    ["127.0.0.1", { sslmode: "verify-full", sslsni: "0", ...root }, mismatch],
    ["localhost", { ...root, sslcrl: tlsFile("none-revoked.pem") }, "TLSv1.3"],
    ["localhost", { ...root, sslcrl: tlsFile("server-revoked.pem") }, "CERT_REVOKED"],
    ["localhost", { sslmode: "require", ...root, sslcrl: tlsFile("server-revoked.pem") }, "CERT_REVOKED"],
    ["localhost", { sslmode: "require", ssl_max_protocol_version: "TLSv1.2" }, "TLSv1.2"],
    ["localhost", { sslmode: "require", ssl_min_protocol_version: "TLSv1.3" }, "TLSv1.3"],
  ])("of a server at %s with %o is looked at as libpq does: %s", async (host, query, outcome) => {
    expect(await handshake(urlAt(host, query))).toBe(outcome);
  });
});

describe("a server with TLS", () => {
  /** The server name that the client sends, and the version, up to 1.2, or the code of the error. */
  async function called(
    host: string,
    query: Record<string, string>,
  ): Promise<{ name: string; version: string }> {
    let name = "";
    const listener = createServer({
      cert: readFileSync(tlsFile("server.pem")),
      key: readFileSync(tlsFile("server-key.pem")),
      maxVersion: "TLSv1.2",
      SNICallback: (sent, go) => {
        name = sent;
        go(null);
      },
    });
    listener.on("tlsClientError", () => {}).listen(0, "127.0.0.1");
    await once(listener, "listening");
    onTestFinished(() => void listener.close());
    const { port } = listener.address() as { port: number };
    const address = parseDatabaseUrl(
      `postgres://me@${host}:${port}/db?${new URLSearchParams(query)}`,
      "DATABASE_URL",
      {},
    );
    const socket: TLSSocket = connectTls({ ...tlsOptions(address), port, host: "127.0.0.1" });
    onTestFinished(() => void socket.destroy());
    return once(socket, "secureConnect").then(
      () => ({ name, version: socket.getProtocol() ?? "" }),
      (error) => ({ name, version: error.code }),
    );
  }

  test.each<[string, Record<string, string>, string, string]>([
    ["localhost", { sslmode: "require" }, "localhost", "TLSv1.2"],
    ["localhost.", { sslmode: "verify-full", ...root }, "localhost", "TLSv1.2"],
    ["localhost", { sslmode: "require", sslsni: "0" }, "", "TLSv1.2"],
    ["127.0.0.1", { sslmode: "require" }, "", "TLSv1.2"],
    [
      "localhost",
      { sslmode: "require", ssl_min_protocol_version: "TLSv1.3" },
      "",
      "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    ],
  ])("at %s is told with %o the name %j, and answers with %s", async (host, query, name, version) => {
    expect(await called(host, query)).toEqual({ name, version });
  });
});

describe("connect", () => {
  /** What the server reports about the connection. */
  async function seenByServer(url: string): Promise<unknown> {
    const { db, close } = await connect({ url });
    onTestFinished(close);
    const rows = await db.execute(
      sql`select ssl, version, client_dn from pg_stat_ssl where pid = pg_backend_pid()`,
    );
    return (rows as unknown as unknown[])[0];
  }
  const client = { sslcert: tlsFile("client.pem"), sslkey: tlsFile("client-key.pem") };
  const locked = { sslcert: tlsFile("client.pem"), sslkey: tlsFile("client-key-encrypted.pem") };

  test.each<[string, Record<string, string>, object]>([
    ["localhost", {}, { ssl: false }],
    ["localhost", { sslmode: "disable", ...root }, { ssl: false }],
    ["localhost", { sslmode: "prefer" }, { ssl: true }],
    ["localhost", { sslmode: "prefer", ...client }, { client_dn: "/CN=client" }],
    ["localhost", { sslmode: "prefer", ssl_max_protocol_version: "TLSv1.2" }, { version: "TLSv1.2" }],
    ["localhost", { sslmode: "require" }, { ssl: true, client_dn: null }],
    ["localhost", root, { ssl: true, version: "TLSv1.3" }],
    ["127.0.0.1", { sslmode: "require", ...root }, { ssl: true }],
    ["localhost", { sslmode: "require", ssl_max_protocol_version: "TLSv1.2" }, { version: "TLSv1.2" }],
    ["localhost", { sslmode: "require", ...client }, { ssl: true, client_dn: "/CN=client" }],
    ["localhost", { ...client, ...root }, { ssl: true, client_dn: "/CN=client" }],
    ["localhost", { ...locked, ...root, sslpassword: "hunter2" }, { client_dn: "/CN=client" }],
    ["localhost", { sslmode: "require", ...client, sslcertmode: "disable" }, { ssl: true, client_dn: null }],
  ])("to %s with %o is seen by the server as %o", async (host, query, seen) => {
    expect(await seenByServer(urlAt(host, query))).toMatchObject(seen);
  });

  test("cancels a call that has ended over TLS too", async () => {
    const { db, close } = await connect({ url: urlAt("localhost", { sslmode: "require" }), max: 1 });
    onTestFinished(close);
    await migrate(db);
    const admin = rawClient(urlAt("localhost", {}));
    await admin.begin(async (holder) => {
      await holder`lock table journey_sessions`;
      const call = forUser(db, newUser(), { timeoutMs: 500 }).count();
      await expect(call).rejects.toMatchObject({ code: "timeout" });
      await db.execute(sql`select 1`);
    });
  });

  test.each<[string, Record<string, string>]>([
    ["localhost", { ssl: "true" }],
    ["localhost", { sslrootcert: "system" }],
    ["localhost", other],
    ["127.0.0.1", root],
    ["localhost", { sslmode: "require", ...other }],
    ["localhost", { ...root, sslcrl: tlsFile("server-revoked.pem") }],
  ])("to %s with %o sends nothing to a server that it cannot trust", async (host, query) => {
    const { db, close } = await connect({ url: urlAt(host, query) });
    onTestFinished(close);
    await expect(forUser(db, newUser()).count()).rejects.toMatchObject({ code: "configuration" });
  });

  test.each<[NodeJS.ProcessEnv, object]>([
    [{ PGSSLMODE: "require" }, { ssl: true, client_dn: null }],
    [{ PGSSL: "disable" }, { ssl: false }],
    [{ PGSSL: "prefer" }, { ssl: true }],
    [{ PGSSL: "require" }, { ssl: true }],
    [{ PGSSLROOTCERT: root.sslrootcert }, { ssl: true }],
    [
      { PGSSLMODE: "require", PGSSLCERT: client.sslcert, PGSSLKEY: client.sslkey },
      { ssl: true, client_dn: "/CN=client" },
    ],
  ])("follows the environment: %o", async (env, seen) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await seenByServer(urlAt("localhost", {}))).toMatchObject(seen);
  });

  test.each<[string, Record<string, string>]>([
    ["ssl", { ssl: "true" }],
    ["sslmode", { sslmode: "verify-full" }],
    ["sslrootcert", { sslrootcert: "system" }],
  ])("with %s trusts the certificates that Node.js is told of", async (_, query) => {
    const program = `
      const { connect } = await import("#/src/index.ts");
      const { db, close } = await connect();
      const [row] = await db.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
      console.log(row.ssl);
      await close();
    `;
    const env = { DATABASE_URL: urlAt("localhost", query), NODE_EXTRA_CA_CERTS: tlsFile("root.pem") };
    const { ended, stdout, stderr } = runCode(program, temporaryFolder(), env);
    expect(await ended, stderr()).toBe(0);
    expect(stdout()).toBe("true\n");
  });

  test.each<[string, Record<string, string>, string]>([
    ["is not there", { ...root, sslcert: "/not/hunter2", sslkey: client.sslkey }, "sslcert"],
    ["is not there", { ...root, sslcert: client.sslcert, sslkey: "/not/hunter2" }, "sslkey"],
    ["is not there", { sslrootcert: "/not/hunter2" }, "sslrootcert"],
    ["is not there", { ...root, sslcrl: "/not/hunter2" }, "sslcrl"],
    ["is a folder", { sslrootcert: tmpdir() }, "sslrootcert"],
    ["is something else", { sslrootcert: tlsFile("make.sh") }, "sslrootcert"],
    ["is something else", { sslrootcert: tlsFile("client-key.pem") }, "sslrootcert"],
    ["is something else", { ...root, sslcrl: tlsFile("root.pem") }, "sslcrl"],
    ["is another's", { ...root, sslcert: client.sslcert, sslkey: tlsFile("server-key.pem") }, "sslcert"],
    ["is locked", { ...root, ...locked }, "sslcert"],
    ["is locked otherwise", { ...root, ...locked, sslpassword: "hunter3" }, "sslcert"],
  ])("refuses a file that %s by the parameter's name: %o", async (_, query, name) => {
    const refused = connect({ url: urlAt("localhost", query) });
    await expect(refused).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(new RegExp(`^options.url: ${name}: expected `)),
    });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringMatching(/hunter|fixtures/) });
  });
});
