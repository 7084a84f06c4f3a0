/** How much of the machine other processes take while something is measured. */
import { cpus } from 'node:os'

/** Milliseconds that all processors together have worked, for whomever. */
const busyMs = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)

/**
 * Starts to watch.
 * @returns a function that says which share of the processors others took since then, 0…1;
 *   `childMs`: processor time of children of ours meanwhile
 */
export function watchOthers(): (childMs?: number) => number {
  const [start, busy, own] = [performance.now(), busyMs(), process.cpuUsage()]
  return (childMs = 0) => {
    const { user, system } = process.cpuUsage(own)
    const others = busyMs() - busy - (user + system) / 1000 - childMs
    // The clock of the processors ticks every 10 ms.
    return Math.max(0, others / ((performance.now() - start) * cpus().length))
  }
}
