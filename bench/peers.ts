/**
 * Other WebAssembly libraries on the same convolutions, in a process of their own; they live in
 * bench/peers and are installed there on demand.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Benchmark } from '../src/bench/benchmark.js'
import { thisBuild } from '../src/bench/build.js'
import { convolutionCases } from '../src/bench/cases/convolutions.js'
import { gradientCases } from '../src/bench/cases/gradients.js'
import { opBenchmark } from '../src/bench/cases/op.js'
import { convolution } from '../src/bench/cases/shape.js'
import { quick, thorough } from '../src/bench/measure.js'
import { deviation, digits, emptyReport, type Report } from '../src/bench/report.js'
import { measureBenchmark, type Result } from '../src/bench/table.js'
import { SpikewasmError } from '../src/errors.js'
import { denseFlops, describeShape, type LayerShape, layerShapes, quickShapes } from './shapes.js'

/** Where other libraries are installed, and the programs that run them. */
export const peersFolder: string = fileURLToPath(new URL('../../bench/peers/', import.meta.url))
const RATE = 0.2
/** Steps of the kernels that run over time. */
const T = 4

/** What run.mjs writes for one product, kind of work and shape. */
interface PeerResult {
  readonly product: string
  readonly work: string
  readonly shape?: LayerShape
  readonly first?: number
  readonly median?: number
  readonly spread?: number
  readonly samples?: number
  /** Why it cannot. */
  readonly cannot?: string
}

/** @throws SpikewasmError when npm cannot install them */
export function installPeers(progress: (text: string) => void): void {
  if (existsSync(`${peersFolder}node_modules`)) return
  progress('npm install in bench/peers')
  const { status, stderr, error } = spawnSync(
    'npm',
    ['install', '--no-package-lock', '--no-audit', '--no-fund'],
    {
      cwd: peersFolder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  )
  if (status !== 0)
    throw new SpikewasmError(
      'bench.peers needs the packages of bench/peers, but npm install failed there: ' +
        `${(error?.message ?? stderr).trim()}; run it by hand or leave --peers out`,
    )
}

function runPeers(settings: object): { versions: Record<string, string>; result: PeerResult[] } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['run.mjs', JSON.stringify(settings)],
    {
      cwd: peersFolder,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    },
  )
  if (status !== 0)
    throw new Error(
      `bench/peers/run.mjs failed; delete bench/peers/node_modules and try again\n${stderr}`,
    )
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as {
    versions: Record<string, string>
    result: PeerResult[]
  }
}

/** Our kernels of one shape, as a network on spikes runs them. */
function ownBenchmarks(s: LayerShape, images: number): Benchmark[] {
  const shape = convolution([s.inC, s.inH, s.inH], s.outC, s.kernel, s.stride)
  const options = { B: images, T, threads: 1, densities: [RATE], quick: true }
  return [
    ...convolutionCases(shape, options, 'all'),
    ...gradientCases(shape, options, 'chosen'),
  ].map(opBenchmark)
}

/** Steps that a kernel of ours runs over; gradients of the rate method have one row. */
const stepsOf = (name: string): number => (name.startsWith('conv2d ') ? T : 1)

export async function benchPeers(
  isQuick: boolean,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  installPeers(progress)
  const budget = isQuick ? quick : thorough
  const images = isQuick ? 4 : 16
  const shapes = isQuick ? quickShapes : layerShapes.filter((s) => s.network === 'ResNet-18')
  const own = new Map<LayerShape, Result[]>()
  for (const s of shapes) {
    const results: Result[] = []
    for (const benchmark of ownBenchmarks(s, images)) {
      progress(benchmark.name)
      results.push(await measureBenchmark(benchmark, await thisBuild(), budget))
    }
    own.set(s, results)
  }
  progress('other libraries')
  const { versions, result } = runPeers({
    shapes,
    forwardImages: images * T,
    gradientImages: images,
    warmupMs: budget.warmupMs,
    measureMs: budget.measureMs,
  })

  const report = emptyReport()
  const rows: string[][] = []
  for (const s of shapes) {
    for (const { benchmark, measured, density } of own.get(s) ?? []) {
      const { timing } = measured
      const operations = denseFlops(s, stepsOf(benchmark.name) * images)
      rows.push([
        describeShape(s),
        benchmark.name.split(' ', 2).join(' '),
        `spikewasm${density === '' ? '' : `, ${density}`}`,
        digits(timing.median),
        deviation(timing.spread),
        digits(operations / 1e6 / timing.median),
        digits(timing.first),
      ])
    }
    for (const r of result.filter(
      ({ shape }) => shape !== undefined && describeShape(shape) === describeShape(s),
    )) {
      if (r.median === undefined) {
        rows.push([describeShape(s), r.work, r.product, 'cannot', '', '', ''])
        continue
      }
      const gflops =
        denseFlops(s, r.work.startsWith('forward') ? images * T : images) / 1e6 / r.median
      rows.push([
        describeShape(s),
        r.work,
        r.product,
        digits(r.median),
        deviation(r.spread ?? 0),
        digits(gflops),
        digits(r.first ?? Number.NaN),
      ])
      const entry = {
        name: `peer | ${r.product} | ${r.work} | ${describeShape(s)}`,
        range: deviation(r.spread ?? 0),
        extra: [
          `first call ${digits(r.first ?? Number.NaN)} ms, ${r.samples} samples`,
          'dense',
          '1 thread',
          label,
        ].join('\n'),
      }
      report.smallerIsBetter.push({ ...entry, unit: 'ms', value: r.median })
      report.biggerIsBetter.push({ ...entry, unit: 'GFLOP/s', value: gflops })
    }
  }
  for (const product of ['tfjs-backend-wasm', 'onnxruntime-web'])
    rows.push(['network', 'training step', product, 'cannot', '', '', ''])
  const reasons = new Set(
    result
      .filter((r) => r.cannot !== undefined)
      .map((r) => `${r.product} cannot do ${r.work}: ${r.cannot}`),
  )
  report.tables.push({
    title: `Other libraries: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    notes: [
      `One thread each, ${images} images. Forward runs all ${T} steps (for the others: ` +
        `a dense batch of ${images * T}); gradients have one row per pixel, as in the rate method. ` +
        'GFLOP/s count the operations of the dense convolution.',
      ...reasons,
      'A training step needs gradients of weights: tfjs-backend-wasm has no kernel for ' +
        'those of convolutions, onnxruntime-web only infers.',
    ],
    head: ['shape', 'work', 'product', 'ms', 'spread', 'GFLOP/s', 'first ms'],
    rows,
  })
  return report
}
