/** How fast exported networks are on V8, each beside another way to do the same. */

import { deviation, digits, type Report, type ResultTable } from '../../src/bench/report.js'
import { openNet } from '../../src/edge/net.js'
import type { Model } from '../../src/model.js'
import {
  asyncBlockOf,
  type Block,
  blockOf,
  type Comparison,
  compareBlocks,
  type TurnsBudget,
} from '../alternate.js'
import { describeRates } from '../side-by-side.js'
import { exportBuild } from './builds.js'
import { T, type TrainedNetwork } from './networks.js'

const LARGE_BATCH = 64
/** Images whose outputs are compared before anything is timed. */
const CHECKED = 4

interface Pair {
  readonly what: string
  readonly a: Block
  readonly b: Block
}

/** A call copies an image in, runs, and asks for the class. */
async function inferBlock(bytes: Uint8Array, images: readonly Float32Array[]): Promise<Block> {
  const net = await openNet(bytes)
  return blockOf((i) => {
    net.input.set(images[i % images.length])
    net.infer()
    net.predictedClass()
  })
}

/** A call begins a new stream and shows one image T times. */
async function stepBlock(bytes: Uint8Array, images: readonly Float32Array[]): Promise<Block> {
  const net = await openNet(bytes)
  return blockOf((i) => {
    net.reset()
    for (let t = 0; t < T; t++) {
      net.input.set(images[i % images.length])
      net.step()
    }
    net.predictedClass()
  })
}

const predictBlock = (model: Model, images: readonly Float32Array[]): Block =>
  asyncBlockOf((i) => model.predict(images[i % images.length]))

/** What is timed must compute the same numbers: all bits of them. */
async function checkOutputs(
  { name, images }: TrainedNetwork,
  model: Model,
  builds: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const label of ['simd f32', 'scalar f32']) {
    const bytes = builds.get(label)
    if (!bytes) continue
    const net = await openNet(bytes)
    for (const image of images.slice(0, CHECKED)) {
      net.input.set(image)
      net.infer()
      const { logits } = await model.predict(image)
      if (!logits.every((value, i) => Object.is(value, net.output[i])))
        throw new Error(`${name}, ${label}: infer() and predict give different outputs`)
    }
  }
}

/** Pairs of ways to infer, as far as the files for them exist. */
async function* pairsOf(
  network: TrainedNetwork,
  builds: ReadonlyMap<string, Uint8Array>,
  notes: Set<string>,
): AsyncGenerator<Pair> {
  const { images } = network
  const simd = builds.get('simd f32')
  const single = await network.compile()
  try {
    await checkOutputs(network, single, builds)
    const b = predictBlock(single, images)
    if (simd) yield { what: 'infer / predict', a: await inferBlock(simd, images), b }
    const batch = await network.compile({ batchSize: LARGE_BATCH })
    try {
      const a = predictBlock(batch, images)
      yield { what: `predict, batchSize ${LARGE_BATCH} / predict`, a, b }
    } finally {
      await batch.dispose()
    }
  } finally {
    await single.dispose()
  }
  if (!simd) return
  for (const [label, what] of [
    ['scalar f32', 'infer, scalar / infer'],
    ['simd int8', 'infer, int8 / infer'],
  ]) {
    const bytes = builds.get(label)
    if (!bytes) continue
    yield { what, a: await inferBlock(bytes, images), b: await inferBlock(simd, images) }
  }
  yield* steps(network, notes)
}

/** Steps and whole inference of a network in step mode s, whose bits are the same. */
async function* steps(network: TrainedNetwork, notes: Set<string>): AsyncGenerator<Pair> {
  const build = async (mode: 'infer' | 'step'): Promise<Uint8Array | undefined> => {
    const model = await network.compile({ method: 'rate', stepMode: 's' })
    return (await exportBuild(network, model, `${mode} of step mode s`, { mode }, notes))?.bytes
  }
  const [step, infer] = [await build('step'), await build('infer')]
  if (!step || !infer) return
  const { images } = network
  const [a, b] = [await stepBlock(step, images), await inferBlock(infer, images)]
  yield { what: `step × ${T} / infer, step mode s`, a, b }
}

/** A row of the table and entries for each pair. */
export async function reportSpeed(
  network: TrainedNetwork,
  builds: ReadonlyMap<string, Uint8Array>,
  budget: TurnsBudget,
  into: { rows: string[][]; notes: Set<string>; report: Report },
  machine: string,
  progress: (text: string) => void,
): Promise<void> {
  for await (const { what, a, b } of pairsOf(network, builds, into.notes)) {
    progress(`edge ${network.name} ${what}`)
    const result = await compareBlocks(a, b, budget)
    into.rows.push(rowOf(network, what, result))
    addEntries(network, what, result, into.report, machine)
  }
}

const rowOf = (network: TrainedNetwork, what: string, { ratio, spread, a, b }: Comparison) => [
  network.name,
  what,
  digits(ratio),
  deviation(spread),
  digits(1000 * a),
  digits(1000 * b),
  describeRates(network.rates),
]

function addEntries(
  network: TrainedNetwork,
  what: string,
  { ratio, spread, a, calls, rounds }: Comparison,
  report: Report,
  machine: string,
): void {
  const range = deviation(spread)
  const extra = `rate ${describeRates(network.rates)}, ${rounds} rounds of 4 × ${calls} calls\n${machine}`
  const name = `edge speed | ${network.name} | ${what}`
  report.smallerIsBetter.push({ name, unit: 'ratio', value: ratio, range, extra })
  if (what !== 'infer / predict') return
  const entry = { name: `edge speed | ${network.name} | infer`, extra }
  report.smallerIsBetter.push({ ...entry, unit: 'ms', value: a })
  report.biggerIsBetter.push({ ...entry, unit: 'images/s', value: 1000 / a })
}

export const speedTable = (rows: string[][], notes: readonly string[]): ResultTable => ({
  title: `Exported networks: speed on V8, T ${T}, one image, one thread`,
  notes: [
    'Two ways, a / b, in turns: blocks of calls on the same test images, another one in each call. ' +
      'a / b: median of the rounds of blocks a b b a, with their spread. a µs, b µs: of a call.',
    'infer: the file for SIMD with float32 weights; a call copies the image in, infers and asks ' +
      'for the class. predict: model.predict, batchSize 1, purpose inference. scalar: the file ' +
      'for engines without SIMD. int8: weights of one byte.',
    'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
    ...notes,
  ],
  head: ['network', 'a / b', 'ratio', 'spread', 'a µs', 'b µs', 'rate'],
  rows,
})
