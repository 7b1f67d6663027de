import "server-only";
import { cookies } from "next/headers";
import { redirect } from "next/navigation";

/** The users of this demo. */
export const DEMO_USERS = [
  { id: "ada", name: "Ada" },
  { id: "grace", name: "Grace" },
] as const;

const COOKIE = "demo-user";

/**
 * The signed-in user. With Clerk, replace it by `auth()` of "@clerk/nextjs/server", whose `userId` is null for
 * a visitor: let with-sessions.ts return 401 then, and the pages redirect to the sign-in page. Remove the
 * users above and the switch below.
 */
export async function auth(): Promise<(typeof DEMO_USERS)[number] & { userId: string }> {
  const chosen = (await cookies()).get(COOKIE)?.value;
  const user = DEMO_USERS.find(({ id }) => id === chosen) ?? DEMO_USERS[0];
  return { ...user, userId: `user_${user.id}` };
}

/** Signs in as the user that the form names. */
export async function switchUser(form: FormData): Promise<void> {
  "use server";
  (await cookies()).set(COOKIE, String(form.get("user")), { httpOnly: true, sameSite: "lax" });
  redirect("/journey");
}
