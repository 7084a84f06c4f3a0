/** NIR: hashes of what graphs become, of what networks become, and of what is refused. */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import { nirTree } from '../../src/files/nir/from-model.js'
import { type Group, graphOf, group, numbers, type Tree, texts } from '../../src/files/nir/graph.js'
import { readHdf5 } from '../../src/files/nir/hdf5.js'
import {
  checkNirOptions,
  checkSaveOptions,
  conventions,
  type NirOptions,
  secondsOf,
  stepsOf,
} from '../../src/files/nir/options.js'
import {
  adaptiveAvgPool2d,
  alif,
  avgPool2d,
  batchNorm1d,
  batchNorm2d,
  conv1d,
  conv2d,
  cubaLif,
  delay,
  dropout,
  flatten,
  identity,
  integrateAndFire,
  integrator,
  layerNorm,
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
  residual,
  scale,
  sequential,
  sumPool2d,
} from '../../src/index.js'
import { networkOf } from '../../src/model/nir/network.js'
import { graphToJson } from '../../src/network/json.js'
import { trace } from '../../src/network/trace.js'
import { expectOutcomes, outcomeOf, withOdd } from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'

const hashes = new Hashes('nir/tables.json')
const dt = 2 ** -10

/** A network of a graph, with its weights. */
function read(tree: Group, options: NirOptions = {}, keepBias = false): unknown {
  const { network, state, ...rest } = networkOf(graphOf(tree, 'it'), options, keepBias, 'it')
  return [graphToJson(trace(network, rest.input)), state, rest]
}

type Fields = Readonly<Record<string, Tree>>
const node = (type: string, fields: Fields = {}): Group =>
  group([['type', texts([type], [])], ...Object.entries(fields)])
const list = (...values: number[]): Tree => numbers(Float32Array.from(values))
const whole = (...values: number[]): Tree => numbers(BigInt64Array.from(values, BigInt))
const one = (value: number): Tree => numbers(Float64Array.of(value), [])
const array = (...shape: number[]): Tree =>
  numbers(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 7) - 2.5),
    shape,
  )

/** A graph of nodes in a row. */
function row(
  input: readonly number[],
  nodes: Readonly<Record<string, Group>>,
  output?: Tree,
): Group {
  const names = ['input', ...Object.keys(nodes), 'output']
  return group([
    ['version', texts(['1.0'], [])],
    [
      'node',
      group([
        ['type', texts(['NIRGraph'], [])],
        [
          'nodes',
          group([
            ['input', node('Input', { shape: whole(...input) })],
            ...Object.entries(nodes),
            ['output', node('Output', output ? { shape: output } : {})],
          ]),
        ],
        [
          'edges',
          texts(
            names.slice(1).flatMap((name, i) => [names[i], name]),
            [names.length - 1, 2],
          ),
        ],
      ]),
    ],
  ])
}

/** Each kind of node with what it takes. */
const kinds: Readonly<Record<string, [input: readonly number[], type: string, fields: Fields]>> = {
  affine: [[4], 'Affine', { weight: array(3, 4), bias: list(0, 1, 0) }],
  'affine without bias': [[4, 1, 1], 'Affine', { weight: array(1, 3, 4), bias: list(0, 0, 0) }],
  linear: [[4], 'Linear', { weight: array(3, 4) }],
  'linear on a row': [[1, 4], 'Linear', { weight: array(3, 4) }],
  scale: [[2, 3, 3], 'Scale', { scale: list(1, 2) }],
  conv1d: [
    [2, 9],
    'Conv1d',
    {
      input_shape: whole(9),
      weight: array(4, 1, 3),
      stride: whole(2),
      padding: whole(1),
      dilation: whole(1),
      groups: whole(2),
      bias: list(1, 2, 3, 4),
    },
  ],
  conv2d: [
    [2, 5, 6],
    'Conv2d',
    {
      input_shape: whole(5, 6),
      weight: array(4, 2, 3, 1),
      stride: whole(2, 1),
      padding: whole(1, 0),
      dilation: whole(1, 1),
      groups: whole(1),
      bias: list(0, 0, 0, 0),
    },
  ],
  'conv2d, same': [
    [2, 5, 6],
    'Conv2d',
    { weight: array(2, 1, 3, 5), padding: texts(['same'], []), groups: whole(2) },
  ],
  'conv2d, valid': [
    [2, 5, 6],
    'Conv2d',
    { weight: array(2, 2, 2, 2), padding: texts(['valid'], []) },
  ],
  sum: [
    [2, 5, 6],
    'SumPool2d',
    { kernel_size: whole(2, 3), stride: whole(1, 2), padding: whole(1, 1) },
  ],
  average: [[2, 5, 6], 'AvgPool2d', { kernel_size: whole(2), stride: whole(2) }],
  flatten: [
    [2, 3, 3],
    'Flatten',
    { start_dim: whole(0), end_dim: whole(-1), input_type: whole(2, 3, 3) },
  ],
  'flatten from 1': [
    [2, 3, 3],
    'Flatten',
    { start_dim: whole(1), end_dim: whole(-1), input_type: whole(1, 2, 3, 3) },
  ],
  delay: [[3], 'Delay', { delay: list(dt, 0, 3 * dt) }],
  lif: [
    [3],
    'LIF',
    {
      tau: list(4 * dt, 2 * dt, 3 * dt),
      r: list(1, 2, 3),
      v_leak: list(0, 0.1, 0),
      v_threshold: list(1, 2, 1),
      v_reset: list(0, 0.5, 0),
    },
  ],
  'lif of channels': [
    [2, 3, 3],
    'LIF',
    {
      tau: numbers(Float32Array.of(4 * dt, 2 * dt), [2, 1, 1]),
      r: list(4),
      v_leak: one(0),
      v_threshold: one(1),
    },
  ],
  if: [[3], 'IF', { r: list(1, 1, 1), v_threshold: list(1, 1, 1), v_reset: list(0, 0, 0) }],
  cubalif: [
    [3],
    'CubaLIF',
    {
      tau_mem: one(4 * dt),
      tau_syn: one(2 * dt),
      r: one(4),
      v_leak: one(0.2),
      v_threshold: one(1),
      w_in: one(2),
      v_reset: one(-1),
    },
  ],
  li: [[3], 'LI', { tau: one(4 * dt), r: list(1, 2, 3), v_leak: one(0.5) }],
  cubali: [
    [3],
    'CubaLI',
    { tau_mem: one(4 * dt), tau_syn: one(2 * dt), r: one(1), v_leak: one(0) },
  ],
  i: [[3], 'I', { r: list(1, 2, 3) }],
  threshold: [[3], 'Threshold', { threshold: list(1, 2, 3) }],
  other: [[3], 'Other', {}],
  graph: [[3], 'NIRGraph', {}],
}

/** What may stand in a field by mistake, or hardly. */
const values: readonly (Tree | undefined)[] = [
  ...[
    undefined,
    one(-1),
    one(0),
    one(0.5),
    one(1),
    one(dt),
    one(dt / 2),
    one(1.5 * dt),
    one(2),
    one(3),
  ],
  ...[one(Number.NaN), one(Number.POSITIVE_INFINITY), one(1e39), one(1e-46), one(1e300), list()],
  ...[
    list(1),
    list(2, 1),
    list(0, 0),
    list(1, 2, 3),
    list(0, 0, 0),
    list(4 * dt, 2 * dt, dt),
    whole(5, 6),
  ],
  ...[
    list(1, 2, 3, 4),
    array(3, 4),
    array(2, 3, 3),
    array(1, 3, 3),
    array(2, 1, 1),
    array(1, 2),
    array(1, 3),
  ],
  ...[
    array(1, 1, 3),
    array(3, 1),
    array(2, 2, 2, 2),
    array(1, 4, 2, 3, 1),
    array(4, 2, 2),
    array(0, 4),
  ],
  ...[
    whole(1, 1, 3, 3),
    whole(-3),
    whole(-1),
    texts(['same'], []),
    texts(['other'], []),
    texts(['a', 'b']),
  ],
  ...[group([]), { kind: 'other' as const, what: 'a link' }, numbers(Uint8Array.of(2), [])],
]

const ways: readonly NirOptions[] = [
  ...([
    { dt },
    { dt, discretisation: 'exact' },
    { dt, reset: 'zero' },
    { dt, reset: 'subtract' },
  ] as NirOptions[]),
  ...([
    { dt, reset: 'stored' },
    { dt, fires: 'at' },
    { dt, integration: 'dt' },
    {},
  ] as NirOptions[]),
]
const tried = (calls: readonly (() => unknown)[]) => () =>
  Promise.all(calls.map((call) => outcomeOf(call)))

test('every kind of node, by every option', async () => {
  for (const [name, [input, type, fields]] of Object.entries(kinds)) {
    const noted = (reset: string, fires: string): Group =>
      node(type, {
        ...fields,
        metadata: group([
          ['reset', texts([reset], [])],
          ['fires', texts([fires], [])],
        ]),
      })
    const graphs = [
      ...[
        node(type, fields),
        noted('zero', 'at'),
        noted('stored', 'above'),
        noted('other', 'other'),
      ],
      noted('subtract', 'at'),
    ].map((of) => row(input, { n: of }))
    await expectOutcomes(hashes, 'node', {
      [name]: tried(
        graphs.flatMap((tree) =>
          ways.flatMap((way) => [false, true].map((keep) => () => read(tree, way, keep))),
        ),
      ),
      [`${name} of other sizes`]: tried(
        [[3], [4], [2, 9], [2, 3, 3], [1, 4], [4, 1], [1, 1, 4]].map(
          (sizes) => () => read(row(sizes, { n: node(type, fields) }), { dt }),
        ),
      ),
    })
  }
})

test('every field of every kind of node, with other values', async () => {
  for (const [name, [input, type, fields]] of Object.entries(kinds))
    for (const key of [...Object.keys(fields), 'type'])
      await expectOutcomes(hashes, `node ${name}`, {
        [key]: tried(
          values.map((value) => () => {
            const { [key]: _, ...others } = fields
            const of = node(type, value === undefined ? others : { ...others, [key]: value })
            return read(row(input, { n: of }), { dt })
          }),
        ),
      })
})

const fixture = async (name: string): Promise<Group> =>
  readHdf5(
    await readFile(
      fileURLToPath(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url)),
    ),
    name,
  )

/** Paths of all groups, numbers and texts of a tree. */
function pathsOf(tree: Tree): string[][] {
  if (tree.kind !== 'group') return []
  return [...tree.members].flatMap(([key, value]) => [
    [key],
    ...pathsOf(value).map((path) => [key, ...path]),
  ])
}
/** The tree with another value at a path; undefined leaves out what is there. */
function withValue(tree: Group, [key, ...rest]: readonly string[], value: Tree | undefined): Group {
  const members = new Map(tree.members)
  if (rest.length > 0) members.set(key, withValue(tree.members.get(key) as Group, rest, value))
  else if (value === undefined) members.delete(key)
  else members.set(key, value)
  return group(members)
}

/** Edges of a graph within another, and back to itself. */
function wired(
  edges: readonly (readonly [string, string])[],
  nodes: Readonly<Record<string, Group>>,
): Group {
  const tree = row([3], nodes)
  const pairs = texts(edges.flat(), [edges.length, 2])
  return withValue(tree, ['node', 'edges'], pairs)
}

test('graphs: edges, graphs within graphs, and files with another value at each place', async () => {
  const [, type, fields] = kinds.lif
  const lifNode = node(type, fields)
  const square = node('Linear', { weight: array(3, 3) })
  const affine = node('Affine', { weight: array(3, 3), bias: list(1, 2, 3) })
  const each = node('Scale', { scale: list(1, 2, 3) })
  const inner = withValue(row([3], { m: lifNode }), ['version'], undefined).members.get(
    'node',
  ) as Group
  const passing = row([3], {}).members.get('node') as Group
  const back = (way: Group): Group =>
    wired(
      [
        ['input', 'a'],
        ['a', 'b'],
        ['b', 'a'],
        ['a', 'output'],
      ],
      { a: lifNode, b: way },
    )
  const cases: Record<string, Group> = {
    ...{
      'back through a matrix': back(square),
      'back with a bias': back(affine),
      'back by itself': back(each),
    },
    ...{ 'back through a neuron': back(lifNode), 'back through a graph': back(inner) },
    'back to itself': wired(
      [
        ['input', 'a'],
        ['a', 'a'],
        ['a', 'output'],
      ],
      { a: lifNode },
    ),
    'back to a matrix': wired(
      [
        ['input', 'a'],
        ['a', 'a'],
        ['a', 'output'],
      ],
      { a: square },
    ),
    'two ways': wired(
      [
        ['input', 'a'],
        ['input', 'b'],
        ['a', 'output'],
        ['b', 'output'],
      ],
      { a: each, b: square },
    ),
    'one way twice': wired(
      [
        ['input', 'a'],
        ['input', 'a'],
        ['a', 'output'],
      ],
      { a: each },
    ),
    'no way': wired(
      [
        ['input', 'a'],
        ['b', 'output'],
      ],
      { a: each, b: each },
    ),
    'no way out': wired(
      [
        ['input', 'a'],
        ['input', 'b'],
        ['a', 'output'],
      ],
      { a: each, b: each },
    ),
    'no edges': wired([], { a: each }),
    'a graph': row([3], { a: inner, b: each, c: inner }),
    'a graph that passes on': row([3], { a: passing, b: each }),
    'into the input': wired(
      [
        ['input', 'a'],
        ['a', 'input'],
        ['a', 'output'],
      ],
      { a: each },
    ),
    'out of the output': wired(
      [
        ['input', 'a'],
        ['a', 'output'],
        ['output', 'a'],
      ],
      { a: each },
    ),
    'two inputs': wired(
      [
        ['input', 'a'],
        ['i', 'a'],
        ['a', 'output'],
      ],
      { a: each, i: node('Input', { shape: whole(3) }) },
    ),
    'two outputs': wired(
      [
        ['input', 'a'],
        ['a', 'o'],
        ['a', 'output'],
      ],
      { a: each, o: node('Output', {}) },
    ),
    'another shape of the output': row([3], { a: each }, whole(4)),
    'the shape of the output': row([3], { a: each }, whole(3, 1)),
    'names that layers cannot have': row([3], { 'a.b': each, a: square, '': each }),
    'a long name': row([3], { ['n'.repeat(500)]: each }),
    'a longer name': row([3], { ['n'.repeat(501)]: each }),
  }
  await expectOutcomes(
    hashes,
    'graph',
    Object.fromEntries(
      Object.entries(cases).map(([name, tree]) => [
        name,
        tried([() => read(tree), () => read(tree, {}, true)]),
      ]),
    ),
  )
  const depths = (count: number): Group => {
    let tree = inner
    for (let i = 0; i < count; i++) tree = row([3], { m: tree }).members.get('node') as Group
    return row([3], { m: tree })
  }
  const many = (count: number): Group =>
    row([3], Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, each])))
  await expectOutcomes(hashes, 'graph', {
    depths: tried([15, 16, 17].map((count) => () => graphOf(depths(count), 'it').version)),
    'most nodes': tried(
      [2498, 2499].map((count) => () => graphOf(many(count), 'it').graph.nodes.size),
    ),
    versions: tried(
      ['0.1', '1.0', '1.0.4', '1.9.dev+x', '2.0', '1', '1.1234567', 'x1.0', '1.0.'].map(
        (version) => () =>
          graphOf(withValue(row([3], { a: each }), ['version'], texts([version], [])), 'it')
            .version,
      ),
    ),
  })
  for (const name of ['series', 'recurrent', 'conv']) {
    const tree = await fixture(name)
    const paths = pathsOf(tree)
    await expectOutcomes(hashes, 'file', {
      [name]: () => ways.map((way) => read(tree, way)),
      [`${name} with other values`]: tried(
        paths.flatMap((path, i) =>
          values
            .filter((_, k) => k === 0 || (i + k) % 3 === 0)
            .map((value) => () => read(withValue(tree, path, value), { dt })),
        ),
      ),
    })
  }
})

/** Numbers for all parameters and statistics, none of them alike. */
const filled = (
  state: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
) =>
  Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }], k) => [
      name,
      {
        shape,
        data: data.map((_, i) => (((i + 3 * k) * 5) % 11) / 8 + (name.endsWith('var') ? 0.5 : 0.1)),
      },
    ]),
  )

test('networks as graphs', async () => {
  const out = (n: number): Module[] => [flatten(), linear(n, 2)]
  const images: Record<string, Module> = {
    conv2d: sequential(
      conv2d(2, 4, [3, 1], { stride: [1, 2], padding: [1, 0], groups: 2 }),
      lif(),
      ...out(72),
    ),
    'conv2d without bias': sequential(
      conv2d(2, 3, 3, { bias: false }),
      lif({ tau: 3 }),
      ...out(48),
    ),
    norm: sequential(
      conv2d(2, 3, 3, { bias: false }),
      batchNorm2d(3, { eps: 0.25 }),
      lif({ vThreshold: 0.5 }),
      ...out(48),
    ),
    'norm with bias': sequential(
      conv2d(2, 3, 3),
      batchNorm2d(3),
      lif({ vReset: null }),
      ...out(48),
    ),
    'norm alone': sequential(batchNorm2d(2), lif(), ...out(72)),
    'norm behind a sum': sequential(residual(conv2d(2, 2, 1)), batchNorm2d(2), lif(), ...out(72)),
    'norm of what others read': sequential(
      conv2d(2, 2, 1),
      residual(batchNorm2d(2)),
      lif(),
      ...out(72),
    ),
    pools: sequential(
      avgPool2d(2, { stride: 1, padding: 1 }),
      sumPool2d([2, 3]),
      lif(),
      ...out(16),
    ),
    adaptive: sequential(adaptiveAvgPool2d([3, 2]), lif(), ...out(12)),
    'adaptive, not even': sequential(adaptiveAvgPool2d([4, 2]), lif(), ...out(16)),
    'a maximum': sequential(maxPool2d(2), lif(), ...out(18)),
    relu: sequential(conv2d(2, 2, 1), relu(), ...out(72)),
    standardised: sequential(conv2d(2, 2, 1, { standardise: true } as never), lif(), ...out(72)),
    identity: sequential(identity(), dropout(0.5), lif(), ...out(72)),
    'scale and delay': sequential(scale(2), delay([1, 3]), lif(), ...out(72)),
    'without flatten': sequential(conv2d(2, 2, [6, 6]), lif(), linear(2, 3)),
    'recurrent images': sequential(recurrent(lif(), { allToAll: false }), ...out(72)),
    'recurrent images, all to all': sequential(recurrent(lif()), ...out(72)),
    'sums of sums': sequential(residual(residual(conv2d(2, 2, 1))), lif(), ...out(72)),
    doubled: sequential(
      residual(identity()),
      residual(identity()),
      residual(identity()),
      lif(),
      ...out(72),
    ),
    'doubled seven times': sequential(
      ...Array.from({ length: 7 }, () => residual(identity())),
      lif(),
      ...out(72),
    ),
    'nested names': sequential({
      a: sequential({ b: conv2d(2, 2, 1) }),
      n: lif(),
      out: sequential(...out(72)),
    }),
  }
  const vectors: Record<string, Module> = {
    linear: sequential(linear(4, 3, { bias: false }), lif(), linear(3, 2)),
    'linear and norm': sequential(
      linear(4, 3, { bias: false }),
      batchNorm1d(3),
      lif(),
      linear(3, 2),
    ),
    'layer norm': sequential(linear(4, 3), layerNorm([3]), lif(), linear(3, 2)),
    plif: sequential(linear(4, 3), plif(), linear(3, 2)),
    cuba: sequential(linear(4, 3), cubaLif({ tau: 3, tauSyn: 2 }), linear(3, 2)),
    'cuba, decayed': sequential(
      linear(4, 3),
      cubaLif({ tau: [3, 4, 5], tauSyn: 2, decayInput: true }),
      linear(3, 2),
    ),
    'cuba without leak': sequential(
      linear(4, 3),
      cubaLif({ tau: Number.POSITIVE_INFINITY, tauSyn: 2 }),
      linear(3, 2),
    ),
    if: sequential(linear(4, 3), integrateAndFire({ vThreshold: 2, vReset: -1 }), linear(3, 2)),
    'at the threshold': sequential(
      linear(4, 3),
      lif({ fires: 'above', vRest: 0.25, decayInput: true } as never),
      linear(3, 2),
    ),
    scaled: sequential(
      linear(4, 3),
      lif({ inputScale: [1, 2, 3], tau: [2, 3, 4] } as never),
      linear(3, 2),
    ),
    'some leak': sequential(
      linear(4, 3),
      lif({ tau: [2, Number.POSITIVE_INFINITY, 4] } as never),
      linear(3, 2),
    ),
    alif: sequential(linear(4, 3), alif(), linear(3, 2)),
    refractory: sequential(linear(4, 3), lif({ refractory: 2 } as never), linear(3, 2)),
    readout: sequential(linear(4, 3), lif(), linear(3, 2), leakyIntegrator({ tau: 3 })),
    'readout without leak': sequential(linear(4, 3), lif(), linear(3, 2), integrator()),
    recurrent: sequential(linear(4, 3), recurrent(lif()), linear(3, 2)),
    'recurrent with bias': sequential(
      linear(4, 3),
      recurrent(lif(), { bias: true } as never),
      linear(3, 2),
    ),
    'recurrent by itself': sequential(
      linear(4, 3),
      recurrent(cubaLif(), { allToAll: false }),
      linear(3, 2),
    ),
    'delay of all': sequential(delay(2), linear(4, 3), lif(), linear(3, 2)),
    'one layer': linear(4, 3),
  }
  const series: Record<string, Module> = {
    conv1d: sequential(
      conv1d(2, 4, 3, { stride: 2, padding: 1, groups: 2 }),
      lif(),
      flatten(),
      linear(12, 2),
    ),
    'conv1d and norm': sequential(conv1d(2, 3, 3), batchNorm1d(3), lif(), flatten(), linear(12, 2)),
    'scale of channels': sequential(
      scale([1, 2]),
      delay([0, 2]),
      conv1d(2, 2, 1),
      lif(),
      flatten(),
      linear(12, 2),
    ),
  }
  const times = [
    { dt: 1e-4, discretisation: 'euler' },
    { dt, discretisation: 'exact' },
  ] as const
  for (const [input, networks] of [
    [[2, 6, 6], images],
    [[4], vectors],
    [[2, 6], series],
  ] as const)
    await expectOutcomes(
      hashes,
      `written, [${input}]`,
      Object.fromEntries(
        Object.entries(networks).map(([name, network]) => [
          name,
          async () => {
            const model = await sequential(network).compile({
              input,
              timeSteps: 3,
              batchSize: 1,
              purpose: 'inference',
            } as never)
            const state = filled(model.stateDict())
            const found = times.map((time) =>
              outcomeOf(() => {
                const tree = nirTree(model.session, state, time)
                return [tree, read(tree)]
              }),
            )
            const all = await Promise.all(found)
            await model.dispose()
            return all
          },
        ]),
      ),
    )
})

test('options and time', async () => {
  const known = [
    'euler',
    'exact',
    'subtract',
    'zero',
    'stored',
    'above',
    'at',
    'step',
    'dt',
    1e-12,
    9e-13,
    1e12,
    1.1e12,
  ]
  const steps = [1, 1 + 1e-9, 1.5, 2, 3, 7.3, 100, 1e6]
  const rounded = (value: number): string => value.toPrecision(13)
  await expectOutcomes(
    hashes,
    'options',
    {
      ...Object.fromEntries(
        ['dt', 'discretisation', 'reset', 'fires', 'integration', 'other', 'more'].flatMap(
          (key) => [
            [
              key,
              withOdd(
                (value) => checkNirOptions('it', { [key]: value } as never, ['more']),
                ...known,
              ),
            ],
            [
              `save ${key}`,
              withOdd((value) => checkSaveOptions({ [key]: value } as never), ...known),
            ],
            [
              `said ${key}`,
              withOdd((value) => conventions({}, { [key]: value } as never), ...known),
            ],
            [
              `asked ${key}`,
              withOdd(
                (value) =>
                  conventions({ [key]: value } as never, { dt: 3, reset: 'zero', fires: 'at' }),
                ...known,
              ),
            ],
          ],
        ),
      ),
      'save options': withOdd((options) => checkSaveOptions(options as never)),
      file: withOdd((from) => networkFromNir(from as string), '\0', new Uint8Array(3)),
      model: withOdd((from) => loadNir(from as string), '\0', new Uint8Array(3)),
      'options of a model': withOdd((value) => loadNir(new Uint8Array(3), value as never)),
      time: () =>
        ['euler', 'exact'].flatMap((discretisation) =>
          [dt, 1e-4, 0.3].flatMap((of) => {
            const time = { dt: of, discretisation } as Parameters<typeof stepsOf>[1]
            return steps.flatMap((n) => [
              rounded(secondsOf(n, time)),
              rounded(stepsOf(n * of, time)),
              stepsOf(secondsOf(n, time), time) === n,
            ])
          }),
        ),
    },
    process.cwd(),
  )
})

test('tables.json holds these alone', () => hashes.finish())

test.run()
