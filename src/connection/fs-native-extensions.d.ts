/** The package has no types. */
declare module "fs-native-extensions" {
  /** Locks bytes of an open file exclusively, all of them for 0 and 0. False if another descriptor has the lock. */
  export function tryLock(fd: number, offset: number, length: number): boolean;
}
