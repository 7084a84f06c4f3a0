/** Networks whose graphs are odd: shared nodes, long chains, wide sums and joins. */

import * as assert from 'node:assert'
import { methodNames } from '../../src/compile/methods.js'
import { nirTree } from '../../src/files/nir/from-model.js'
import * as api from '../../src/index.js'
import type { NetworkJson, NodeJson } from '../../src/network/json.js'
import { testRandom } from '../support/engine.js'

type Random = () => number
const below = (random: Random, n: number): number => Math.floor(random() * n)

/** A node with what is known of its output. */
interface Made {
  readonly node: NodeJson
  readonly channels: number
  readonly flat: boolean
}

const SIZE = 4

/** Makes nodes one behind the other; node 0 is the input, an image of 2 channels. */
class Draft {
  readonly made: Made[] = []

  shapeOf(index: number): Pick<Made, 'channels' | 'flat'> {
    return index === 0 ? { channels: 2, flat: false } : this.made[index - 1]
  }
  get last(): number {
    return this.made.length
  }
  layer({ kind, ...layer }: api.Layer, from: number, to: Partial<Made> = {}): number {
    const node = { kind, name: `n${this.last}`, inputs: [from], layer: { ...layer } }
    this.made.push({ ...this.shapeOf(from), ...to, node })
    return this.last
  }
  join(kind: 'add' | 'concat', inputs: readonly number[]): number {
    const all = inputs.map((index) => this.shapeOf(index))
    const channels = kind === 'add' ? all[0].channels : all.reduce((n, of) => n + of.channels, 0)
    this.made.push({ node: { kind, name: `n${this.last}`, inputs }, channels, flat: all[0].flat })
    return this.last
  }
  /** Nodes whose output may be added to that of one. */
  like(index: number): number[] {
    const { channels, flat } = this.shapeOf(index)
    const isLike = (of: Pick<Made, 'channels' | 'flat'>): boolean =>
      of.channels === channels && of.flat === flat
    return Array.from({ length: this.last + 1 }, (_, i) => i).filter((i) => isLike(this.shapeOf(i)))
  }
}

/** A layer that changes no shape, or a convolution. */
function oneLayer(draft: Draft, random: Random, from: number): number {
  const { channels, flat } = draft.shapeOf(from)
  const kinds: (() => api.Layer)[] = [
    api.identity,
    api.relu,
    api.lif,
    () => api.scale(random() < 0.2 ? -1 : 0.5),
    () => api.dropout(0.2),
    () => api.delay(1),
    ...(flat ? [] : [() => api.avgPool2d(3, { stride: 1, padding: 1 })]),
    ...(flat ? [] : [() => api.maxPool2d(3, { stride: 1, padding: 1 })]),
    ...(flat || channels > 64 ? [] : [() => api.batchNorm2d(channels)]),
    ...(flat || channels > 64
      ? []
      : [() => api.conv2d(channels, channels, 1 + 2 * below(random, 2))]),
    ...(flat || random() < 0.8 ? [] : [api.flatten]),
  ]
  const layer = kinds[below(random, kinds.length)]()
  if (layer.kind === 'flatten')
    return draft.layer(layer, from, { channels: channels * SIZE * SIZE, flat: true })
  if (layer.kind !== 'conv2d') return draft.layer(layer, from)
  const [kernel] = [layer.kernelSize].flat()
  return draft.layer({ ...layer, padding: [(kernel - 1) / 2, (kernel - 1) / 2] }, from)
}

/** Any layers and sums; nodes near the end are read more often. */
function anything(draft: Draft, random: Random): void {
  for (let i = 1 + below(random, 60); i > 0; i--) {
    const { last } = draft
    const from = random() < 0.7 ? last : below(random, last + 1)
    if (random() < 0.5) oneLayer(draft, random, from)
    else {
      const like = draft.like(from)
      const joint = random() < 0.85 || draft.shapeOf(from).channels > 100 ? 'add' : 'concat'
      const count = 2 + (random() < 0.1 ? below(random, 100) : below(random, 3))
      const others = Array.from({ length: count - 1 }, () => like[below(random, like.length)])
      draft.join(joint, [from, ...others])
    }
  }
}

/** Sums, or joins, of a node with itself, and layers between some of them. */
function doubling(draft: Draft, random: Random): void {
  const share = random() < 0.5 ? 0 : random()
  const joint = random() < 0.7 ? 'add' : 'concat'
  for (let i = 1 + below(random, 150); i > 0; i--)
    if (random() < share) oneLayer(draft, random, draft.last)
    else draft.join(joint, [draft.last, draft.last])
}

/** One layer, or a few, again and again. */
function chain(draft: Draft, random: Random): void {
  const period = 1 + below(random, 3)
  const start = random() < 0.1 ? 2600 : 1 + below(random, 600)
  const layers = [
    api.relu,
    api.identity,
    () => api.scale(1),
    api.lif,
    () => api.avgPool2d(3, { stride: 1, padding: 1 }),
  ]
  const cycle = Array.from({ length: period }, () => layers[below(random, layers.length)])
  const residual = random() < 0.4
  for (let i = 0; i < start; i++) {
    const from = draft.last
    const of = draft.layer(cycle[i % period](), from)
    if (residual) draft.join('add', [of, from])
  }
}

/** Each node reads all before it, as in a DenseNet; or one sum reads very many. */
function wide(draft: Draft, random: Random): void {
  const own = random() < 0.7
  const count = 1 + below(random, own ? 60 : 400)
  for (let i = 0; i < count; i++) {
    const at = draft.layer(random() < 0.5 ? api.relu() : api.lif(), own ? draft.last : 0)
    if (own && at > 1) draft.join('add', draft.like(at).slice(-1000))
  }
  const reads = Array.from({ length: 2 + below(random, 1100) }, () => below(random, draft.last + 1))
  draft.join(random() < 0.8 ? 'add' : 'concat', reads)
}

/** With weights at its end, mostly. */
function finished(draft: Draft, random: Random = () => 0): NetworkJson {
  const { channels, flat } = draft.shapeOf(draft.last)
  const features = flat ? channels : channels * SIZE * SIZE
  if (!flat) draft.layer(api.flatten(), draft.last, { channels: features, flat: true })
  if (random() < 0.8 && features <= 65536)
    draft.layer(api.linear(features, 3), draft.last, { channels: 3 })
  return { version: 1, nodes: draft.made.map(({ node }) => node), output: draft.last }
}

export function randomGraph(random: Random): NetworkJson {
  const draft = new Draft()
  const shapes = [anything, anything, doubling, chain, wide]
  shapes[below(random, shapes.length)](draft, random)
  return finished(draft, random)
}

/** A sum of a value with itself, sixteen times: 65,536 terms if none were equal. */
const sixteenSums: NetworkJson = (() => {
  const draft = new Draft()
  for (let i = 0; i < 16; i++) draft.join('add', [i, i])
  return finished(draft)
})()

/** A block that calls its children as the wiring says. */
function blockOf({ nodes, output }: NetworkJson) {
  const layers = nodes.filter(({ layer }) => layer)
  const children = layers.map(({ kind, name, layer }) => [name, { kind, ...layer } as api.Layer])
  return api.block(Object.fromEntries(children), (m, x, { add, concat }) => {
    const values: api.Value[] = [x]
    for (const { kind, name, inputs } of nodes) {
      const read = inputs.map((index) => values[index])
      values.push(
        kind === 'add' ? add(...read) : kind === 'concat' ? concat(...read) : m[name](read[0]),
      )
    }
    return values[output]
  })
}

/** All that walks through a graph. */
async function walk(network: NetworkJson, random: Random): Promise<void> {
  const method = methodNames[below(random, methodNames.length)]
  const purpose = random() < 0.5 ? 'train' : 'inference'
  const options = { input: [2, SIZE, SIZE], timeSteps: 2, batchSize: 2, threads: 1 } as const
  const start = await api
    .sequential(api.flatten(), api.linear(32, 3))
    .compile({ ...options, purpose: 'inference' })
  const json: api.ModelJson = { ...start.toJSON(), network }
  await start.dispose()
  const made = random() < 0.5 ? api.networkFromJSON(JSON.stringify(json), 'it') : blockOf(network)
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
          await walk(seed === 0 ? sixteenSums : randomGraph(random), random)
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
