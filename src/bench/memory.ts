/**
 * Peak memory of training, each configuration in a process of its own: what one leaves behind must
 * not count for the next.
 */
import { fileURLToPath } from 'node:url'
import type { NetworkOptions } from './cases/steps.js'
import { inChild } from './child.js'
import type { Group } from './group.js'
import { batchOf, chooseModels, describeMethod, methods } from './networks.js'
import { emptyReport, failureOf, type Report } from './report.js'

const child = fileURLToPath(new URL('./memory-child.js', import.meta.url))
const TIME_STEPS = [1, 2, 4, 8, 16]
const QUICK_TIME_STEPS = [4]
/** A process that takes longer hangs. */
const TIMEOUT_MS = 600_000

/** Bytes: largest resident set of a process that trains the network, and what its plan asks for. */
export async function peakMemory(
  name: string,
  method: string,
  timeSteps: number,
  threads: number,
  batchSize?: number,
): Promise<{ rss: number; planned: number; rates: string }> {
  const args = [name, method, timeSteps, threads, ...(batchSize === undefined ? [] : [batchSize])]
  return inChild(`memory ${name} ${method}`, child, args.map(String), TIMEOUT_MS)
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

interface Configuration {
  readonly name: string
  readonly method: string
  readonly timeSteps: number
}

/** One group for each network. */
export function memoryGroups(options: NetworkOptions, label: string): Group[] {
  const { quick, timeSteps, threads } = options
  const steps = timeSteps === undefined ? (quick ? QUICK_TIME_STEPS : TIME_STEPS) : [timeSteps]
  const choices = quick ? methods.filter(({ stepMode }) => stepMode === 'm') : methods
  return chooseModels(options.model, quick).names.map((model) => {
    const batchSize = options.batchSize ?? batchOf(model)
    const all = choices.flatMap((choice) =>
      steps.map((T): Configuration => {
        const method = describeMethod(choice)
        return { name: `memory ${model} ${method} B${batchSize} T${T}`, method, timeSteps: T }
      }),
    )
    return {
      section: 'memory',
      names: all.map(({ name }) => name),
      run: async (wanted, progress, signal) => {
        progress('memory of the package alone')
        const { rss: empty } = await peakMemory('none', '', 0, 1)
        const report = emptyReport()
        const rows: string[][] = []
        for (const { name, method, timeSteps: T } of all.filter((each) => wanted.has(each.name))) {
          if (signal?.aborted) break
          progress(name)
          const found = await peakMemory(model, method, T, threads, batchSize).catch((error) => {
            report.failed.set(name, failureOf(name, error))
          })
          if (!found) continue
          const { rss, planned, rates } = found
          rows.push([name, mib(rss), mib(Math.max(0, rss - empty)), mib(planned), rates])
          report.smallerIsBetter.push({
            name: threads > 1 ? `${name} threads ${threads}` : name,
            unit: 'MiB',
            value: Math.round(rss / 2 ** 20),
            extra:
              `planned ${mib(planned)} MiB, a process without a model ${mib(empty)} ` +
              `MiB\n${rates}\n${label}`,
          })
        }
        return rows.length === 0
          ? report
          : { ...report, tables: [tableOf(model, rows, empty, threads)] }
      },
    }
  })
}

function tableOf(
  model: string,
  rows: readonly string[][],
  empty: number,
  threads: number,
): Report['tables'][number] {
  return {
    title: `memory: ${model}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    notes: [
      'Largest resident set of a process that compiles and trains for 2 steps; a process with ' +
        `the package alone takes ${mib(empty)} MiB. planned: what the plan asks of WebAssembly.`,
    ],
    head: ['benchmark', 'peak MiB', 'above empty', 'planned MiB', 'density'],
    rows,
    lesser: ['planned MiB', 'density'],
  }
}
