import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { Fields, type Group, group, numbers, type Tree } from '../../src/files/nir/graph.js'
import { readHdf5, writeHdf5 } from '../../src/files/nir/hdf5.js'
import * as api from '../../src/index.js'
import { valuesOf } from '../../src/model/nir/builder.js'
import { parseLines, succeed } from '../cli/in-process.js'
import { expectRefusals, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { skip } from '../support/runner.js'
import { refusal, saveNir } from './package-rules.js'
import { expectSimulated, inputs } from './simulate.js'
import { fileOf, fixture, list, node, nodesOf, sizeOf, whole, word } from './trees.js'

const random = testRandom(11)

const dt = 2 ** -10

for (const [name, shape, steps, last] of [
  ['conv', [2, 8, 8], 8, 'n3'],
  ['recurrent', [6], 8, 'li'],
  ['series', [3, 10], 6, 'i'],
] as const)
  for (const options of [{}, { reset: 'zero' }, { fires: 'at' }] as const)
    test(`${name}.nir gives what a plain simulation gives, ${JSON.stringify(options)}`, async () => {
      const bytes = await fixture(name)
      const samples = 3
      const how = { dt, ...options }
      const model = await own(api.loadNir(bytes, { timeSteps: steps, batchSize: samples, ...how }))
      assert.equal(model.input, shape)
      const x = inputs(random, samples * steps * sizeOf(shape))
      const { logits } = await model.predict(x)
      const all = await expectSimulated({ logits, x, samples, steps }, bytes, last, how)
      for (const [name, rate] of Object.entries(model.firingRates())) {
        const neurons = model.session.graph.nodes.find((of) => of.name === name)!.shape
        const spikes = all.flatMap((outputs) => outputs.get(name)!.flat())
        assert.is(
          Math.round(rate * sizeOf(neurons) * steps * samples),
          spikes.reduce((sum, spike) => sum + spike, 0),
          name,
        )
      }
    })

/** A model that is written, and the model of its file. */
async function writtenAndRead(
  network: api.Module,
  options: api.CompileOptions,
  how?: api.SaveNirOptions,
): Promise<[api.Model, api.Model]> {
  const model = await modelOf(api.sequential(network), options)
  return withFolder(async (folder) => {
    await saveNir(model, join(folder, 'net.nir'), how)
    return [model, await own(api.loadNir(join(folder, 'net.nir'), { batchSize: model.batchSize }))]
  })
}

/** A model, the file that it writes, and the model of that file give the same bits. */
async function expectSameBits(
  network: api.Module,
  input: readonly number[],
  how?: { discretisation?: 'exact' | 'euler'; dt?: number },
): Promise<void> {
  const [timeSteps, batchSize] = [5, 3]
  const options = { timeSteps, batchSize, frames: true, seed: 3, input, purpose: 'inference' }
  const [model, again] = await writtenAndRead(network, options as never, how)
  assert.is(again.timeSteps, timeSteps)
  const x = inputs(random, batchSize * timeSteps * sizeOf(input))
  const [a, b] = [await model.predict(x), await again.predict(x)]
  assert.equal(b.logits, a.logits)
  assert.equal(Object.values(again.firingRates()), Object.values(model.firingRates()))
}

/** The same spikes are read twice. */
const twice = api.block(
  {
    a: api.linear(5, 6),
    b: api.linear(5, 6),
    s: api.lif({ vThreshold: 0.3 }),
    t: api.lif(),
    c: api.linear(6, 6),
  },
  (m, x, { add }) => {
    const spikes = m.s(add(m.a(x), m.b(x)))
    return m.t(add(m.c(spikes), spikes, spikes))
  },
)
const itself = () => api.recurrent(api.lif({ tau: 1.9, vThreshold: 0.3 }), { allToAll: false })
const alongTime = 'conv 4 3 padding=1, lif tau=3, flatten, linear 4'

for (const [name, network, input] of [
  [
    'images',
    `conv 4 3 padding=1 stride=1x2, lif tau=1.7 decayInput=true, sumPool2d 2,
     conv 6 3 padding=1 groups=2 bias=false, integrateAndFire vThreshold=0.4 vReset=0.1,
     avgPool2d 2 stride=1, scale 1.3, flatten, linear 5, delay 1, lif`,
    [2, 6, 8],
  ],
  ['a series', alongTime, [3, 8]],
  ['a series as an image', netOf([3, 8], alongTime), [3, 1, 8]],
  [
    'images whose spikes come back each to its own',
    'conv 3 3 padding=1, itself, conv 2 3, flatten, linear 3',
    [2, 4, 4],
  ],
  ['a series whose spikes come back each to its own', 'itself, flatten, linear 3', [3, 4]],
  ['spikes that are read twice', twice, [5]],
] as const)
  test(`${name}: what is written is read with the same bits`, () =>
    expectSameBits(
      typeof network === 'string' ? netOf(input, network, { itself }) : network,
      input,
    ))

const perNeuron = (n: number, least: number, most: number): number[] =>
  Array.from({ length: n }, () => least + (most - least) * random())

test('what is written is read with the same bits: neurons', async () => {
  const n = 12
  for (const how of [
    { discretisation: 'euler', dt: 1e-4 },
    { discretisation: 'exact', dt: 3e-3 },
  ] as const)
    for (const neurons of [
      api.lif({ tau: perNeuron(n, 1.2, 5), vThreshold: perNeuron(n, 0.2, 1), fires: 'above' }),
      api.lif({
        tau: 2.3,
        vReset: perNeuron(n, -0.5, 0.1),
        vRest: 0.2,
        inputScale: perNeuron(n, 0.5, 2),
      }),
      api.integrateAndFire({ inputScale: 1.7, fires: 'above' }),
      api.cubaLif({ tau: 3.3, tauSyn: perNeuron(n, 1.5, 4), vThreshold: 0.3 }),
      api.cubaLif({ tau: 3.3, tauSyn: 2.1, decayInput: true, vThreshold: 0.1 }),
      api.recurrent(api.cubaLif({ tau: 3, tauSyn: 1.5, vThreshold: 0.2 })),
      api.recurrent(api.lif({ tau: 1.9, vThreshold: 0.2 }), { bias: false }),
      api.recurrent(api.lif({ tau: 1.9, vThreshold: 0.2 }), { allToAll: false }),
      api.leakyIntegrator({ tau: 2.7, vRest: 0.1 }),
      api.leakyIntegrator({ tau: perNeuron(n, 2, 3), tauSyn: 1.6, decayInput: true }),
      api.integrator({ inputScale: perNeuron(n, 0.5, 2) }),
    ])
      await expectSameBits(api.sequential(api.linear(7, n), neurons, api.linear(n, 3)), [7], how)
})

test('batch normalisation becomes part of the convolution before it', async () => {
  const network = netOf([1, 6, 6], 'conv 4 3, norm, leakyIntegrator tau=2, flatten, linear 3')
  const options = { timeSteps: 4, batchSize: 2, frames: true } as const
  const model = await modelOf(network, { ...options, input: [1, 6, 6], purpose: 'inference' })
  const state = model.stateDict()
  for (const [name, { data }] of Object.entries(state))
    if (name.startsWith('1.')) data.set(data.map(() => 0.5 + random()))
  model.loadStateDict(state)
  const x = inputs(random, 2 * 4 * 36)
  const again = await withFolder(async (folder) => {
    await saveNir(model, join(folder, 'a.nir'))
    return own(api.loadNir(join(folder, 'a.nir'), { batchSize: 2 }))
  })
  expectClose('logits', (await again.predict(x)).logits, (await model.predict(x)).logits, 1e-5)
})

test('a model of a file trains on, and its spikes can be read', async () => {
  const from = await fixture('recurrent')
  const options = { dt, timeSteps: 4, batchSize: 2 }
  const training = { ...options, purpose: 'train', method: 'bptt' } as const
  const model = await own(api.loadNir(from, training))
  const { loss } = await model.trainStep(inputs(random, 2 * 4 * 6), [0, 1])
  assert.ok(Number.isFinite(loss))
  assert.ok('rnn.lif.recurrent.weight' in model.gradients())
  const recorded = await own(api.loadNir(from, { ...options, record: ['rnn.lif'] }))
  await recorded.predict(inputs(random, 2 * 4 * 6))
  assert.equal(recorded.spikes('rnn.lif').shape.slice(0, 2), [2, 4])
})

test('a learned time constant is written as the number that it is', () =>
  withFolder(async (folder) => {
    const network = api.sequential(api.linear(3, 4), api.plif({ tau: 3 }))
    const model = await modelOf(network, { input: [3], method: 'bptt' })
    await saveNir(model, join(folder, 'p.nir'), { dt: 1e-3 })
    const tree = await readHdf5(await readFile(join(folder, 'p.nir')), 'it')
    const tau = (nodesOf(tree).get('1') as Group).members.get('tau') as { data: Float64Array }
    assert.ok(Math.abs(tau.data[0] - 3e-3) < 1e-9)
  }))

type Change = (nodes: Map<string, Tree>, edges: [string, string][]) => void

/** A small file, changed. */
function changed(change: Change = () => {}): Group {
  const one = list(1, 1, 1)
  const nodes = new Map<string, Tree>([
    ['in', node('Input', { shape: whole(2) })],
    ['w', node('Linear', { weight: array(3, 2) })],
    ['n', node('LIF', { tau: one, r: one, v_leak: one, v_threshold: one })],
    ['out', node('Output', { shape: whole(3) })],
  ])
  const edges: [string, string][] = [
    ['in', 'w'],
    ['w', 'n'],
    ['n', 'out'],
  ]
  change(nodes, edges)
  return fileOf([...nodes], edges)
}

const bytesOf = (file: Group): Promise<Uint8Array> => writeHdf5(file, 'it', 0)

/** Ones. */
const array = (...shape: number[]): Tree => numbers(new Float32Array(sizeOf(shape)).fill(1), shape)

const set =
  (name: string, fields: Readonly<Record<string, Tree>>): Change =>
  (nodes) => {
    const { members } = nodes.get(name) as Group
    nodes.set(name, group([...members, ...Object.entries(fields)]))
  }

test('a graph that cannot be expressed is refused by the name of the node', async () => {
  const cases: [Change, string][] = [
    [set('n', { type: word('Izhikevich') }), 'node "n" (Izhikevich) must be of a known type'],
    [set('n', { tau: list(1, -1, 1) }), 'tau must be > 0 seconds, got -1 for neuron 1'],
    [set('n', { v_reset: list(0, 2, 0) }), 'must lie below v_threshold, got 2 for neuron 1'],
    [set('w', { weight: list(1, 1) }), 'weight must have shape [out, in], got [2]'],
    [set('out', { shape: whole(4) }), 'its shape is [4], but it gets [3, 1, 1]'],
    [(_, edges) => edges.push(['n', 'w']), 'edges must form no circle'],
    [(_, edges) => edges.push(['x', 'w']), 'got no node "x"; nodes are'],
    [(nodes) => nodes.set('in2', nodes.get('in')!), 'in2 must lead to the Output "out"'],
    [(nodes) => nodes.set('o', nodes.get('out')!), 'must have one Output, got o, out'],
    [(nodes) => nodes.set('y', nodes.get('n')!), 'y must get input, got no edge'],
    [
      (nodes, edges) => {
        for (const end of ['in', 'out']) set(end, { shape: whole(3, 2, 2) })(nodes, edges)
        set('w', { weight: array(3, 3) })(nodes, edges)
        edges.splice(0, 3, ['in', 'n'], ['n', 'w'], ['w', 'n'], ['n', 'out'])
      },
      'come back through "w" (Linear) to neurons [features] alone, got [3, 2, 2]',
    ],
  ]
  const { members } = changed()
  const newer = group([...members, ['version', word('9.1')]])
  const read = async (file: Group) => api.networkFromNir(await bytesOf(file))
  await expectRefusals([
    [() => read(newer), 'known version of NIR, got "9.1"'],
    ...cases.map(([change, message]) => [() => read(changed(change)), message] as const),
  ])
  assert.is((await read(changed())).input[0], 2)
})

test('files, folders and networks that are no graph are refused: tables.json has the options', () =>
  withFolder(async (folder) => {
    const nested = async (depth: number): Promise<Group> => {
      let tree = group([])
      for (let i = 0; i < depth; i++) tree = group([['g', tree]])
      return readHdf5(await writeHdf5(tree, 'it', 0), 'it')
    }
    assert.is((await nested(40)).members.size, 1)
    const [text, none] = [join(folder, 'text.nir'), join(folder, 'no', 'a.nir')]
    await writeFile(text, 'no HDF5')
    const series = await fixture('series')
    const layers = { a: api.linear(3, 4), s: api.lif(), b: api.linear(4, 2), c: api.linear(4, 2) }
    const network = api.block(layers, (m, x) => {
      const spikes = m.s(m.a(x))
      return { one: m.b(spikes), two: m.c(spikes) }
    })
    const two = await modelOf(network, { input: [3], purpose: 'inference' })
    const one = await modelOf(api.linear(2, 2), { input: [2] })
    await expectRefusals([
      [() => nested(41), /^it: .*\/g\/g lies too deep: 40 groups at most/],
      [() => api.loadNir(none), 'the NIR file must be a readable file, got'],
      [() => api.loadNir(folder), 'it is a folder'],
      [() => api.loadNir(text), 'must be a NIR file, which is HDF5, got other bytes'],
      [() => api.loadNir(series.slice(0, 3000)), 'the NIR file: must be a valid'],
      [() => api.loadNir(series, { timeSteps: 5000 }), 'timeSteps must be an integer from 1 to'],
      [() => two.saveNir(none), /^saveNir: .* one output, got one, two; make a network/],
      [() => one.saveNir(''), 'saveNir'],
      [() => one.saveNir(none), none],
    ])
  }))

test('the rules of the package refuse what it refuses', () => {
  const cases: [Change, RegExp | undefined][] = [
    [set('n', { r: array(1) }), /n: All parameters must have the same shape/],
    [set('n', { v_reset: array(1, 3) }), /n: All parameters must have the same shape/],
    [set('n', { v_reset: array(3) }), undefined],
    [set('n', { w_in: array(3) }), /n: unexpected argument 'w_in'/],
    [set('n', { type: word('CubaLIF') }), /n: missing argument 'tau_syn'/],
    [set('n', { type: word('Alif') }), /Unknown unit type: Alif/],
    [set('w', { weight: array(1, 3, 2) }), /input.output: \[2\] -> w.input: \[1,2\]|in.output/],
    [set('w', { weight: array(6) }), /Weight must be at least 2D/],
    [set('in', { shape: whole(1, 2) }), /type mismatch: in.output: \[1,2\]/],
    [(_, edges) => edges.push(['n', 'w']), /type mismatch: n.output: \[3\] -> w.input: \[2\]/],
    [(_, edges) => edges.push(['n', 'x']), /KeyError: x/],
    [(_, edges) => edges.shift(), /No input nodes found/],
  ]
  for (const [change, message] of cases) {
    const why = refusal(changed(change), 'package')
    if (message === undefined) assert.is(why, undefined)
    else assert.match(why ?? 'read', message)
  }
})

test('what is one number, a row or a list may have sizes of 1 around it', async () => {
  const plain = await api.networkFromNir(await bytesOf(changed()))
  const batched = changed((nodes, edges) => {
    const [row, single] = [array(1, 3), array(1, 1)]
    set('in', { shape: whole(1, 2) })(nodes, edges)
    set('w', { weight: array(1, 3, 2) })(nodes, edges)
    set('n', { r: row, v_leak: row, tau: single, v_threshold: single })(nodes, edges)
    nodes.set('back', node('Affine', { weight: array(1, 3, 3), bias: row }))
    edges.push(['n', 'back'], ['back', 'n'])
    set('out', { shape: whole(1, 3) })(nodes, edges)
  })
  const bytes = await bytesOf(batched)
  const { state, input } = await api.networkFromNir(bytes)
  assert.equal(input, [1, 2])
  assert.equal(state['w.weight'], plain.state['w.weight'])
  assert.equal(state['n.recurrent.bias'].shape, [3])
  const model = await own(api.loadNir(bytes, { dt: 1e-2, batchSize: 2, timeSteps: 2 }))
  assert.is((await model.predict(new Float32Array(8))).logits.length, 6)
})

test('parameters stretch to the neurons as in NumPy, and not otherwise', () => {
  const shape = [4, 3, 4] as const
  /** One number after the other, in an array of these sizes. */
  const stretched = (...given: number[]): number[] => {
    const data = Float64Array.from({ length: sizeOf(given) }, (_, i) => i)
    return [...valuesOf(new Fields(new Map([['r', numbers(data, given)]]), 'it'), 'r', shape)]
  }
  // A list stands for channels, or for all neurons.
  const cases: [given: number[], wanted: (c: number, y: number, x: number) => number][] = [
    [[], () => 0],
    [[1, 1], () => 0],
    [[4], (c) => c],
    [[1, 4], (c) => c],
    [[1, 4, 1, 1], (c) => c],
    [[1, 1, 4], (_, __, x) => x],
    [[3, 1], (_, y) => y],
    [[1, 3, 4], (_, y, x) => 4 * y + x],
    [[4, 1, 4], (c, _, x) => 4 * c + x],
    [[1, 4, 3, 4], (c, y, x) => 12 * c + 4 * y + x],
    [[48], (c, y, x) => 12 * c + 4 * y + x],
  ]
  for (const [given, wanted] of cases) {
    const all = Array.from({ length: 48 }, (_, i) => wanted((i / 12) | 0, ((i / 4) | 0) % 3, i % 4))
    assert.equal(stretched(...given), all, `[${given}]`)
  }
  for (const given of [[3], [2, 4], [3, 4, 4], [4, 4, 3], [2, 4, 3, 4], [4, 12]])
    assert.throws(() => stretched(...given), /r must have one number/, `[${given}]`)
})

/** The NIR paper's network for N-MNIST on real recordings, where both are at hand. */
const { SPIKEWASM_NMNIST: folder, SPIKEWASM_NIR: file } = process.env

if (folder === undefined || file === undefined)
  skip('SPIKEWASM_NMNIST and SPIKEWASM_NIR do not name recordings and a file')
else
  test('cnn_sinabs.nir on recordings: accuracy and spikes as published', async () => {
    const cut = ['--time-window', '1000', '--time-steps', '300']
    const { stdout } = await succeed([
      'eval',
      '--nir',
      file,
      '--dataset',
      'nmnist',
      '--data',
      folder,
      ...cut,
      '--json',
    ])
    const { final, testAccuracy, samples, spikes } = parseLines(stdout).at(-1)!
    assert.is(final, true)
    assert.ok((testAccuracy as number) >= 0.97, `${testAccuracy}`)
    // A plain float32 simulation gives these for the 100 recordings.
    if (samples !== 100) return
    assert.is(testAccuracy, 0.98)
    const wanted = [544_084, 1_177_617, 929_243, 731_172, 34_635]
    for (const [i, count] of Object.values(spikes as Record<string, number>).entries())
      assert.ok(Math.abs(count - wanted[i]) <= 1e-3 * wanted[i], `${i}: ${count}`)
    assert.is(Object.keys(spikes as object).length, wanted.length)
  })

test.run()
