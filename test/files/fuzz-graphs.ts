/** Networks whose graphs are odd: shared nodes, long chains, wide sums and joins. */

import * as assert from 'node:assert'
import { methodNames } from '../../src/compile/methods.js'
import { nirTree } from '../../src/files/nir/from-model.js'
import * as api from '../../src/index.js'
import type { NetworkJson } from '../../src/network/json.js'
import { type Signal, Sketch } from '../support/draw/sketch.js'
import { testRandom } from '../support/engine.js'

type Random = () => number
const below = (random: Random, n: number): number => Math.floor(random() * n)

const SIZE = 4
const input = [2, SIZE, SIZE] as const
const sketch = (): Sketch => new Sketch(input, 'bptt', 'm', 2)

/** Signals that may be added to one. */
function like({ signals }: Sketch, index: number): number[] {
  const { shape, flat } = signals[index]
  const isLike = (of: Signal): boolean => of.flat === flat && `${of.shape}` === `${shape}`
  return [...signals.keys()].filter((i) => isLike(signals[i]))
}

const smooth = { stride: 1, padding: 1 }

/** Puts a layer that changes no shape, or flattens. */
function oneLayer(draft: Sketch, random: Random, from: number): number {
  const { shape, flat } = draft.signals[from]
  const [channels] = shape
  const plain: (() => api.Layer)[] = [
    api.identity,
    api.relu,
    api.lif,
    () => api.scale(random() < 0.2 ? -1 : 0.5),
    () => api.dropout(0.2),
    () => api.delay(1),
  ]
  const ofImages = [() => api.avgPool2d(3, smooth), () => api.maxPool2d(3, smooth)]
  const convolution = (): api.Layer => {
    const radius = below(random, 2)
    return api.conv2d(channels, channels, 1 + 2 * radius, { padding: radius })
  }
  const kinds = [
    ...plain,
    ...(flat ? [] : ofImages),
    ...(flat || channels > 64 ? [] : [() => api.batchNorm2d(channels), convolution]),
    ...(flat || random() < 0.8 ? [] : [api.flatten]),
  ]
  return draft.put(kinds[below(random, kinds.length)](), from)
}

/** Any layers and sums; nodes near the end are read more often. */
function anything(draft: Sketch, random: Random): void {
  for (let i = 1 + below(random, 60); i > 0; i--) {
    const { last } = draft
    const from = random() < 0.7 ? last : below(random, last + 1)
    if (random() < 0.5) oneLayer(draft, random, from)
    else {
      const alike = like(draft, from)
      const joint = random() < 0.85 || draft.signals[from].shape[0] > 100 ? 'add' : 'concat'
      const count = 2 + (random() < 0.1 ? below(random, 100) : below(random, 3))
      const others = Array.from({ length: count - 1 }, () => alike[below(random, alike.length)])
      draft.join(joint, [from, ...others])
    }
  }
}

/** Sums, or joins, of a node with itself, and layers between some of them. */
function doubling(draft: Sketch, random: Random): void {
  const share = random() < 0.5 ? 0 : random()
  const joint = random() < 0.7 ? 'add' : 'concat'
  for (let i = 1 + below(random, 150); i > 0; i--)
    if (random() < share) oneLayer(draft, random, draft.last)
    else draft.join(joint, [draft.last, draft.last])
}

/** One layer, or a few, again and again. */
function chain(draft: Sketch, random: Random): void {
  const period = 1 + below(random, 3)
  const start = random() < 0.1 ? 2600 : 1 + below(random, 600)
  const layers = [
    api.relu,
    api.identity,
    () => api.scale(1),
    api.lif,
    () => api.avgPool2d(3, smooth),
  ]
  const cycle = Array.from({ length: period }, () => layers[below(random, layers.length)])
  const residual = random() < 0.4
  for (let i = 0; i < start; i++) {
    const from = draft.last
    const of = draft.put(cycle[i % period](), from)
    if (residual) draft.join('add', [of, from])
  }
}

/** Each node reads all before it, as in a DenseNet; or one sum reads very many. */
function wide(draft: Sketch, random: Random): void {
  const own = random() < 0.7
  const count = 1 + below(random, own ? 60 : 400)
  for (let i = 0; i < count; i++) {
    const at = draft.put(random() < 0.5 ? api.relu() : api.lif(), own ? draft.last : 0)
    if (own && at > 1) draft.join('add', like(draft, at).slice(-1000))
  }
  const reads = Array.from({ length: 2 + below(random, 1100) }, () => below(random, draft.last + 1))
  draft.join(random() < 0.8 ? 'add' : 'concat', reads)
}

/** With weights at its end, mostly. */
function finish(draft: Sketch, random: Random = () => 0): Sketch {
  if (!draft.signals[draft.last].flat) draft.put(api.flatten())
  const features = draft.signals[draft.last].shape.reduce((a, b) => a * b)
  if (random() < 0.8 && features <= 65536) draft.put(api.linear(features, 3))
  return draft
}

function randomGraph(random: Random): Sketch {
  const draft = sketch()
  const shapes = [anything, anything, doubling, chain, wide]
  shapes[below(random, shapes.length)](draft, random)
  return finish(draft, random)
}

/** A sum of a value with itself, sixteen times: 65,536 terms if none were equal. */
function sixteenSums(): Sketch {
  const draft = sketch()
  for (let i = 0; i < 16; i++) draft.join('add', [i, i])
  return finish(draft)
}

/** As it may come in a file, whether or not it can be a network. */
const jsonOf = ({ nodes, last }: Sketch): NetworkJson => ({
  version: 1,
  nodes: nodes.map(({ kind, inputs, layer }, i) => {
    const { kind: _, ...options } = layer ?? { kind }
    return { kind, name: `n${i}`, inputs, ...(layer && { layer: options }) }
  }),
  output: last,
})

/** All that walks through a graph. */
async function walk(draft: Sketch, random: Random): Promise<void> {
  const network = jsonOf(draft)
  const method = methodNames[below(random, methodNames.length)]
  const purpose = random() < 0.5 ? 'train' : 'inference'
  const options = { input, timeSteps: 2, batchSize: 2, threads: 1 } as const
  const start = await api
    .sequential(api.flatten(), api.linear(32, 3))
    .compile({ ...options, purpose: 'inference' })
  const json: api.ModelJson = { ...start.toJSON(), network }
  await start.dispose()
  const made =
    random() < 0.5 ? api.networkFromJSON(JSON.stringify(json), 'it') : draft.network([draft.last])
  const model = await made.compile({ ...options, method, purpose })
  try {
    await use(model, purpose === 'train', random)
    const again = model.toJSON()
    const kinds = ({ nodes }: NetworkJson) => nodes.map(({ kind, inputs }) => [kind, inputs])
    assert.deepStrictEqual(kinds(again.network), kinds(network))
    api.networkFromJSON(JSON.stringify(again), 'it')
  } finally {
    await model.dispose()
  }
}

async function use(model: api.Model, trains: boolean, random: Random): Promise<void> {
  const x = Float32Array.from({ length: 2 * 2 * SIZE * SIZE }, () => random())
  if (trains) await model.trainStep(x, [0, 1])
  await model.predict(x)
  model.summary()
  if (random() < 0.2)
    nirTree(model.session, model.stateDict(), { dt: 1e-4, discretisation: 'euler' })
  if (random() < 0.05) await api.exportWasm(model)
}

/** Time of the processor, so that others on the machine do not count. */
const MOST_MS = 5000
const MOST_BYTES = 500 * 2 ** 20

/** A reader for the fuzzer: its bytes are the seed of a network. */
export function graphReaders() {
  const seedOf = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(0)
  return {
    graph: {
      bytes: new Uint8Array(4),
      async read(bytes: Uint8Array) {
        const seed = seedOf(bytes)
        const random = testRandom(seed)
        const started = process.cpuUsage()
        try {
          await walk(seed === 0 ? sixteenSums() : randomGraph(random), random)
        } finally {
          const { user, system } = process.cpuUsage(started)
          const [ms, rss] = [(user + system) / 1000, process.memoryUsage.rss()]
          if (ms > MOST_MS || rss > MOST_BYTES)
            // biome-ignore lint/correctness/noUnsafeFinally: this is worse than what was thrown
            throw new Error(`seed ${seed}: ${Math.round(ms)} ms, ${rss >> 20} MiB`)
        }
      },
      mutate: async (random: () => number) =>
        Uint8Array.from({ length: 4 }, () => below(random, 256)),
    },
  }
}
