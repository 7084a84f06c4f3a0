/**
 * Assertions of the debug build, which is the one compiled with optimizeLevel 1. They carry no
 * message, because the engine holds no static data.
 */

/** Traps when the condition is false. Other builds leave it out. */
// @ts-ignore: decorator
@inline
export function check(condition: bool): void {
  if (ASC_OPTIMIZE_LEVEL < 3) {
    if (!condition) unreachable()
  }
}
