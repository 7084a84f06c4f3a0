/**
 * Asserts of the debug build: it is the one that is compiled with optimizeLevel 1. Without
 * messages, since the engine holds no static data.
 */

// @ts-ignore: decorator
@inline
export function check(condition: bool): void {
  if (ASC_OPTIMIZE_LEVEL < 3) {
    if (!condition) unreachable()
  }
}
