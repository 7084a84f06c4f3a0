/** The end of commands that have had a Redis. */

/** What still waits for a lost connection must not keep the process. */
export const endSoon = (): void => void setTimeout(() => process.exit(), 3000).unref()
