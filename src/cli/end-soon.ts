/** The end of commands that leave something behind: lost connections, threads that go on. */

let isOurs = false

/** Says that this process does nothing but run a command. */
export function ownProcess(): void {
  isOurs = true
}

/** What still goes on in so many milliseconds must not keep the process. */
export function endSoon(ms = 3000): void {
  if (isOurs) setTimeout(() => process.exit(), ms).unref()
}
