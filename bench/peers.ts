/**
 * Other WebAssembly libraries on the same convolutions, in a process of their own; they live in
 * bench/peers and are installed there on demand.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { quick, thorough } from '../src/bench/measure.js'
import { deviation, digits, emptyReport, type Report } from '../src/bench/report.js'
import { SpikewasmError } from '../src/errors.js'
import { benchConvolutions, T } from './convolutions.js'
import { speed } from './kernel-report.js'
import { denseFlops, describeShape, type LayerShape, layerShapes, quickShapes } from './shapes.js'

/** Where other libraries are installed, and the programs that run them. */
export const peersFolder: string = fileURLToPath(new URL('../../bench/peers/', import.meta.url))
const RATE = 0.2

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
    throw new SpikewasmError(
      `bench/peers/run.mjs failed; delete bench/peers/node_modules and try again\n${stderr}`,
    )
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as {
    versions: Record<string, string>
    result: PeerResult[]
  }
}

export function benchPeers(
  isQuick: boolean,
  label: string,
  progress: (text: string) => void,
): Report {
  installPeers(progress)
  const budget = isQuick ? quick : thorough
  const images = isQuick ? 4 : 16
  const shapes = isQuick ? quickShapes : layerShapes.filter((s) => s.network === 'ResNet-18')
  const { results: own } = benchConvolutions(shapes, images, [RATE], budget, label, progress)
  progress('other libraries')
  const { versions, result } = runPeers({
    shapes,
    forwardImages: images * T,
    gradientImages: images,
    warmupMs: budget.warmupMs,
    measureMs: budget.measureMs,
  })

  // Direct kernels stand beside Winograd's for gradients through time, which the others have no
  // counterpart of.
  const comparable = own.filter(
    (r) =>
      !r.kernel.endsWith('direct') ||
      !own.some((o) => o.shape === r.shape && o.kernel === r.kernel.replace('direct', 'Winograd')),
  )
  const report = emptyReport()
  const rows: string[][] = []
  for (const s of shapes) {
    for (const r of comparable.filter(({ shape }) => shape.startsWith(`${describeShape(s)} (`)))
      rows.push([
        describeShape(s),
        r.kernel,
        `spikewasm${r.density === '' ? '' : `, ${r.density}`}`,
        digits(r.timing.median),
        deviation(r.timing.spread),
        digits(speed(r)),
        digits(r.timing.first),
      ])
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
        `a dense batch of ${images * T}); gradients have one row per pixel, as in the rate method.`,
      ...reasons,
      'A training step needs gradients of weights: tfjs-backend-wasm has no kernel for ' +
        'those of convolutions, onnxruntime-web only infers.',
    ],
    head: ['shape', 'work', 'product', 'ms', 'spread', 'GFLOP/s', 'first ms'],
    rows,
  })
  return report
}
