import type { ReactNode } from "react";
import { Shell } from "@/components/shell";
import { auth, DEMO_USERS, switchUser } from "@/lib/auth";
import { sessionsOf } from "@/lib/journey";
import { pageOf } from "@/lib/list";

export default async function JourneyLayout({ children }: { children: ReactNode }) {
  const user = await auth();
  const firstPage = await pageOf(await sessionsOf(user.userId), { archived: false });
  return (
    <Shell
      // Drops all state when another user signs in.
      key={user.userId}
      users={DEMO_USERS}
      userId={user.id}
      switchUser={switchUser}
      firstPage={firstPage}
    >
      {children}
    </Shell>
  );
}
