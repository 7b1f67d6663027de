import { connection } from "next/server";
import { Conversation } from "@/components/conversation";

/** A chat that begins with its first message: until then there is an id and no row. */
export default async function NewChatPage() {
  await connection();
  const id = crypto.randomUUID();
  return <Conversation key={id} id={id} />;
}
