/** Planning in parts: a thread that must stay free does something else between two of them. */

/** Stops behind each part. Other plans may be made meanwhile. */
export type Parts<T> = Generator<undefined, T>

/** All of it at once. */
export function atOnce<T>(parts: Parts<T>): T {
  for (;;) {
    const { done, value } = parts.next()
    if (done) return value
  }
}
