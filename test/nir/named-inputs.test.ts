/** Files of networks with several inputs: each is an Input node by its name. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Group, group, texts } from '../../src/files/nir/graph.js'
import { readHdf5, writeHdf5 } from '../../src/files/nir/hdf5.js'
import { noteKey } from '../../src/files/nir/options.js'
import * as api from '../../src/index.js'
import type { Value } from '../../src/network/value.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { modelOf, own, test } from '../support/models.js'
import { saveNir } from './package-rules.js'
import { inputs as events } from './simulate.js'
import { fileOf, list, node, nodesOf, sizeOf, whole, word } from './trees.js'

const random = testRandom(5)

/** Inputs become features by layers of their own, which are added up. */
function summed(shapes: api.InputShapes): api.Block {
  const names = Object.keys(shapes)
  const one = ([c, ...sides]: readonly number[]): api.Module => {
    if (sides.length === 0) return api.linear(c, 5)
    if (c === 1) return api.sequential(api.flatten(), api.linear(sizeOf(sides), 5))
    const kernel = sides.map((n) => Math.min(n, 2))
    const pixels = 3 * sizeOf(sides.map((n, i) => n - kernel[i] + 1))
    const [k, l] = kernel
    const conv = l ? api.conv2d(c, 3, [k, l]) : api.conv1d(c, 3, k)
    const fires = api.lif({ vThreshold: 0.3 })
    return api.sequential(conv, fires, api.flatten(), api.linear(pixels, 5))
  }
  const children = Object.fromEntries(names.map((name) => [`of_${name}`, one(shapes[name])]))
  const last: Record<string, api.Module> = { fire: api.lif(), out: api.linear(5, 3) }
  return api.block({ ...children, ...last }, (m, x: Value | api.NamedValues, { add }) => {
    const parts = names.map((name) => m[`of_${name}`]((x as api.NamedValues)[name]))
    return m.out(m.fire(parts.length > 1 ? add(...parts) : parts[0]))
  })
}

/** The same samples by name, of [n][input][…]. */
function byName(x: Float32Array, shapes: api.InputShapes, T: number) {
  const sizes = Object.values(shapes).map((shape) => T * sizeOf(shape))
  const all = sizes.reduce((a, b) => a + b, 0)
  return Object.fromEntries(
    Object.keys(shapes).map((name, k) => {
      const at = sizes.slice(0, k).reduce((a, b) => a + b, 0)
      const isOwn = (i: number): boolean => i % all >= at && i % all < at + sizes[k]
      return [name, x.filter((_, i) => isOwn(i))]
    }),
  )
}

const [timeSteps, batchSize] = [4, 3]

for (const given of [
  { state: [4], image: [2, 4, 5], clip: [3, 6] },
  { right: [3, 6], left: [2, 7], pose: [4] },
  { z: [4], a: [4] },
  { only: [2, 5] },
  { board: [1, 3, 4], hand: [4] },
  { row: [2, 1, 6], column: [2, 6, 1], series: [2, 6] },
] as readonly api.InputShapes[])
  for (const frames of [false, true])
    test(`what is written is read with the same bits: ${JSON.stringify(given)}, frames ${frames}`, () =>
      withFolder(async (folder) => {
        const size = Object.values(given).reduce((sum, shape) => sum + sizeOf(shape), 0)
        const options = { input: given, timeSteps, batchSize, frames, purpose: 'inference' }
        const model = await modelOf(summed(given), options as never)
        const file = join(folder, 'net.nir')
        await saveNir(model, file)
        const again = await own(api.loadNir(file, { batchSize }))
        assert.equal(again.inputs, given)
        assert.equal(Object.keys(again.inputs!), Object.keys(given))
        assert.equal([again.input, again.frames, again.timeSteps], [[size], frames, timeSteps])
        const T = frames ? timeSteps : 1
        const x = events(random, batchSize * T * size)
        const wanted = await model.predict(x)
        assert.ok(wanted.logits.some((value) => value !== wanted.logits[0]))
        assert.equal((await again.predict(x)).logits, wanted.logits)
        assert.equal((await again.predict(byName(x, given, T))).logits, wanted.logits)
        // What was read is written as the same file.
        await saveNir(again, join(folder, 'again.nir'))
        const twice = await own(api.loadNir(join(folder, 'again.nir'), { batchSize }))
        assert.equal((await twice.predict(x)).logits, wanted.logits)
        const { network: alone, state, inputs } = await api.networkFromNir(file)
        const other = await modelOf(alone, { ...options, input: inputs, purpose: 'train' } as never)
        other.loadStateDict({ ...other.stateDict(), ...state })
        const step = byName(x, given, T)
        assert.ok(Number.isFinite((await other.trainStep(step, [0, 1, 2])).loss))
      }))

/** Two inputs of three numbers each, and what is changed. */
function twoInputs(
  change: (nodes: Map<string, Group>, edges: [string, string][]) => void = () => {},
): Group {
  const shape = whole(3)
  const nodes = new Map<string, Group>([
    ['second', node('Input', { shape })],
    ['first', node('Input', { shape })],
    ['w', node('Scale', { scale: list(2, 3, 4) })],
    ['out', node('Output', { shape })],
  ])
  const edges: [string, string][] = [
    ['second', 'w'],
    ['first', 'out'],
    ['w', 'out'],
  ]
  change(nodes, edges)
  return fileOf([...nodes], edges)
}

const bytesOf = (file: Group): Promise<Uint8Array> => writeHdf5(file, 'it', 0)
const read = async (file: Group) => api.networkFromNir(await bytesOf(file))

/** The same with a note such as `saveNir` writes. */
function noted(file: Group, note: unknown): Group {
  const graph = file.members.get('node') as Group
  const metadata = group([[noteKey, texts([JSON.stringify(note)], [])]])
  return group([...file.members, ['node', group([...graph.members, ['metadata', metadata]])]])
}

test('a file of others gives inputs the names of their nodes, in its order', async () => {
  const order = Object.keys((await read(twoInputs())).inputs!)
  const held = [...nodesOf(await readHdf5(await bytesOf(twoInputs()), 'it')).keys()]
  assert.equal(
    order,
    held.filter((name) => ['first', 'second'].includes(name)),
  )
  const model = await own(api.loadNir(await bytesOf(twoInputs()), { timeSteps: 1, batchSize: 1 }))
  const [first, second] = [Float32Array.of(1, 2, 3), Float32Array.of(10, 20, 30)]
  const { logits } = await model.predict({ second, first })
  assert.equal([...logits], [21, 62, 123])
})

test('a note that does not fit the nodes does not count; one that fits gives the order', async () => {
  const usual = Object.keys((await read(twoInputs())).inputs!)
  const other = Object.fromEntries([...usual].reverse().map((name) => [name, [3]]))
  const of = async (inputs: unknown): Promise<string[]> =>
    Object.keys((await read(noted(twoInputs(), { inputs }))).inputs!)
  assert.equal(await of(other), [...usual].reverse())
  for (const wrong of [
    null,
    1,
    'ab',
    [[3], [3]],
    {},
    { first: [3] },
    { ...other, first: null },
    { ...other, x: [3] },
    { ...other, first: [4] },
    { ...other, first: ['3'] },
    { ...other, first: '3' },
    { ...other, first: [{ toString: 1 }] },
    { ...other, first: [] },
  ])
    assert.equal(await of(wrong), usual, JSON.stringify(wrong))
})

test('Inputs that no network has are refused by their names', async () => {
  const shape = whole(3)
  const ends: [string, Group][] = [
    ['in1', node('Input', { shape })],
    ['in2', node('Input', { shape })],
    ['end', node('Output', { shape })],
  ]
  const inner = fileOf(ends, [
    ['in1', 'end'],
    ['in2', 'end'],
  ]).members.get('node') as Group
  const cases: [Parameters<typeof twoInputs>[0], RegExp][] = [
    [(_, edges) => edges.splice(1, 1), /first must lead to the Output "out", got no way to it/],
    [(_, edges) => edges.push(['w', 'first']), /nothing may lead into the Input "first"/],
    [(_, edges) => edges.push(['first', 'second']), /nothing may lead into the Input "second"/],
    [(nodes) => nodes.set('first', node('Input', { shape: whole(4) })), /out.* one shape/],
    [(nodes) => nodes.set('first', node('Input', { shape: whole(0) })), /"first" \(Input\): shape/],
    [
      (nodes, edges) => {
        nodes.set('my input', node('Input', { shape }))
        edges.push(['my input', 'out'])
      },
      /an input's name must be of letters, digits and _, got "my input"/,
    ],
    [
      (nodes, edges) => {
        nodes.set('part', inner)
        edges.push(['w', 'part'], ['part', 'out'])
      },
      /the graph "part" must have one Input, got in1, in2/,
    ],
    [
      (nodes) => {
        for (const name of ['first', 'second']) nodes.set(name, node('Scale', { scale: shape }))
      },
      /must have one Input, got none/,
    ],
    [(nodes) => nodes.set('w', node('Scale', { type: word('Odd') })), /"w" \(Odd\) must be of a/],
  ]
  for (const [change, message] of cases) await expectRefusal(() => read(twoInputs(change)), message)
})

test('the file of a network without named inputs is as before: one Input, no names noted', () =>
  withFolder(async (folder) => {
    const model = await modelOf(api.linear(4, 2), { input: [4] })
    await saveNir(model, join(folder, 'a.nir'))
    const tree = await readHdf5(await readFile(join(folder, 'a.nir')), 'it')
    assert.equal(
      [...nodesOf(tree).keys()].filter((name) => name.startsWith('in')),
      ['input'],
    )
    const { inputs, input } = await api.networkFromNir(join(folder, 'a.nir'))
    assert.equal([inputs, input], [undefined, [4]])
  }))

test.run()
