export const heldByAnother = Symbol("heldByAnother");
export const holdReader = Symbol("holdReader");

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
   * Counts the handle among those that wait for changes, also while it does not wait, until the returned function is called.
   *
   * @throws JourneyDbError unavailable if too many of the user's do
   */
  [holdReader]?(): () => void;
}
