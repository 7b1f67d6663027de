import "server-only";
import { errorCode, errorResponse } from "@aigos/journey-db/ai-sdk";
import type { NextRequest } from "next/server";
import type * as z from "zod";
import { auth } from "./auth";
import { type Sessions, sessionsOf } from "./journey";

/** The status of nginx for a request that the browser aborted. No browser sees it. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * A route handler with the sessions of the signed-in user. Errors of the package become HTTP responses.
 *
 * @param endsWithRequest whether the calls end when the browser aborts the request; only for reads
 */
export function withSessions<Params>(
  answer: (sessions: Sessions, request: NextRequest, params: Params) => Promise<Response>,
  { endsWithRequest = false } = {},
) {
  return async (request: NextRequest, { params }: { params: Promise<Params> }): Promise<Response> => {
    const signal = endsWithRequest ? request.signal : undefined;
    try {
      const { userId } = await auth();
      return await answer(await sessionsOf(userId, signal), request, await params);
    } catch (error) {
      // Not an error that an operator must see.
      if (signal?.aborted && errorCode(error) === "timeout")
        return new Response(null, { status: CLIENT_CLOSED_REQUEST });
      return errorResponse(error);
    }
  };
}

/** Far more than a title or a message id needs. */
const MOST_BYTES = 8192;

/** The request's text; undefined if it is too long, and no more of it is read. */
async function textOf({ body }: NextRequest): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The JSON of a request; undefined if it does not match the schema. */
export async function bodyOf<T>(request: NextRequest, schema: z.ZodType<T>): Promise<T | undefined> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json *(;|$)/i.test(type)) return undefined;
  try {
    return schema.safeParse(JSON.parse((await textOf(request)) ?? "")).data;
  } catch {
    return undefined;
  }
}

/** The response to a request whose body does not match. */
export const badRequest = () => Response.json({ code: "invalid_input" }, { status: 400 });
