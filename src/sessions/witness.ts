export const heldByAnother = Symbol("heldByAnother");
export const holdReader = Symbol("holdReader");
/** An option of `replies.read`: its caller holds a place. */
export const HELD = Symbol("held");

/**
 * Internal methods of a handle, for `ai-sdk/` only.
 */
export interface Witness {
  /**
   * Whether another user has the session. All public calls hide that, but an answer must not be lost silently because its
   * session was transferred. It reveals no more than `create`, which refuses an id that is taken by anyone.
   */
  [heldByAnother]?(id: string): Promise<boolean>;
  /**
   * Takes a place among those of the user that wait for changes, until the returned function is called.
   *
   * @throws JourneyDbError unavailable if too many of the user's do
   */
  [holdReader]?(): () => void;
}
