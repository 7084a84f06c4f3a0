/**
 * npm run bench: kernels, training steps, memory and, when asked for, exported networks, other
 * libraries and the paper's own code.
 */
import { writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import { measureHandOver } from '../src/bench/hand-over.js'
import { describeMachine, machineLabel } from '../src/bench/machine.js'
import { addReport, emptyReport, type Report, toMarkdown, toText } from '../src/bench/report.js'
import { SpikewasmError } from '../src/errors.js'
import { switchOnWideVectors, type WideVectors } from '../src/runtime/revectorize.js'
import { type BenchOptions, parseOptions, type Section, usage } from './options.js'

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

async function runSection(section: Section, options: BenchOptions, label: string): Promise<Report> {
  switch (section) {
    case 'kernels':
      return (await import('./kernels.js')).benchKernels(options.quick, label, progress)
    case 'steps':
      return (await import('./steps.js')).benchSteps(options, label, progress)
    case 'memory':
      return (await import('../src/bench/memory.js')).benchMemory(options, label, progress)
    case 'edge':
      return (await import('./edge.js')).benchEdge(options, label, progress)
    case 'peers':
      return (await import('./peers.js')).benchPeers(options.quick, label, progress)
    case 'single':
      return (await import('./single.js')).benchSingle(options, label, progress)
    case 'official':
      return (await import('./official.js')).benchOfficial(options, label, progress)
    case 'online':
      return (await import('./online.js')).benchOnline(options, label, progress)
    case 'curves':
      return (await import('./curves.js')).benchCurves(options, label, progress)
    case 'accuracy':
      return (await import('./accuracy.js')).benchAccuracy(options, label, progress)
    case 'agreement':
      return (await import('./agreement.js')).compareOfficial(options, label, progress)
    default:
      section satisfies never
      throw new Error('unknown section')
  }
}

/** bench.json → bench.bigger.json */
const biggerName = (path: string): string =>
  `${path.slice(0, path.length - extname(path).length)}.bigger${extname(path)}`

const describeWide = ({ on, why }: WideVectors): string =>
  on ? 'on' : why === undefined ? 'off' : `off: ${why}`

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) return void process.stdout.write(usage)
  const wide = options.revectorize ? await switchOnWideVectors() : { on: false }
  const handOver = await measureHandOver()
  const roundTrip =
    'value' in handOver
      ? `Two threads hand a cache line to and fro in ${Math.round(handOver.value)} ns. `
      : `How fast a cache line crosses between two threads: not measured, ${handOver.refused}. `
  const machine = [
    ...describeMachine(),
    `${options.quick ? 'Quick run: too short for figures to quote. ' : ''}${roundTrip}Threads: up to ${options.threads}. Wide vectors ${describeWide(wide)}.`,
  ]
  console.log(`${machine.join('\n')}\n`)
  const report = emptyReport()
  for (const section of options.sections) {
    const part = await runSection(section, options, machineLabel())
    progress('')
    for (const table of part.tables) console.log(toText(table))
    addReport(report, part)
  }
  const write = (path: string, text: string): void => {
    writeFileSync(path, text)
    console.log(`wrote ${path}`)
  }
  if (options.json !== undefined) {
    write(options.json, `${JSON.stringify(report.smallerIsBetter, null, 2)}\n`)
    write(biggerName(options.json), `${JSON.stringify(report.biggerIsBetter, null, 2)}\n`)
  }
  if (options.markdown !== undefined)
    write(
      options.markdown,
      `${machine.join('\\\n')}\n\n${report.tables.map(toMarkdown).join('\n')}`,
    )
}

try {
  await main()
} catch (error) {
  // A mistake of the user's needs no stack trace.
  console.error(error instanceof SpikewasmError ? error.message : error)
  process.exitCode = 1
}
