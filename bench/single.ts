/**
 * One image through networks with the rates of trained ones: `predict` on one thread and on more,
 * beside onnxruntime and PyTorch on the same weights.
 */
import { chooseModels, describeRates } from '../src/bench/networks.js'
import { type Column, deviation, digits } from '../src/bench/report.js'
import { turnsMs } from './alternate.js'
import { T, type TrainedNetwork, trainNetwork } from './edge/networks.js'
import { besideOnnx, type OnnxResult } from './onnx.js'
import { installPeers, linesOf, runPeer } from './peers.js'
import { type Section, withFolder } from './section.js'

const DEFAULT_MODELS = ['cnn', 'vgg11', 'resnet18']
/**
 * Below this the others do not hold the same network. Their sums have another order, which flips a
 * spike here and there: in deep networks on noise that reaches the outputs.
 */
const LEAST_LIKENESS = 0.8

/** What single.py writes. */
interface TorchResult {
  readonly torch: string
  /** Correlation with the outputs of `predict`, as onnx.mjs finds it. */
  readonly likeness: number
  /** Processor milliseconds of an image on one thread, and by the clock on all. */
  readonly one: number
  readonly all: number
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

const columnsFor = (threads: number): readonly Column<Row>[] => [
  ['network', ({ network }) => network.name],
  ['ours ms', ({ onnx }) => digits(onnx.web.a)],
  ['onnx ms', ({ onnx }) => digits(onnx.web.b)],
  ['ours / onnx', ({ onnx }) => digits(onnx.web.ratio)],
  ['spread', ({ onnx }) => deviation(onnx.web.spread)],
  ['native onnx ms', ({ onnx }) => orDash(onnx.native?.b)],
  ['ours / native', ({ onnx }) => orDash(onnx.native?.ratio)],
  ['PyTorch ms', ({ torch }) => orDash(torch?.one)],
  ['tuned ms', ({ tuned }) => orDash(tuned?.one)],
  ['ours / PyTorch', ({ onnx, torch }) => orDash(torch && onnx.web.a / torch.one)],
  [`PyTorch ${threads} threads ms`, ({ torch }) => orDash(torch?.all)],
  ['N / best', ({ onnx }) => digits(overBest(onnx))],
  ['workers', ({ onnx }) => String(onnx.workers)],
  ['rate', ({ network }) => describeRates(network.rates)],
]

function addEntries(section: Section, { network, onnx, torch }: Row): void {
  const versions = `onnxruntime-web ${onnx.version}${torch ? `, PyTorch ${torch.torch}` : ''}`
  const alike = [onnx.web.likeness, ...(torch ? [torch.likeness] : [])].map(digits).join(', ')
  const about = `correlation of outputs ${alike}, rate ${describeRates(network.rates)}`
  const { a, ratio, spread } = onnx.web
  const figures: readonly [what: string, value: number | undefined, range?: string][] = [
    ['predict / onnxruntime-web', ratio, deviation(spread)],
    ['predict / onnxruntime-node', onnx.native?.ratio],
    ['predict / PyTorch', torch && a / torch.one],
    ['N threads / best of 1 to N', onnx.threads.length > 0 ? overBest(onnx) : undefined],
  ]
  const entry = (what: string, unit: string, value: number, range?: string): void =>
    section.entry(
      `single | ${network.name} | ${what}`,
      unit,
      value,
      [`${versions}, ${about}`],
      range,
    )
  entry('predict', 'ms', a)
  for (const [what, value, range] of figures)
    if (value !== undefined) entry(what, 'ratio', value, range)
}

function checkAlike(name: string, product: string, { likeness }: { likeness: number }): void {
  if (!(likeness >= LEAST_LIKENESS))
    throw new Error(`${name}: ${product} gives other outputs, their correlation is ${likeness}`)
}

export async function benchSingle(section: Section): Promise<void> {
  const { options, progress } = section
  const { quick, model, threads, python, revectorize } = options
  installPeers(progress)
  const rows: Row[] = []
  const notes = new Set<string>()
  for (const name of chooseModels(model, quick, quick ? ['cnn'] : DEFAULT_MODELS)) {
    progress(`single ${name}: training first`)
    const network = await trainNetwork(name, quick, threads)
    await withFolder(async (folder) => {
      progress(`single ${name}: onnxruntime-web`)
      const settings = { what: 'predict', ms: turnsMs(quick), threads, revectorize } as const
      const onnx = await besideOnnx(network, settings, folder)
      checkAlike(name, 'onnxruntime-web', onnx.web)
      if (onnx.native) checkAlike(name, 'onnxruntime-node', onnx.native)
      else notes.add('No native onnxruntime beside it: onnxruntime-node is not installed.')
      progress(`single ${name}: PyTorch`)
      const [torch, tuned] = [false, true].map((tuned) => {
        const result = runPeer(python, ['single.py', folder], { tuned })
        if ('output' in result) return linesOf<TorchResult>(result.output).at(-1)
        if (!tuned) notes.add(`${name}: no PyTorch beside it (${result.why}).`)
        return undefined
      })
      if (torch) checkAlike(name, 'PyTorch', torch)
      rows.push({ network, onnx, torch, tuned })
      addEntries(section, rows.at(-1)!)
    })
  }
  section.table(
    `predict of one image, T ${T}`,
    [
      'ms: processor time of an image on one thread. ours / onnx: in turns, in one process; ' +
        'onnxruntime-web runs the network unrolled over T, on one thread, with SIMD; native: ' +
        'onnxruntime-node runs the same, in turns too. PyTorch: eager, the same layers and ' +
        'weights, in a process of its own; tuned: with an allocator that keeps large blocks.',
      `N / best: time by the clock on ${threads} threads over the best of 1 to ${threads}, in ` +
        'turns; workers: how many of the threads it used.',
      'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
      ...notes,
    ],
    columnsFor(threads),
    rows,
  )
}
