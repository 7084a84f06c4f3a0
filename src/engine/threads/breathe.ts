/** Pauses of the calling thread. */

/** How long a page may be kept busy. */
const BUSY_MS = 8

/** Work that stops behind each part of it, with pauses: for a thread that must stay free. */
export async function inParts<T>(parts: Generator<undefined, T>): Promise<T> {
  let from = performance.now()
  for (;;) {
    const { done, value } = parts.next()
    if (done) return value
    if (performance.now() - from < BUSY_MS) continue
    await breathe()
    from = performance.now()
  }
}

/** Lets callbacks, timers and signals run between two steps that run on this thread. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    if (globalThis.setImmediate !== undefined) {
      globalThis.setImmediate(resolve)
      return
    }
    // In browsers: a timer would wait for 4 ms each time.
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
