/** Pauses of the calling thread. */

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
