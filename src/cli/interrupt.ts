/** Ctrl-C. */

export interface Interrupt {
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal
  /** Gives Ctrl-C its usual meaning back. */
  release(): void
}

/**
 * A second Ctrl-C within this time counts as the first one: the terminal sends the signal to us,
 * and `npm start` passes it on once more.
 */
const SAME_SIGNAL_MS = 500

/** The first Ctrl-C asks to stop and calls `onRequest`; the second ends the process at once. */
export function listenForInterrupt(onRequest: () => void): Interrupt {
  const controller = new AbortController()
  let requestedAt = 0
  const onSignal = (): void => {
    if (!controller.signal.aborted) {
      requestedAt = performance.now()
      controller.abort()
      onRequest()
    } else if (performance.now() - requestedAt > SAME_SIGNAL_MS) process.exit(130)
  }
  process.on('SIGINT', onSignal)
  return {
    signal: controller.signal,
    release: () => void process.off('SIGINT', onSignal),
  }
}
