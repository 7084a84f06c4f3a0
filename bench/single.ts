/**
 * One image through networks with the rates of trained ones: `predict` on one thread and on more,
 * beside onnxruntime-web and PyTorch on the same weights.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseModels } from '../src/bench/networks.js'
import { deviation, digits, emptyReport, type Report } from '../src/bench/report.js'
import { quickTurns, type TurnsBudget, thoroughTurns } from './alternate.js'
import { chainOf } from './edge/chain.js'
import { T, type TrainedNetwork, trainNetwork } from './edge/networks.js'
import type { BenchOptions } from './options.js'
import { installPeers, linesOf, runPeer } from './peers.js'
import { describeRates } from './side-by-side.js'

const DEFAULT_MODELS = ['cnn', 'vgg11', 'resnet18']
/**
 * Below this the others do not hold the same network. Their sums have another order, which flips a
 * spike here and there: in deep networks on noise that reaches the outputs.
 */
const LEAST_LIKENESS = 0.8

/** What single.mjs writes. */
interface OwnResult {
  readonly version: string
  /** Processor milliseconds of an image on one thread: ours, theirs, their ratio in turns. */
  readonly own: number
  readonly peer: number
  readonly ratio: number
  readonly spread: number
  /** Correlation with the outputs of `predict`, what all images have in common aside. */
  readonly likeness: number
  /** The same beside native ONNX Runtime, where it could be installed. */
  readonly native?: { readonly peer: number; readonly ratio: number; readonly likeness: number }
  /** For each number of threads: time by the clock over that of one thread, in turns. */
  readonly threads: readonly { readonly threads: number; readonly ratio: number }[]
  /** Workers that the largest number of threads uses. */
  readonly workers: number
}

/** What single.py writes. */
interface TorchResult {
  readonly torch: string
  readonly likeness: number
  /** Processor milliseconds of an image on one thread, and by the clock on all. */
  readonly one: number
  readonly all: number
}

/** Writes what both other programs read. */
async function writeNetwork(
  network: TrainedNetwork,
  budget: TurnsBudget,
  threads: number,
  revectorize: boolean,
  folder: string,
): Promise<void> {
  const model = await network.compile()
  try {
    const { chain, numbers } = chainOf(model)
    const images = new Float32Array(network.images.flatMap((image) => [...image]))
    const { logits } = await model.predict(images)
    const write = (name: string, content: string | Uint8Array | Float32Array): void =>
      writeFileSync(join(folder, name), content)
    write('chain.json', JSON.stringify(chain))
    write('numbers.f32', numbers)
    write('images.f32', images)
    write('settings.json', JSON.stringify({ model: network.name, threads, budget, T, revectorize }))
    write('logits.f32', logits)
    await model.save(join(folder, 'weights.safetensors'))
  } finally {
    await model.dispose()
  }
}

/** The last line of a program of bench/peers, which is JSON; or why there is none. */
function resultOf<R>(command: string, args: readonly string[], tuned = false): R | string {
  const result = runPeer(command, args, { tuned })
  return 'why' in result ? result.why : (linesOf<R>(result.output).at(-1) as R)
}

export async function benchSingle(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  installPeers(progress)
  const { quick, model, threads, python, revectorize } = options
  const report = emptyReport()
  const rows: string[][] = []
  const notes = new Set<string>()
  for (const name of chooseModels(model, quick, quick ? ['cnn'] : DEFAULT_MODELS)) {
    progress(`single ${name}: training first`)
    const network = await trainNetwork(name, quick, threads)
    const folder = mkdtempSync(join(tmpdir(), 'spikewasm-bench-'))
    try {
      await writeNetwork(network, quick ? quickTurns : thoroughTurns, threads, revectorize, folder)
      progress(`single ${name}: onnxruntime-web`)
      const own = resultOf<OwnResult>(process.execPath, ['single.mjs', folder])
      if (typeof own === 'string')
        throw new Error(
          `bench/peers/single.mjs failed; delete bench/peers/node_modules and try again\n${own}`,
        )
      checkAlike(name, 'onnxruntime-web', own.likeness)
      if (own.native) checkAlike(name, 'onnxruntime-node', own.native.likeness)
      else notes.add('No native onnxruntime beside it: onnxruntime-node is not installed.')
      progress(`single ${name}: PyTorch`)
      const [torch, tuned] = [false, true].map((isTuned) =>
        resultOf<TorchResult>(python, ['single.py', folder], isTuned),
      )
      if (typeof torch === 'string') notes.add(`${name}: no PyTorch beside it (${torch}).`)
      else checkAlike(name, 'PyTorch', torch.likeness)
      const [beside, kept] = [torch, tuned].map((one) =>
        typeof one === 'string' ? undefined : one,
      )
      rows.push(rowOf(network, own, beside, kept))
      addEntries(network, own, beside, report, label)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  report.tables.push({
    title: `predict of one image, T ${T}`,
    notes: [
      'ms: processor time of an image on one thread. ours / onnx: in turns, in one process; ' +
        'onnxruntime-web runs the network unrolled over T, on one thread, with SIMD; native: ' +
        'onnxruntime-node runs the same, in turns too. PyTorch: eager, the same layers and ' +
        'weights, in a process of its own; tuned: with an allocator that keeps large blocks.',
      `N / best: time by the clock on ${threads} threads over the best of 1 to ${threads}, in turns; ` +
        'workers: how many of the threads it used.',
      'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
      ...notes,
    ],
    head: [
      'network',
      'ours ms',
      'onnx ms',
      'ours / onnx',
      'spread',
      'native onnx ms',
      'ours / native',
      'PyTorch ms',
      'tuned ms',
      'ours / PyTorch',
      `PyTorch ${threads} threads ms`,
      'N / best',
      'workers',
      'rate',
    ],
    rows,
  })
  return report
}

function checkAlike(name: string, product: string, likeness: number): void {
  if (!(likeness >= LEAST_LIKENESS))
    throw new Error(`${name}: ${product} gives other outputs, their correlation is ${likeness}`)
}

/** The time on the largest number of threads over the best of all. */
function overBest({ threads }: OwnResult): number {
  const ratios = threads.map(({ ratio }) => ratio)
  return (ratios.at(-1) ?? 1) / Math.min(1, ...ratios)
}

const rowOf = (
  network: TrainedNetwork,
  own: OwnResult,
  torch: TorchResult | undefined,
  tuned: TorchResult | undefined,
) => [
  network.name,
  digits(own.own),
  digits(own.peer),
  digits(own.ratio),
  deviation(own.spread),
  own.native ? digits(own.native.peer) : '–',
  own.native ? digits(own.native.ratio) : '–',
  torch ? digits(torch.one) : '–',
  tuned ? digits(tuned.one) : '–',
  torch ? digits(own.own / torch.one) : '–',
  torch ? digits(torch.all) : '–',
  digits(overBest(own)),
  String(own.workers),
  describeRates(network.rates),
]

function addEntries(
  network: TrainedNetwork,
  own: OwnResult,
  torch: TorchResult | undefined,
  report: Report,
  machine: string,
): void {
  const versions = `onnxruntime-web ${own.version}${torch ? `, PyTorch ${torch.torch}` : ''}`
  const alike = [own.likeness, torch?.likeness].filter((r) => r !== undefined).map(digits)
  const extra = `${versions}, correlation of outputs ${alike.join(', ')}, rate ${describeRates(network.rates)}\n${machine}`
  const name = `single | ${network.name} | `
  const add = (what: string, unit: string, value: number, range?: string): void =>
    void report.smallerIsBetter.push({ name: name + what, unit, value, range, extra })
  add('predict', 'ms', own.own)
  add('predict / onnxruntime-web', 'ratio', own.ratio, deviation(own.spread))
  if (own.native) add('predict / onnxruntime-node', 'ratio', own.native.ratio)
  if (torch) add('predict / PyTorch', 'ratio', own.own / torch.one)
  if (own.threads.length > 0) add('N threads / best of 1 to N', 'ratio', overBest(own))
}
