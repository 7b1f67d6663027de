import "server-only";
import { errorResponse } from "@aigos/journey-db/ai-sdk";
import type { NextRequest } from "next/server";
import type * as z from "zod";
import { auth } from "./auth";
import { sessionsOf } from "./journey";

type Sessions = Awaited<ReturnType<typeof sessionsOf>>;

/** A route handler with the sessions of whoever is signed in. What the package refuses becomes an HTTP answer. */
export function withSessions<Params>(
  answer: (sessions: Sessions, request: NextRequest, params: Params) => Promise<Response>,
) {
  return async (request: NextRequest, { params }: { params: Promise<Params> }): Promise<Response> => {
    try {
      const { userId } = await auth();
      return await answer(await sessionsOf(userId), request, await params);
    } catch (error) {
      return errorResponse(error);
    }
  };
}

/** What the request brings, or undefined where it is not what the route takes. */
export async function bodyOf<T>(request: NextRequest, schema: z.ZodType<T>): Promise<T | undefined> {
  return schema.safeParse(await request.json().catch(() => undefined)).data;
}

/** For a request whose body is not what the route takes. */
export const badRequest = () => Response.json({ code: "invalid_input" }, { status: 400 });
