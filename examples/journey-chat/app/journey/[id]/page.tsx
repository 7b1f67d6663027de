import { JourneyDbError } from "@aigos/journey-db";
import { notFound } from "next/navigation";
import { Conversation } from "@/components/conversation";
import { auth } from "@/lib/auth";
import { PAGE, sessionsOf, toItem, toMessages } from "@/lib/journey";

/** A stored chat, with its newest messages. */
export default async function ChatPage({ params }: PageProps<"/journey/[id]">) {
  const { id } = await params;
  const sessions = await sessionsOf((await auth()).userId);
  const page = await sessions.messages(id, { limit: PAGE }).catch((error: unknown) => {
    if (error instanceof JourneyDbError && ["not_found", "invalid_input"].includes(error.code)) notFound();
    throw error;
  });
  const { session, messages, hasMore, revision } = page;
  return (
    <Conversation
      key={id}
      id={id}
      stored={{ session: toItem(session), messages: toMessages(messages), hasMore, revision }}
    />
  );
}
