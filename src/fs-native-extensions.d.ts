/** The one function of it that is used here; the package has no types. */
declare module "fs-native-extensions" {
  /** Takes an exclusive lock on an open file; false where another open file has it. */
  export function tryLock(fd: number): boolean;
}
