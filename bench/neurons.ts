/**
 * npm run bench:neurons: nanoseconds of a neuron and time step, for kinds of neurons, passes,
 * channels and time steps; with --against those of another build in turns, and the ratio to it.
 */
import '../src/node.js'
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import type { Build } from '../src/bench/benchmark.js'
import { thisBuild } from '../src/bench/build.js'
import { findBuild, loadBuild } from '../src/bench/compare/builds.js'
import { machineLabel } from '../src/bench/machine.js'
import { fillNormal } from '../src/bench/spikes.js'
import type { NeuronOptions } from '../src/layers/index.js'
import { blockOf, compareBlocks } from './alternate.js'

// Kernels are optimised before their first call, however busy the machine is.
setFlagsFromString('--no-liftoff')

const BUDGET = { warmupMs: 20, blockMs: 1, measureMs: 50, minRounds: 5 }
/** Neurons times steps: their currents lie in no cache of a core. */
const [SIZE, QUICK_SIZE] = [2 ** 21, 2 ** 16]
const BATCH = 4
const channels = [16, 32, 64, 128, 256, 512]
const timeSteps = [1, 2, 4, 8, 16]

interface Plan {
  readonly input: Float32Array
  readonly scale?: Float32Array
  readonly delta?: Float32Array
  run(): unknown
  bare(): void
  dispose(): void
}

/** How each pass of some neurons is planned: forward with outputs, or back through time. */
type Maker = (build: Build, input: number[], outputs: string[] | undefined) => Plan

/** Behind a normalisation. */
const neurons =
  (options: NeuronOptions & { learnable?: boolean }): Maker =>
  ({ ops }, input, outputs) => {
    const all = { ...options, input, affine: true }
    return (outputs
      ? ops.lif.plan({ ...all, outputs: outputs as never })
      : ops.lifBackward.plan({ ...all, mode: 'time' })) as unknown as Plan
  }

const cells =
  (kind: 'cubaLif' | 'alif'): Maker =>
  ({ sw, ops }, input, outputs) => {
    const all = { input, cell: sw[kind]({ surrogate: 'atan' }) as never }
    return (outputs
      ? ops.cell.plan({ ...all, outputs: outputs as never })
      : ops.cellBackward.plan(all)) as unknown as Plan
  }

const kinds: Readonly<Record<string, Maker>> = {
  'lif sigmoid': neurons({}),
  'lif atan': neurons({ surrogate: 'atan' }),
  'lif triangle': neurons({ surrogate: 'triangle' }),
  'lif hard': neurons({ surrogate: 'atan', vReset: 0 }),
  'lif attached': neurons({ surrogate: 'atan', detachReset: false }),
  plif: neurons({ surrogate: 'atan', learnable: true }),
  'cell cubaLif': cells('cubaLif'),
  'cell alif': cells('alif'),
}
const passes: Readonly<Record<string, string[] | undefined>> = {
  spikes: ['spikes'],
  eligibility: ['spikes', 'eligibilities'],
  bptt: undefined,
}

/** Time of processors, in milliseconds: what other processes take does not count. */
function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Such a tensor has so many numbers. */
const shapeOf = (C: number, T: number, size: number) => [BATCH, T, C, 1, size / (BATCH * T * C)]

/** With currents at which neurons fire. */
function filled(plan: Plan): Plan {
  fillNormal(plan.input, 1)
  if (plan.delta) fillNormal(plan.delta, 2)
  plan.scale?.fill(1)
  return plan
}

/** Share of neurons that fire at a step, by the bits of masks. */
function densityOf(make: Maker, build: Build, T: number): number {
  const size = 2 ** 14
  const plan = filled(make(build, shapeOf(16, T, size), passes.spikes))
  let sum = 0
  for (const mask of plan.run() as Uint8Array)
    for (let bits = mask; bits > 0; bits &= bits - 1) sum++
  plan.dispose()
  return sum / size
}

interface Row {
  readonly name: string
  readonly ratio: number
}

function tell(title: string, rows: readonly Row[]): void {
  const mean = Math.exp(rows.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / rows.length)
  const worst = rows.reduce((a, b) => (b.ratio > a.ratio ? b : a))
  console.log(
    `${title.padEnd(26)} mean ${mean.toFixed(2)}, worst ${worst.ratio.toFixed(2)} (${worst.name})`,
  )
}

/** Geometric means of each kind and pass, of each pass, and of neurons and cells. */
function summarise(rows: readonly Row[]): void {
  const groups = [/^(.*) C/, /^(\w+) .* ?(?:spikes|eligibility|bptt) C/]
  for (const pattern of groups) {
    const titles = new Set(rows.map(({ name }) => pattern.exec(name)?.[1] ?? ''))
    for (const title of titles)
      tell(
        title,
        rows.filter(({ name }) => name.startsWith(title)),
      )
  }
}

interface Arguments {
  readonly against?: string
  readonly filter: string
  readonly quick: boolean
}

async function main(): Promise<void> {
  const { against, filter, quick } = new Command('bench:neurons')
    .description('Time kernels of neurons, for a neuron and step.')
    .option('--against <dir>', 'time those of the build in another checkout too, in turns')
    .option('--filter <text>', 'only names that contain the text, as in "lif atan spikes C64"', '')
    .option('--quick', 'few neurons, too short to quote', false)
    .parse()
    .opts<Arguments>()
  const builds: Build[] = [await thisBuild()]
  if (against !== undefined)
    builds.push(await loadBuild(await findBuild(against, 'bench.against'), 'other'))
  const size = quick ? QUICK_SIZE : SIZE
  console.log(`${machineLabel()}\nns a neuron and step${against ? ', other, ratio' : ''}; density`)
  const rows: Row[] = []
  for (const [kind, make] of Object.entries(kinds))
    for (const [pass, outputs] of Object.entries(passes))
      for (const [C, T] of channels.flatMap((C) => timeSteps.map((T) => [C, T]))) {
        const name = `${kind} ${pass} C${C} T${T}`
        if (!name.includes(filter)) continue
        const plans = builds.map((build) => filled(make(build, shapeOf(C, T, size), outputs)))
        const [own, other = own] = plans.map((plan) => blockOf(() => plan.bare()))
        const { a, b, ratio } = await compareBlocks(own, other, BUDGET, processorTime)
        for (const plan of plans) plan.dispose()
        const figures = [(a * 1e6) / size, ...(against ? [(b * 1e6) / size, ratio] : [])]
        const columns = [...figures, densityOf(make, builds[0], T)].map((x) =>
          x.toFixed(2).padStart(6),
        )
        console.log(`${name.padEnd(34)}${columns.join(' ')}`)
        rows.push({ name, ratio })
      }
  if (against && rows.length > 0) summarise(rows)
}

await main()
