/** How fast exported networks are on V8, each beside another way to do the same. */

import type { Call } from '../../src/bench/compare/turns.js'
import { describeRates } from '../../src/bench/networks.js'
import { type Column, deviation, digits } from '../../src/bench/report.js'
import { openNet } from '../../src/edge/net.js'
import type { Model } from '../../src/model/model.js'
import { type Comparison, compareCalls, counted } from '../alternate.js'
import type { Section } from '../section.js'
import { type Builds, exportBuild, T, type TrainedNetwork } from './networks.js'

const LARGE_BATCH = 64
/** Images whose outputs are compared before anything is timed. */
const CHECKED = 4

interface Pair {
  readonly what: string
  readonly a: Call
  readonly b: Call
}

type Images = readonly Float32Array[]

/** A call copies an image in, runs, and asks for the class. */
async function inferCall(bytes: Uint8Array, images: Images): Promise<Call> {
  const net = await openNet(bytes)
  return counted((i) => {
    net.input.set(images[i % images.length])
    net.infer()
    net.predictedClass()
  })
}

/** A call begins a new stream and shows one image T times. */
async function stepCall(bytes: Uint8Array, images: Images): Promise<Call> {
  const net = await openNet(bytes)
  return counted((i) => {
    net.reset()
    for (let t = 0; t < T; t++) {
      net.input.set(images[i % images.length])
      net.step()
    }
    net.predictedClass()
  })
}

const predictCall = (model: Model, images: Images): Call =>
  counted((i) => model.predict(images[i % images.length]))

/** What is timed must compute the same numbers: all bits of them. */
async function checkOutputs(
  { name, images }: TrainedNetwork,
  model: Model,
  builds: Builds,
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
  builds: Builds,
  notes: Set<string>,
): AsyncGenerator<Pair> {
  const { images } = network
  const simd = builds.get('simd f32')
  const single = await network.compile()
  try {
    await checkOutputs(network, single, builds)
    const b = predictCall(single, images)
    if (simd) yield { what: 'infer / predict', a: await inferCall(simd, images), b }
    const batch = await network.compile({ batchSize: LARGE_BATCH })
    try {
      const a = predictCall(batch, images)
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
    yield { what, a: await inferCall(bytes, images), b: await inferCall(simd, images) }
  }
  // Steps and whole inference of a network in step mode s, whose bits are the same.
  const [step, infer] = [new Map(), new Map()]
  for (const [mode, into] of [['step', step] as const, ['infer', infer] as const]) {
    const model = await network.compile({ method: 'rate', stepMode: 's' })
    await exportBuild(network, model, `${mode} of step mode s`, { mode }, notes, into)
  }
  const [[stepping], [whole]] = [[...step.values()], [...infer.values()]]
  if (!stepping || !whole) return
  const [a, b] = [await stepCall(stepping, images), await inferCall(whole, images)]
  yield { what: `step × ${T} / infer, step mode s`, a, b }
}

export interface SpeedRow extends Comparison {
  readonly network: TrainedNetwork
  readonly what: string
}

/** A row and entries for each pair. @param ms for each */
export async function benchSpeed(
  section: Section,
  network: TrainedNetwork,
  builds: Builds,
  ms: number,
  notes: Set<string>,
): Promise<SpeedRow[]> {
  const rows: SpeedRow[] = []
  for await (const { what, a, b } of pairsOf(network, builds, notes)) {
    section.progress(`edge ${network.name} ${what}`)
    const result = await compareCalls(a, b, ms)
    rows.push({ network, what, ...result })
    const about = [`rate ${describeRates(network.rates)}, ${result.rounds} rounds of 4 blocks`]
    const name = `edge speed | ${network.name} | `
    section.entry(name + what, 'ratio', result.ratio, about, deviation(result.spread))
    if (what !== 'infer / predict') continue
    section.entry(`${name}infer`, 'ms', result.a, about)
    const rate = 1000 / result.a
    section.entry(`${name}infer`, 'images/s', rate, about, undefined, 'biggerIsBetter')
  }
  return rows
}

export const speedColumns: readonly Column<SpeedRow>[] = [
  ['network', ({ network }) => network.name],
  ['a / b', ({ what }) => what],
  ['ratio', ({ ratio }) => digits(ratio)],
  ['spread', ({ spread }) => deviation(spread)],
  ['a µs', ({ a }) => digits(1000 * a)],
  ['b µs', ({ b }) => digits(1000 * b)],
  ['rate', ({ network }) => describeRates(network.rates)],
]

export const speedNotes = [
  'Two ways, a / b, in turns: blocks of calls on the same test images, another one in each call. ' +
    'a / b: median of the rounds of blocks a b b a, with their spread. a µs, b µs: of a call.',
  'infer: the file for SIMD with float32 weights; a call copies the image in, infers and asks ' +
    'for the class. predict: model.predict, batchSize 1, purpose inference. scalar: the file ' +
    'for engines without SIMD. int8: weights of one byte.',
  'rate: spikes per neuron and step on these images, mean of the layers (lowest–highest).',
]
