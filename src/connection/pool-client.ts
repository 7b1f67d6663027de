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
      result = await work(client);
      over = true;
    } catch (thrown) {
      over = true;
      // The server has rolled back where the connection is lost; what else goes wrong must not be left open.
      await connection.send(["rollback"]).catch(connection.destroy);
      throw thrown;
    }
    const { command } = (await connection.send(["commit"])) as { command: string };
    // The answer to a commit after a statement that failed and whose failure was swallowed.
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

/** Whether what was sent began a transaction and did not end it: the next calls on the connection would be lost in it. */
function leavesOpen(answer: unknown): boolean {
  type Result = { command: string };
  const results = "command" in (answer as object) ? [answer as Result] : (answer as Result[]);
  const last = results.findLast(({ command }) => TRANSACTION.test(command));
  return last !== undefined && !/^(COMMIT|ROLLBACK)$/.test(last.command);
}

/** The commands that begin and end one. */
const TRANSACTION = /^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK)$/;
