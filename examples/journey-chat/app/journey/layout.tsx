import type { ReactNode } from "react";
import { Shell } from "@/components/shell";
import { auth, DEMO_USERS, switchUser } from "@/lib/auth";
import { sessionsOf, toItem } from "@/lib/journey";

export default async function JourneyLayout({ children }: { children: ReactNode }) {
  const user = await auth();
  const page = await (await sessionsOf(user.userId)).list();
  return (
    <Shell
      // Drops all state when another user signs in.
      key={user.userId}
      users={DEMO_USERS}
      userId={user.id}
      switchUser={switchUser}
      firstPage={{ ...page, sessions: page.sessions.map(toItem) }}
    >
      {children}
    </Shell>
  );
}
