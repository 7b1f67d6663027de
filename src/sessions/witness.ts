export const heldByAnother = Symbol("heldByAnother");

/**
 * What a handle has besides, for the ai-sdk room alone: whether another user has the session. Its calls return the
 * same then as if nobody had it, and an answer must not be lost in silence because its session was transferred. It
 * tells no more than `create` does, which refuses an id that is taken by anyone.
 */
export interface Witness {
  [heldByAnother]?(id: string): Promise<boolean>;
}
