import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Fields, type Group, group, numbers, type Tree, texts } from '../../src/files/nir/graph.js'
import { readHdf5, writeHdf5 } from '../../src/files/nir/hdf5.js'
import {
  alif,
  avgPool2d,
  batchNorm2d,
  block,
  conv1d,
  conv2d,
  cubaLif,
  delay,
  flatten,
  integrateAndFire,
  integrator,
  leakyIntegrator,
  lif,
  linear,
  loadNir,
  type Module,
  maxPool2d,
  networkFromNir,
  plif,
  recurrent,
  relu,
  SpikewasmError,
  scale,
  sequential,
  sumPool2d,
} from '../../src/index.js'
import { valuesOf } from '../../src/model/nir/builder.js'
import { parseLines, run } from '../cli/in-process.js'
import { testRandom } from '../support/engine.js'
import { skip } from '../support/runner.js'
import { refusal, saveNir } from './package-rules.js'
import { simulate } from './simulate.js'

const fixture = (name: string): Promise<Uint8Array> =>
  readFile(fileURLToPath(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url)))

const random = testRandom(11)

/** Spikes of an input, [n][T][size]: small whole numbers, as counts of events are. */
function inputs(samples: number, steps: number, size: number): Float32Array {
  return Float32Array.from({ length: steps * samples * size }, () =>
    random() < 0.3 ? 1 + Math.floor(2 * random()) : 0,
  )
}

/** Frames of one sample. */
const framesOf = (x: Float32Array, steps: number, size: number, b: number) =>
  Array.from({ length: steps }, (_, t) =>
    Array.from(x.subarray((b * steps + t) * size, (b * steps + t + 1) * size)),
  )

const mean = (rows: readonly number[][]): number[] =>
  rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length)

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
      const size = shape.reduce((a, b) => a * b, 1)
      const model = await loadNir(bytes, { dt, timeSteps: steps, batchSize: samples, ...options })
      assert.equal(model.input, shape)
      const x = inputs(samples, steps, size)
      const { logits } = await model.predict(x)
      const rates = model.firingRates()
      const spikes: Record<string, number> = {}
      for (let b = 0; b < samples; b++) {
        const all = await simulate(bytes, framesOf(x, steps, size, b), { dt, ...options })
        const wanted = mean(all.get(last)!)
        const got = [...logits.subarray(b * wanted.length, (b + 1) * wanted.length)]
        wanted.forEach((value, i) => {
          assert.ok(
            Math.abs(got[i] - value) <= 1e-6 * Math.max(1, Math.abs(value)),
            `${i}: ${value}`,
          )
        })
        for (const node of Object.keys(rates))
          spikes[node] =
            (spikes[node] ?? 0) +
            all
              .get(node)!
              .flat()
              .reduce((a, c) => a + c, 0)
      }
      for (const [node, rate] of Object.entries(rates)) {
        const neurons = model.session.graph.nodes.find((of) => of.name === node)!.shape
        const count = rate * neurons.reduce((a, c) => a * c, 1) * steps * samples
        assert.is(Math.round(count), spikes[node], node)
      }
      await model.dispose()
    })

/** A model, the file that it writes, and the model of that file give the same bits. */
async function expectSameBits(
  network: Module,
  input: readonly [number, ...number[]],
  how: { discretisation?: 'exact' | 'euler'; dt?: number } = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-nir-'))
  try {
    const [steps, samples] = [5, 3]
    const options = { timeSteps: steps, batchSize: samples, frames: true, seed: 3 }
    const model = await sequential(network).compile({
      ...options,
      input: input as never,
      purpose: 'inference',
    })
    const path = join(folder, 'net.nir')
    await saveNir(model, path, how)
    const again = await loadNir(path, { batchSize: samples })
    assert.is(again.timeSteps, steps)
    const x = inputs(
      samples,
      steps,
      input.reduce((a, b) => a * b, 1),
    )
    const [a, b] = [await model.predict(x), await again.predict(x)]
    assert.equal(b.logits, a.logits)
    assert.equal(Object.values(again.firingRates()), Object.values(model.firingRates()))
    for (const one of [model, again]) await one.dispose()
  } finally {
    await rm(folder, { recursive: true })
  }
}

const perNeuron = (n: number, least: number, most: number): number[] =>
  Array.from({ length: n }, () => least + (most - least) * random())

test('what is written is read with the same bits: layers', async () => {
  const images = sequential(
    conv2d(2, 4, 3, { padding: 1, stride: [1, 2] }),
    lif({ tau: 1.7, decayInput: true }),
    sumPool2d(2),
    conv2d(4, 6, 3, { padding: 1, groups: 2, bias: false }),
    integrateAndFire({ vThreshold: 0.4, vReset: 0.1 }),
    avgPool2d(2, { stride: 1 }),
    scale(1.3),
    flatten(),
    linear(12, 5),
    delay(1),
    lif(),
  )
  await expectSameBits(images, [2, 6, 8])
  const series = sequential(
    conv1d(3, 4, 3, { padding: 1 }),
    lif({ tau: 3 }),
    flatten(),
    linear(32, 4),
  )
  await expectSameBits(series, [3, 8])
  await expectSameBits(series, [3, 1, 8])
  const both = sequential(
    conv2d(2, 3, [3, 1], { padding: [0, 0] }),
    lif(),
    conv1d(3, 4, 3, { stride: 2, padding: 1 }),
    lif(),
    flatten(),
    linear(16, 4),
  )
  await expectSameBits(both, [2, 3, 8])
})

test('spikes of images come back to their own neuron', async () => {
  const own = recurrent(lif({ tau: 1.9, vThreshold: 0.3 }), { allToAll: false })
  const before = conv2d(2, 3, 3, { padding: 1 })
  await expectSameBits(sequential(before, own, conv2d(3, 2, 3), flatten(), linear(8, 3)), [2, 4, 4])
  await expectSameBits(sequential(own, flatten(), linear(12, 3)), [3, 4])
})

test('what is written is read with the same bits: neurons', async () => {
  const n = 12
  for (const how of [
    { discretisation: 'euler', dt: 1e-4 },
    { discretisation: 'exact', dt: 3e-3 },
  ] as const)
    for (const neurons of [
      lif({ tau: perNeuron(n, 1.2, 5), vThreshold: perNeuron(n, 0.2, 1), fires: 'above' }),
      lif({
        tau: 2.3,
        vReset: perNeuron(n, -0.5, 0.1),
        vRest: 0.2,
        inputScale: perNeuron(n, 0.5, 2),
      }),
      integrateAndFire({ inputScale: 1.7, fires: 'above' }),
      cubaLif({ tau: 3.3, tauSyn: perNeuron(n, 1.5, 4), vThreshold: 0.3 }),
      cubaLif({ tau: 3.3, tauSyn: 2.1, decayInput: true, vThreshold: 0.1 }),
      recurrent(cubaLif({ tau: 3, tauSyn: 1.5, vThreshold: 0.2 })),
      recurrent(lif({ tau: 1.9, vThreshold: 0.2 }), { bias: false }),
      recurrent(lif({ tau: 1.9, vThreshold: 0.2 }), { allToAll: false }),
      leakyIntegrator({ tau: 2.7, vRest: 0.1 }),
      leakyIntegrator({ tau: perNeuron(n, 2, 3), tauSyn: 1.6, decayInput: true }),
      integrator({ inputScale: perNeuron(n, 0.5, 2) }),
    ])
      await expectSameBits(sequential(linear(7, n), neurons, linear(n, 3)), [7], how)
})

test('what is written is read with the same bits: wiring', async () => {
  // The same spikes are read twice.
  const twice = block(
    { a: linear(5, 6), b: linear(5, 6), s: lif({ vThreshold: 0.3 }), t: lif(), c: linear(6, 6) },
    (m, x, { add }) => {
      const spikes = m.s(add(m.a(x), m.b(x)))
      return m.t(add(m.c(spikes), spikes, spikes))
    },
  )
  await expectSameBits(twice, [5])
})

test('batch normalisation becomes part of the convolution before it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-nir-'))
  const network = sequential(
    conv2d(1, 4, 3),
    batchNorm2d(4),
    leakyIntegrator({ tau: 2 }),
    flatten(),
    linear(64, 3),
  )
  const options = { timeSteps: 4, batchSize: 2, frames: true } as const
  const model = await network.compile({ ...options, input: [1, 6, 6], purpose: 'inference' })
  const state = model.stateDict()
  for (const [name, { data }] of Object.entries(state))
    if (name.startsWith('1.')) data.set(data.map(() => 0.5 + random()))
  model.loadStateDict(state)
  await saveNir(model, join(folder, 'a.nir'))
  const again = await loadNir(join(folder, 'a.nir'), { batchSize: 2 })
  const x = inputs(2, 4, 36)
  const [a, b] = [(await model.predict(x)).logits, (await again.predict(x)).logits]
  for (const [i, value] of a.entries())
    assert.ok(Math.abs(value - b[i]) <= 1e-5 * (1 + Math.abs(value)))
  await model.dispose()
  await again.dispose()
  await rm(folder, { recursive: true })
})

test('a model of a file trains on', async () => {
  const model = await loadNir(await fixture('recurrent'), {
    ...{ dt, timeSteps: 4, batchSize: 2, purpose: 'train', method: 'bptt' },
  })
  const { loss } = await model.trainStep(inputs(2, 4, 6), [0, 1])
  assert.ok(Number.isFinite(loss))
  assert.ok('rnn.lif.recurrent.weight' in model.gradients())
  await model.dispose()
})

test('spikes of a model of a file can be read', async () => {
  const from = await fixture('recurrent')
  const model = await loadNir(from, { dt, timeSteps: 4, batchSize: 2, record: ['rnn.lif'] })
  await model.predict(inputs(2, 4, 6))
  const { shape } = model.spikes('rnn.lif')
  assert.equal(shape.slice(0, 2), [2, 4])
  await model.dispose()
})

/** A small file with some fields of its nodes changed. */
async function changed(
  change: (nodes: Map<string, Tree>, edges: string[][], root: Map<string, Tree>) => void,
): Promise<Uint8Array> {
  const one = numbers(new Float64Array([1, 1, 1]), [3])
  const node = (type: string, fields: Record<string, Tree>): Group =>
    group([['type', texts([type], [])], ...Object.entries(fields)])
  const nodes = new Map<string, Tree>([
    ['in', node('Input', { shape: numbers(new BigInt64Array([2n])) })],
    ['w', node('Linear', { weight: numbers(new Float32Array(6), [3, 2]) })],
    ['n', node('LIF', { tau: one, r: one, v_leak: one, v_threshold: one })],
    ['out', node('Output', { shape: numbers(new BigInt64Array([3n])) })],
  ])
  const edges = [
    ['in', 'w'],
    ['w', 'n'],
    ['n', 'out'],
  ]
  const root = new Map<string, Tree>([['version', texts(['1.0'], [])]])
  change(nodes, edges, root)
  root.set(
    'node',
    group([
      ['type', texts(['NIRGraph'], [])],
      ['nodes', { kind: 'group', members: nodes }],
      ['edges', texts(edges.flat(), [edges.length, 2])],
    ]),
  )
  return writeHdf5({ kind: 'group', members: root }, 'it', 0)
}

const set =
  (name: string, field: string, value: Tree) =>
  (nodes: Map<string, Tree>): void => {
    const old = nodes.get(name) as Group
    nodes.set(name, { kind: 'group', members: new Map([...old.members, [field, value]]) })
  }

test('what cannot be expressed is refused by the name of the node', async () => {
  const three = (...values: number[]): Tree => numbers(new Float64Array(values))
  const cases: [Parameters<typeof changed>[0], RegExp][] = [
    [(_, __, root) => root.set('version', texts(['9.1'], [])), /known version of NIR, got "9.1"/],
    [(_, __, root) => root.delete('version'), /must say the version/],
    [
      set('n', 'type', texts(['Izhikevich'], [])),
      /node "n" \(Izhikevich\) must be of a known type/,
    ],
    [
      set('n', 'v_threshold', three(1, 0, 1)),
      /node "n" \(LIF\): v_threshold must be .* got 0 for neuron 1/,
    ],
    [set('n', 'tau', three(1, Number.NaN, 1)), /"n" \(LIF\) must have finite numbers tau, got NaN/],
    [set('n', 'tau', three(1, -1, 1)), /tau must be > 0 seconds, got -1 for neuron 1/],
    [set('n', 'tau', three(1, 1e-5, 1)), /tau must be at least dt = 0.0001 with Euler/],
    [set('n', 'r', three(1, 1)), /r must have one number.*got shape \[2\]/],
    [set('n', 'v_reset', three(0, 2, 0)), /v_reset must lie below v_threshold, got 2 for neuron 1/],
    [set('w', 'weight', three(1, 1)), /weight must have shape \[out, in\], got \[2\]/],
    [
      set('w', 'weight', numbers(new Float64Array(6).fill(1e300), [3, 2])),
      /float32 numbers, got 1e\+300/,
    ],
    [set('in', 'shape', three(4)), /its weight takes 2 numbers, got \[4\]/],
    [set('out', 'shape', three(4)), /its shape is \[4\], but it gets \[3, 1, 1\]/],
    [(_, edges) => edges.push(['n', 'w']), /edges must form no circle.* got one at/],
    [(_, edges) => edges.push(['out', 'w']), /nothing may read the Output "out"/],
    [(_, edges) => edges.push(['x', 'w']), /got no node "x"; nodes are/],
    [(_, edges) => edges.pop(), /must lead to the Output|must read a node/],
    [(nodes) => nodes.set('in2', nodes.get('in')!), /must have one Input, got in, in2/],
    [(nodes) => nodes.set('y', nodes.get('n')!), /y must get input, got no edge/],
  ]
  for (const [change, message] of cases) {
    const bytes = await changed(change)
    try {
      await networkFromNir(bytes)
      assert.unreachable(`should be refused: ${message}`)
    } catch (error) {
      assert.instance(error, SpikewasmError)
      assert.match((error as Error).message, message)
    }
  }
  assert.is((await networkFromNir(await changed(() => {}))).input[0], 2)
})

test('the rules of the package refuse what it refuses', async () => {
  const ones = (...shape: number[]): Tree =>
    numbers(new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape)
  const cases: [Parameters<typeof changed>[0], RegExp | undefined][] = [
    [set('n', 'r', ones(1)), /n: All parameters must have the same shape/],
    [set('n', 'v_reset', ones(1, 3)), /n: All parameters must have the same shape/],
    [set('n', 'v_reset', ones(3)), undefined],
    [set('n', 'w_in', ones(3)), /n: unexpected argument 'w_in'/],
    [set('n', 'type', texts(['CubaLIF'], [])), /n: missing argument 'tau_syn'/],
    [set('n', 'type', texts(['Alif'], [])), /Unknown unit type: Alif/],
    [set('w', 'weight', ones(1, 3, 2)), /input.output: \[2\] -> w.input: \[1,2\]|in.output/],
    [set('w', 'weight', ones(6)), /Weight must be at least 2D/],
    [set('in', 'shape', numbers(new BigInt64Array([1n, 2n]))), /type mismatch: in.output: \[1,2\]/],
    [(_, edges) => edges.push(['n', 'w']), /type mismatch: n.output: \[3\] -> w.input: \[2\]/],
    [(_, edges) => edges.push(['n', 'x']), /KeyError: x/],
    [(_, edges) => edges.shift(), /No input nodes found/],
  ]
  for (const [change, message] of cases) {
    const why = refusal(await readHdf5(await changed(change), 'it'), 'package')
    if (message === undefined) assert.is(why, undefined)
    else assert.match(why ?? 'read', message)
  }
})

test('what is one number, a row or a list may have sizes of 1 around it', async () => {
  const plain = await networkFromNir(await changed(() => {}))
  const one = (shape: number[]): Tree => numbers(new Float64Array(3).fill(1), shape)
  const single = numbers(new Float64Array([1]), [1, 1])
  const batched = await changed((nodes, edges) => {
    set('in', 'shape', numbers(new BigInt64Array([1n, 2n])))(nodes)
    set('w', 'weight', numbers(new Float32Array(6), [1, 3, 2]))(nodes)
    for (const field of ['r', 'v_leak']) set('n', field, one([1, 3]))(nodes)
    for (const field of ['tau', 'v_threshold']) set('n', field, single)(nodes)
    const fields: [string, Tree][] = [
      ['type', texts(['Affine'], [])],
      ['weight', numbers(new Float32Array(9), [1, 3, 3])],
      ['bias', one([1, 3])],
    ]
    nodes.set('back', group(fields))
    edges.push(['n', 'back'], ['back', 'n'])
    set('out', 'shape', numbers(new BigInt64Array([1n, 3n])))(nodes)
  })
  const { state, input } = await networkFromNir(batched)
  assert.equal(input, [1, 2])
  assert.equal(state['w.weight'], plain.state['w.weight'])
  assert.equal(state['n.recurrent.bias'].shape, [3])
  const model = await loadNir(batched, { dt: 1e-2, batchSize: 2, timeSteps: 2 })
  assert.is((await model.predict(new Float32Array(8))).logits.length, 6)
  await model.dispose()
})

test('parameters stretch to the neurons as in NumPy, and not otherwise', () => {
  const shape = [4, 3, 4] as const
  const at = (c: number, y: number, x: number): number => 100 * c + 10 * y + x
  const cases: [number[], (c: number, y: number, x: number) => number][] = [
    [[], () => at(0, 0, 0)],
    [[1, 1], () => at(0, 0, 0)],
    [[4], (c) => at(c, 0, 0)],
    [[1, 4], (c) => at(c, 0, 0)],
    [[1, 4, 1, 1], (c) => at(c, 0, 0)],
    [[1, 1, 4], (_, __, x) => at(0, 0, x)],
    [[3, 1], (_, y) => at(0, y, 0)],
    [[1, 3, 4], (_, y, x) => at(0, y, x)],
    [[4, 1, 4], (c, _, x) => at(c, 0, x)],
    [[1, 4, 3, 4], at],
    [[48], at],
  ]
  for (const [given, wanted] of cases) {
    const isVector = given.length === 1 || (given.length === 2 && given[1] === 4)
    const length = given.at(-1) ?? 1
    const last = isVector ? (length === 48 ? [4, 3, 4] : [length, 1, 1]) : given
    const sizes = [1, 1, 1, ...last].slice(-3)
    const data: number[] = []
    for (let c = 0; c < sizes[0]; c++)
      for (let y = 0; y < sizes[1]; y++) for (let x = 0; x < sizes[2]; x++) data.push(at(c, y, x))
    const fields = new Fields(new Map([['r', numbers(Float64Array.from(data), given)]]), 'it')
    const all: number[] = []
    for (let c = 0; c < 4; c++)
      for (let y = 0; y < 3; y++) for (let x = 0; x < 4; x++) all.push(wanted(c, y, x))
    assert.equal([...valuesOf(fields, 'r', shape)], all, `[${given}]`)
  }
  for (const given of [[3], [2, 4], [3, 4, 4], [4, 4, 3], [2, 4, 3, 4], [4, 12]]) {
    const count = given.reduce((a, b) => a * b, 1)
    const fields = new Fields(new Map([['r', numbers(new Float64Array(count), given)]]), 'it')
    assert.throws(() => valuesOf(fields, 'r', shape), /r must have one number/, `[${given}]`)
  }
})

test('dilation, other parts of a step and several paddings are refused or done', async () => {
  const tree = await readHdf5(await fixture('conv'), 'it')
  const nodes = ((tree.members.get('node') as Group).members.get('nodes') as Group).members
  const conv = (nodes.get('c1') as Group).members as Map<string, Tree>
  conv.set('dilation', numbers(new BigInt64Array([2n, 1n])))
  const dilated = await writeHdf5(tree, 'it', 0)
  await networkFromNir(dilated).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /"c1" \(Conv2d\): dilation must be 1, got \[2, 1\]/),
  )
  const bytes = await fixture('recurrent')
  await networkFromNir(bytes, { dt: 0.0015 }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /"delay" \(Delay\): delay must be whole time steps/),
  )
})

test('layers that NIR does not have are refused by their names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-nir-'))
  const cases: [Module, RegExp][] = [
    [
      recurrent(lif()),
      /1 \(recurrent\(lif\)\) cannot .* all neurons of \[4, 4, 4\].* put flatten\(\) before it/,
    ],
    [maxPool2d(2), /1 \(maxPool2d\) cannot be written as NIR/],
    [relu(), /1 \(relu\) cannot be written as NIR/],
    [alif(), /1 \(alif\) cannot be written as NIR, which has no adaptive threshold/],
    [lif({ refractory: 2 }), /1 \(lif\) cannot be written as NIR, which has no refractory time/],
    ...[{ tauSyn: Number.POSITIVE_INFINITY }, { tau: Number.POSITIVE_INFINITY }].map(
      (options): [Module, RegExp] => [
        cubaLif(options),
        /1 \(cubaLif\) cannot .* no synaptic current on neurons without leak; .* tau and tauSyn/,
      ],
    ),
    [
      lif({ tau: [2, 3, Number.POSITIVE_INFINITY, 2] }),
      /1 \(lif\) cannot .* which has no neurons of which some leak and some do not/,
    ],
  ]
  for (const [i, [layer, message]] of cases.entries()) {
    const network = sequential(conv2d(1, 4, 3), layer, flatten(), linear(i === 1 ? 16 : 64, 2))
    const model = await network.compile({ input: [1, 6, 6], purpose: 'inference', frames: true })
    await model.saveNir(join(folder, 'x.nir')).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, message),
    )
    await model.dispose()
  }
  await rm(folder, { recursive: true })
})

test('groups that lie too deep are refused', async () => {
  const nested = (depth: number): Promise<Group> => {
    let tree = group([])
    for (let i = 0; i < depth; i++) tree = group([['g', tree]])
    return writeHdf5(tree, 'it', 0).then((bytes) => readHdf5(bytes, 'it'))
  }
  assert.is((await nested(40)).members.size, 1)
  const error = await nested(41).catch((e) => e)
  assert.match(error.message, /^it: .*\/g\/g lies too deep: 40 groups at most/)
})

test('a network of several outputs is refused', async () => {
  const layers = { a: linear(3, 4), s: lif(), b: linear(4, 2), c: linear(4, 2) }
  const network = block(layers, (m, x) => {
    const spikes = m.s(m.a(x))
    return { one: m.b(spikes), two: m.c(spikes) }
  })
  const model = await network.compile({ input: [3], purpose: 'inference' })
  await model.saveNir(join(tmpdir(), 'never-written.nir')).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /^saveNir: .* one output, got one, two; make a network/),
  )
  await model.dispose()
})

test('a learned time constant is written as the number that it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-nir-'))
  const network = sequential(linear(3, 4), plif({ tau: 3 }))
  const model = await network.compile({ input: [3], method: 'bptt' })
  await saveNir(model, join(folder, 'p.nir'), { dt: 1e-3 })
  const tree = await readHdf5(await readFile(join(folder, 'p.nir')), 'it')
  const nodes = ((tree.members.get('node') as Group).members.get('nodes') as Group).members
  const tau = (nodes.get('1') as Group).members.get('tau') as { data: Float64Array }
  assert.ok(Math.abs(tau.data[0] - 3e-3) < 1e-9)
  await model.dispose()
  await rm(folder, { recursive: true })
})

test('wrong arguments and files are refused clearly', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-nir-'))
  const bytes = await fixture('series')
  const cut = bytes.slice(0, 3000)
  await writeFile(join(folder, 'text.nir'), 'no HDF5')
  const cases: [unknown, unknown, RegExp][] = [
    [null, {}, /loadNir needs the path or the bytes of a NIR file, got null/],
    [Number.NaN, {}, /got NaN/],
    [12n, {}, /got 12/],
    [Symbol('x'), {}, /got Symbol\(x\)/],
    ['', {}, /needs the path/],
    [join(folder, 'none.nir'), {}, /there is no such file/],
    [folder, {}, /it is a folder/],
    [join(folder, 'text.nir'), {}, /must be a NIR file, which is HDF5, got other bytes/],
    [new Uint8Array(0), {}, /got other bytes/],
    [cut, {}, /the NIR file: must be a valid/],
    [bytes, null, /loadNir's options must be an object/],
    [bytes, { dt: Number.NaN }, /loadNir.dt must be the seconds of a time step/],
    [bytes, { dt: 0 }, /loadNir.dt must be/],
    [bytes, { dt: 1n }, /loadNir.dt must be/],
    [bytes, { discretisation: 'rk4' }, /loadNir.discretisation must be 'euler' or 'exact'/],
    [bytes, { reset: 'none' }, /loadNir.reset must be one of/],
    [bytes, { fires: true }, /loadNir.fires must be 'above' or 'at'/],
    [bytes, { input: [3] }, /loadNir.input is not an option/],
    [bytes, { timeSteps: 5000 }, /timeSteps must be an integer from 1 to 4096/],
  ]
  for (const [from, options, message] of cases)
    await loadNir(from as string, options as object).then(
      () => assert.unreachable(String(message)),
      (error) => {
        assert.instance(error, SpikewasmError)
        assert.match(error.message, message)
      },
    )
  const model = await sequential(linear(2, 2)).compile({ input: [2] })
  for (const [path, options] of [
    ['', {}],
    [null, {}],
    [join(folder, 'a.nir'), { dt: -1 }],
    [join(folder, 'a.nir'), { every: 1 }],
    [join(folder, 'no', 'a.nir'), {}],
  ])
    await model.saveNir(path as string, options as object).then(
      () => assert.unreachable(),
      (error) => assert.instance(error, SpikewasmError),
    )
  await model.dispose()
  await rm(folder, { recursive: true })
})

/** The NIR paper's network for N-MNIST on real recordings, where both are at hand. */
const { SPIKEWASM_NMNIST: folder, SPIKEWASM_NIR: file } = process.env

if (folder === undefined || file === undefined)
  skip('SPIKEWASM_NMNIST and SPIKEWASM_NIR do not name recordings and a file')
else
  test('cnn_sinabs.nir on recordings: accuracy and spikes as published', async () => {
    const cut = ['--time-window', '1000', '--time-steps', '300']
    const { code, stdout, stderr } = await run([
      ...['eval', '--nir', file, '--dataset', 'nmnist', '--data', folder, ...cut, '--json'],
    ])
    assert.is(code, 0, stderr)
    const { final, testAccuracy, samples, spikes } = parseLines(stdout).at(-1)!
    assert.is(final, true)
    assert.ok((testAccuracy as number) >= 0.97, `${testAccuracy}`)
    // Of the 100 recordings a plain float32 simulation gives these.
    if (samples !== 100) return
    assert.is(testAccuracy, 0.98)
    const wanted = [544_084, 1_177_617, 929_243, 731_172, 34_635]
    for (const [i, count] of Object.values(spikes as Record<string, number>).entries())
      assert.ok(Math.abs(count - wanted[i]) <= 1e-3 * wanted[i], `${i}: ${count}`)
    assert.is(Object.keys(spikes as object).length, wanted.length)
  })

test.run()
