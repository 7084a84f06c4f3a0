/** Mutated NIR files: their bytes, and what their nodes hold. */

import { type Group, graphOf, group, numbers, type Tree, texts } from '../../src/files/nir/graph.js'
import { Hdf5Thread } from '../../src/files/nir/hdf5.js'
import { networkOf } from '../../src/model/nir/network.js'
import { graphToJson } from '../../src/network/json.js'
import { trace } from '../../src/network/trace.js'
import { testRandom } from '../support/engine.js'
import { fixture } from './trees.js'

interface Reader {
  readonly bytes: Uint8Array
  read(bytes: Uint8Array): unknown
  mutate?(random: () => number): Promise<Uint8Array>
  close?(): Promise<void>
}

function readTree(tree: Group): unknown {
  const { network, input } = networkOf(graphOf(tree, 'it'), {}, false, 'it')
  return [input, graphToJson(trace(network, input))]
}

/** Values in the place of others. */
const odd: readonly Tree[] = [
  texts(['same'], []),
  texts(['NIRGraph'], []),
  texts(['input', 'output', '__proto__', ''], [2, 2]),
  texts([], [0, 2]),
  numbers(new Float64Array(0)),
  numbers(new Float64Array([0]), []),
  numbers(new Float64Array([-1]), []),
  numbers(new Float64Array([1e300, 0.5])),
  numbers(new Float32Array([Number.NaN, Number.POSITIVE_INFINITY])),
  numbers(new BigInt64Array([2n ** 62n, -1n, 0n])),
  numbers(new BigUint64Array([2n ** 63n]), []),
  numbers(new Uint8Array(6), [1, 2, 3]),
  numbers(new Float64Array([2 ** 40, 2 ** 40])),
  { kind: 'other', what: 'a reference' },
  group([]),
]

/** The tree with other values at one to three places. */
function spoilt(tree: Group, random: () => number): Group {
  const below = (n: number): number => Math.floor(random() * n)
  const copy = (of: Tree): Tree =>
    of.kind === 'group' ? group([...of.members].map(([key, value]) => [key, copy(value)])) : of
  const out = copy(tree) as Group
  const places: { of: Map<string, Tree>; key: string }[] = []
  const walk = (of: Tree): void => {
    if (of.kind !== 'group') return
    for (const [key, value] of of.members) {
      places.push({ of: of.members as Map<string, Tree>, key })
      walk(value)
    }
  }
  walk(out)
  for (let i = below(3); i >= 0; i--) {
    const { of, key } = places[below(places.length)]
    const other = places[below(places.length)]
    const kind = below(6)
    if (kind === 0) of.delete(key)
    else if (kind === 1) of.set(`${key}.`, of.get(key) ?? group([]))
    else if (kind === 2) of.set(key, other.of.get(other.key) ?? group([]))
    else if (kind === 3) {
      const leaf = of.get(key)
      if (leaf?.kind === 'texts') {
        const data = leaf.data.map((text) =>
          below(8) === 0 ? leaf.data[below(leaf.data.length)] : text,
        )
        of.set(key, { ...leaf, data })
      } else if (leaf?.kind === 'numbers') {
        const data = Float64Array.from(leaf.data as ArrayLike<number>, (value) =>
          below(4) === 0 ? [0, -1, 3, 1e9, 0.3, Number.NaN][below(6)] : Number(value),
        )
        of.set(key, { ...leaf, data })
      }
    } else of.set(key, odd[below(odd.length)])
  }
  return out
}

/** Readers for the fuzzer. */
export async function nirReaders(): Promise<Record<string, Reader>> {
  // A kept thread: to start one for each file would take hours.
  const thread = new Hdf5Thread(10)
  const bytes = await fixture('series')
  const trees: Group[] = []
  for (const name of ['series', 'recurrent', 'conv'])
    trees.push(await thread.read(await fixture(name), name))
  return {
    'nir file': {
      bytes,
      read: async (mutated) => readTree(await thread.read(mutated, 'it')),
      close: () => thread.close(),
    },
    'nir graph': {
      bytes: new Uint8Array(4),
      read(seed) {
        const random = testRandom(new DataView(seed.buffer).getUint32(0))
        const tree = trees[Math.floor(random() * trees.length)]
        return readTree(seed.every((byte) => byte === 0) ? tree : spoilt(tree, random))
      },
      mutate: async (random) => Uint8Array.from({ length: 4 }, () => Math.floor(256 * random())),
    },
  }
}
