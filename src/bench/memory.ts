/**
 * Peak memory of training, each configuration in a process of its own: what one leaves behind must
 * not count for the next.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { batchOf, chooseModels, describeMethod, methods } from './networks.js'
import { emptyReport, type Report } from './report.js'

const execute = promisify(execFile)
const child = fileURLToPath(new URL('./memory-child.js', import.meta.url))
const TIME_STEPS = [1, 2, 4, 8, 16]
const QUICK_TIME_STEPS = [4]

/** Bytes: largest resident set of a process that trains the network, and what its plan asks for. */
export async function peakMemory(
  name: string,
  method: string,
  timeSteps: number,
  threads: number,
): Promise<{ rss: number; planned: number }> {
  const { stdout } = await execute(process.execPath, [
    child,
    name,
    method,
    String(timeSteps),
    String(threads),
  ])
  return JSON.parse(stdout) as { rss: number; planned: number }
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

export async function benchMemory(
  options: {
    readonly model: string | undefined
    readonly quick: boolean
    readonly threads: number
  },
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const report = emptyReport()
  const { names } = chooseModels(options.model, options.quick)
  const { rss: empty } = await peakMemory('none', '', 0, 1)
  for (const name of names) {
    const rows: string[][] = []
    for (const choice of options.quick
      ? methods.filter(({ stepMode }) => stepMode === 'm')
      : methods)
      for (const timeSteps of options.quick ? QUICK_TIME_STEPS : TIME_STEPS) {
        const method = describeMethod(choice)
        progress(`memory ${name} ${method} T=${timeSteps}`)
        const { rss, planned } = await peakMemory(name, method, timeSteps, options.threads)
        rows.push([method, String(timeSteps), mib(rss), mib(rss - empty), mib(planned)])
        report.smallerIsBetter.push({
          name:
            `memory | ${name} | ${method} | T ${timeSteps} | batch ${batchOf(name)} ` +
            `| threads ${options.threads}`,
          unit: 'MiB',
          value: Math.round(rss / 2 ** 20),
          extra:
            `planned ${mib(planned)} MiB, a process without a model ${mib(empty)} ` +
            `MiB\n${label}`,
        })
      }
    report.tables.push({
      title:
        `Peak memory: ${name}, batch ${batchOf(name)}, ${options.threads} ` +
        `${options.threads === 1 ? 'thread' : 'threads'}`,
      notes: [
        'Largest resident set of a process that compiles and trains for 2 steps; a process ' +
          `with the package alone takes ${mib(empty)} MiB. planned: what the plan asks of ` +
          'WebAssembly.',
      ],
      head: ['method', 'T', 'peak MiB', 'above empty', 'planned MiB'],
      rows,
    })
  }
  return report
}
