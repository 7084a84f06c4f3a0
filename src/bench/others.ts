/** How much of the machine other processes take while something is measured. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** Milliseconds that all processors together have worked, for whomever. */
const busyMs = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)

/** The same that a host took from this virtual machine, where Linux tells; in ticks of 10 ms. */
function stolenMs(): number {
  if (process.platform !== 'linux') return 0
  try {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
    const ticks = Number(line.trim().split(/\s+/)[8])
    return Number.isFinite(ticks) ? 10 * ticks : 0
  } catch {
    return 0
  }
}

/**
 * Starts to watch.
 * @returns a function that says which share of the processors others took since then, 0…1;
 *   `childMs`: processor time of children of ours meanwhile
 */
export function watchOthers(): (childMs?: number) => number {
  const [start, busy, own] = [performance.now(), busyMs() + stolenMs(), process.cpuUsage()]
  return (childMs = 0) => {
    const { user, system } = process.cpuUsage(own)
    const others = busyMs() + stolenMs() - busy - (user + system) / 1000 - childMs
    // The clock of the processors ticks every 10 ms.
    const share = others / ((performance.now() - start) * cpus().length)
    return Math.min(1, Math.max(0, share))
  }
}
