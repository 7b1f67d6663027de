export const heldByAnother = Symbol("heldByAnother");

/**
 * An internal method of a handle, for `ai-sdk/` only: whether another user has the session. All public calls hide that,
 * but an answer must not be lost silently because its session was transferred. It reveals no more than `create`, which
 * refuses an id that is taken by anyone.
 */
export interface Witness {
  [heldByAnother]?(id: string): Promise<boolean>;
}
