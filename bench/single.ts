/**
 * One image through networks with the rates of trained ones: `predict` on one thread and on more,
 * beside onnxruntime and PyTorch on the same weights.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chooseModels, describeRates } from '../src/bench/networks.js'
import { type Column, deviation, digits } from '../src/bench/report.js'
import { type Comparison, turnsMs } from './alternate.js'
import { chainOf } from './edge/chain.js'
import { T, type TrainedNetwork, trainNetwork } from './edge/networks.js'
import { blasNotes, installPeers, lastLineOf, runPeer } from './peers.js'
import { type Section, withFolder } from './section.js'

const DEFAULT_MODELS = ['cnn', 'vgg11', 'resnet18']
/**
 * Below this the others do not hold the same network. Their sums have another order, which flips a
 * spike here and there: in deep networks on noise that reaches the outputs.
 */
const LEAST_LIKENESS = 0.8

/** onnxruntime (b) beside ours (a), on one thread. */
interface Sides extends Comparison {
  /** Correlation with the outputs of `predict`, what all images have in common aside. */
  readonly likeness: number
}

/** What onnx.mjs writes. */
interface OnnxResult {
  readonly version: string
  readonly web: Sides
  /** The same beside native ONNX Runtime, of `predict`, where it could be installed. */
  readonly native?: Sides
  /** In 8 bits; `int8`: beside ours. likeness: least of a layer, 1 − errors² / results². */
  readonly nativeInt8?: Sides & { readonly int8: Comparison }
  /** For each number of threads from 2: time by the clock over that of one thread, in turns. */
  readonly threads: readonly number[]
  /** Workers that the largest number of threads uses. */
  readonly workers: number
}

/**
 * Writes what the programs read.
 * @param settings milliseconds for a pair of ways, the largest number of threads, wide vectors
 */
async function writeNetwork(network: TrainedNetwork, settings: object, folder: string) {
  const model = await network.compile()
  try {
    const { chain, numbers } = chainOf(model)
    const images = new Float32Array(network.images.flatMap((image) => [...image]))
    const { logits } = await model.predict(images)
    const files = {
      'chain.json': JSON.stringify(chain),
      'numbers.f32': numbers,
      'images.f32': images,
      'logits.f32': logits,
      'settings.json': JSON.stringify({ model: network.name, T, ...settings }),
    }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    await model.save(join(folder, 'weights.safetensors'))
  } finally {
    await model.dispose()
  }
}

/** @param folder of what `writeNetwork` has written */
function besideOnnx(folder: string): OnnxResult {
  const result = runPeer(process.execPath, ['onnx.mjs', folder])
  if ('output' in result) return lastLineOf(result.output)
  throw new Error(
    `bench/peers/onnx.mjs failed; delete bench/peers/node_modules and try again\n${result.why}`,
  )
}

/** What single.py writes. */
interface TorchResult {
  readonly torch: string
  /** Correlation with the outputs of `predict`, as onnx.mjs finds it. */
  readonly likeness: number
  /** Processor milliseconds of an image on one thread, and by the clock on all. */
  readonly one: number
  readonly all: number
  /** GFLOP/s, as `blasNotes` has them. */
  readonly matmul: number
  readonly peak: number
}

interface Row {
  readonly network: TrainedNetwork
  readonly onnx: OnnxResult
  readonly torch?: TorchResult
  /** With an allocator that keeps large blocks. */
  readonly tuned?: TorchResult
}

/** The time on the largest number of threads over the best of all. */
const overBest = ({ threads }: OnnxResult): number =>
  (threads.at(-1) ?? 1) / Math.min(1, ...threads)

/** A number of something that may not be there. */
const orDash = (value: number | undefined): string => (value === undefined ? '–' : digits(value))

/** Ratios of ours to what runs the same network. */
const ratios: readonly (readonly [
  head: string,
  of: string,
  ratio: (row: Row) => number | undefined,
])[] = [
  ['/ onnx', ' / onnxruntime-web', ({ onnx }) => onnx.web.ratio],
  ['/ native', ' / onnxruntime-node', ({ onnx }) => onnx.native?.ratio],
  ['/ int8', ' / onnxruntime-node int8', ({ onnx }) => onnx.nativeInt8?.ratio],
  ['int8 / int8', ' int8 / onnxruntime-node int8', ({ onnx }) => onnx.nativeInt8?.int8.ratio],
  ['/ PyTorch', ' / PyTorch', ({ onnx, torch }) => torch && onnx.web.a / torch.one],
  ['/ tuned', ' / PyTorch, tuned allocator', ({ onnx, tuned }) => tuned && onnx.web.a / tuned.one],
]

const columns: readonly Column<Row>[] = [
  ['network', ({ network }) => network.name],
  ['ours ms', ({ onnx }) => digits(onnx.web.a)],
  ['onnx ms', ({ onnx }) => digits(onnx.web.b)],
  ['spread', ({ onnx }) => deviation(onnx.web.spread)],
  ['native onnx ms', ({ onnx }) => orDash(onnx.native?.b)],
  ['native int8 ms', ({ onnx }) => orDash(onnx.nativeInt8?.b)],
  ['ours int8 ms', ({ onnx }) => orDash(onnx.nativeInt8?.int8.a)],
  ['PyTorch ms', ({ torch }) => orDash(torch?.one)],
  ['tuned ms', ({ tuned }) => orDash(tuned?.one)],
  ...ratios.map(([head, , ratio]): Column<Row> => [head, (row) => orDash(ratio(row))]),
  ['PyTorch N ms', ({ torch }) => orDash(torch?.all)],
  ['N / best', ({ onnx }) => digits(overBest(onnx))],
  ['workers', ({ onnx }) => String(onnx.workers)],
  ['rate', ({ network }) => describeRates(network.rates)],
]

function addEntries(section: Section, row: Row): void {
  const { network, onnx, torch } = row
  const versions = `onnxruntime-web ${onnx.version}${torch ? `, PyTorch ${torch.torch}` : ''}`
  const alike = [onnx.web, ...(torch ? [torch] : [])].map(({ likeness }) => digits(likeness))
  const about = [
    `${versions}, correlation of outputs ${alike.join(', ')}, rate ${describeRates(network.rates)}`,
  ]
  const name = `single | ${network.name} | predict`
  section.entry(name, 'ms', onnx.web.a, about, deviation(onnx.web.spread))
  for (const [, other, ratio] of ratios) {
    const value = ratio(row)
    if (value !== undefined) section.entry(`${name}${other}`, 'ratio', value, about)
  }
  if (onnx.threads.length > 0)
    section.entry(`${name}, N threads / best of 1 to N`, 'ratio', overBest(onnx), about)
}

function checkAlike(name: string, product: string, { likeness }: { likeness: number }): void {
  if (!(likeness >= LEAST_LIKENESS))
    throw new Error(`${name}: ${product} gives other outputs, their correlation is ${likeness}`)
}

/** A network beside all others; what is missing leaves a note. */
async function measureNetwork(
  { options, progress }: Section,
  name: string,
  notes: Set<string>,
): Promise<Row> {
  const { quick, threads, python, revectorize } = options
  progress(`single ${name}: training first`)
  const network = await trainNetwork(name, quick, threads)
  return withFolder(async (folder) => {
    progress(`single ${name}: onnxruntime`)
    await writeNetwork(network, { ms: turnsMs(quick), threads, revectorize }, folder)
    const onnx = besideOnnx(folder)
    checkAlike(name, 'onnxruntime-web', onnx.web)
    if (onnx.native) checkAlike(name, 'onnxruntime-node', onnx.native)
    else notes.add('No native onnxruntime beside it: onnxruntime-node is not installed.')
    if (onnx.nativeInt8) checkAlike(name, 'onnxruntime-node in int8', onnx.nativeInt8)
    progress(`single ${name}: PyTorch`)
    const [torch, tuned] = [false, true].map((tuned) => {
      const result = runPeer(python, ['single.py', folder], { tuned })
      if ('output' in result) return lastLineOf<TorchResult>(result.output)
      notes.add(`${name}: no PyTorch${tuned ? ', tuned,' : ''} beside it (${result.why}).`)
      return undefined
    })
    if (torch) checkAlike(name, 'PyTorch', torch)
    for (const note of torch ? blasNotes(torch) : []) notes.add(note)
    return { network, onnx, torch, tuned }
  })
}

export async function benchSingle(section: Section): Promise<void> {
  const { options, progress } = section
  const { quick, model, threads } = options
  installPeers(progress)
  const rows: Row[] = []
  const notes = new Set<string>()
  for (const name of chooseModels(model, quick, quick ? ['cnn'] : DEFAULT_MODELS)) {
    rows.push(await measureNetwork(section, name, notes))
    addEntries(section, rows.at(-1)!)
  }
  section.table(
    `predict of one image, T ${T}`,
    [
      'ms: processor time of an image on one thread. onnx: onnxruntime-web runs the network ' +
        'unrolled over T, on one thread, with SIMD, in turns with ours; native: onnxruntime-node ' +
        'runs the same, in turns too; in int8 what reads spikes, and what convolutions give. ' +
        'PyTorch: eager, the same layers and weights, in a process of its own; tuned: with an ' +
        'allocator that keeps large blocks. / onnx: ours divided by it; / int8: by native ' +
        'int8; int8 / int8: ours with weights of int8 by that.',
      `N / best: time by the clock on ${threads} threads over the best of 1 to ${threads}, in ` +
        `turns; workers: how many of the threads it used. PyTorch N: on ${threads} threads.`,
      'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
      ...notes,
    ],
    columns,
    rows,
  )
}
