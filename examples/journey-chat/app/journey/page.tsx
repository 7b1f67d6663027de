import { NewChat } from "@/components/new-chat";

export default function NewChatPage() {
  return <NewChat />;
}
