/** The one function of it that is used here; the package has no types. */
declare module "fs-native-extensions" {
  /** Takes an exclusive lock on bytes of an open file, on all with 0 and 0; false where another open file has it. */
  export function tryLock(fd: number, offset: number, length: number): boolean;
}
