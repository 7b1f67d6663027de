import { endOfCall } from "../model/call-end.js";
import type { Pool } from "./pool.js";
import type { SendArgs, ServerConnection } from "./server-connection.js";

type Send = ServerConnection["send"];

interface Client {
  unsafe(...args: SendArgs): Promise<unknown>;
}

interface TransactionClient extends Client {
  savepoint<T>(work: (nested: TransactionClient) => Promise<T>): Promise<T>;
}

/** The part of a postgres.js client that Drizzle uses. */
export interface PoolClient extends Client {
  begin<T>(work: (transaction: TransactionClient) => Promise<T>): Promise<T>;
}

export function poolClient(pool: Pool): PoolClient {
  const clientOf = (send: Send): Client => ({
    unsafe(...args) {
      const callEnd = endOfCall();
      let asValues = false;
      // In a microtask, since Drizzle may call values() first.
      const answer = Promise.resolve().then(() => send(args, asValues, callEnd));
      const values = () => {
        asValues = true;
        return answer;
      };
      return Object.assign(answer, { values });
    },
  });

  async function transaction<T>(
    connection: ServerConnection,
    work: (transaction: TransactionClient) => Promise<T>,
  ): Promise<T> {
    let over = false;
    let firstFailure: unknown;
    const send: Send = async (...args) => {
      // Another call may have the connection now.
      if (over) throw Object.assign(new Error("the transaction has ended"), { code: "25P01" });
      return connection.send(...args).catch((error) => {
        firstFailure ??= error;
        throw error;
      });
    };
    let savepoints = 0;
    const client: TransactionClient = {
      ...clientOf(send),
      async savepoint(nested) {
        const name = `s${savepoints++}`;
        await send([`savepoint ${name}`]);
        try {
          return await nested(client);
        } catch (thrown) {
          await send([`rollback to ${name}`]);
          throw thrown;
        }
      },
    };
    await connection.send(["begin"]);
    let result: T;
    try {
      result = await work(client).finally(() => {
        over = true;
      });
    } catch (thrown) {
      // Destroyed if that fails, so that no transaction stays open. If the connection is lost, the server has rolled back.
      await connection.send(["rollback"]).catch(connection.destroy);
      throw thrown;
    }
    const { command } = (await connection.send(["commit"])) as { command: string };
    // The result of a commit after a failed statement whose error the application ignored.
    if (command === "ROLLBACK") throw firstFailure;
    return result;
  }

  return {
    ...clientOf((args, asValues, callEnd) =>
      pool.use(async (connection) => {
        const answer = await connection.send(args, asValues, callEnd);
        if (!leavesOpen(answer)) return answer;
        connection.destroy();
        throw Object.assign(new Error("use db.transaction()"), { code: "25001" });
      }, callEnd),
    ),
    begin: (work) => pool.use((connection) => transaction(connection, work)),
  };
}

/** Whether the statements began a transaction and did not end it: later calls on the connection would be part of it. */
function leavesOpen(answer: unknown): boolean {
  type Result = { command: string };
  const results = "command" in (answer as object) ? [answer as Result] : (answer as Result[]);
  const commands = results.map(({ command }) => command);
  const last = commands.findLast((command) => /^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK)$/.test(command));
  return last === "BEGIN" || last === "START TRANSACTION";
}
