import { randomUUID } from "node:crypto";
import { atEnd, onServer } from "./database.js";

/**
 * A role of the test's own that can log in and do nothing else, and the URLs to do so. Make it
 * before the database in which it gets rights: they end in the opposite order.
 */
export async function newRole(): Promise<{ role: string; as: (url: string) => string }> {
  const role = `role_${randomUUID().replaceAll("-", "")}`;
  await onServer(`create role ${role} login password '${role}'`);
  atEnd(() => onServer(`drop role ${role}`));
  const as = (url: string) => {
    const to = new URL(url);
    to.username = role;
    to.password = role;
    return to.href;
  };
  return { role, as };
}
