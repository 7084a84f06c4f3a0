/** NIR: hashes of what graphs become, of what networks become, and of what is refused. */

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
  batchNorm2d,
  conv2d,
  cubaLif,
  flatten,
  identity,
  lif,
  linear,
  loadNir,
  type Module,
  networkFromNir,
  recurrent,
  residual,
  sequential,
} from '../../src/index.js'
import { networkOf } from '../../src/model/nir/network.js'
import { graphToJson } from '../../src/network/json.js'
import { trace } from '../../src/network/trace.js'
import {
  each,
  expectOutcomes,
  lists,
  optionsWithOdd,
  outcomeOf,
  withOdd,
} from '../support/hashed-tables.js'
import { Hashes } from '../support/hashes.js'
import { netOf } from '../support/net.js'
import { type Fields, fileOf, fixture, list, node, sizeOf, whole, word } from './trees.js'

const hashes = new Hashes('nir/tables.json')
const dt = 2 ** -10

/** A network of a graph, with its weights. */
function read(tree: Group, options: NirOptions = {}, keepBias = false): unknown {
  const { network, state, ...rest } = networkOf(graphOf(tree, 'it'), options, keepBias, 'it')
  return [graphToJson(trace(network, rest.input)), state, rest]
}

const one = (value: number): Tree => numbers(Float64Array.of(value), [])
const array = (...shape: number[]): Tree =>
  numbers(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i % 7) - 2.5),
    shape,
  )
const arrays = (sizes: string): Tree[] => lists(sizes).map((shape) => array(...shape))

/** A graph of nodes in a row. */
const row = (
  input: readonly number[],
  nodes: Readonly<Record<string, Group>>,
  output?: Tree,
): Group =>
  fileOf([
    ['input', node('Input', { shape: whole(...input) })],
    ...Object.entries(nodes),
    ['output', node('Output', output && { shape: output })],
  ])

/** Each kind of node with what it takes. */
const kind = (type: string, input: readonly number[], fields: Fields) => ({ type, input, fields })
const kinds = {
  affine: kind('Affine', [4], { weight: array(3, 4), bias: list(0, 1, 0) }),
  'affine without bias': kind('Affine', [4, 1, 1], { weight: array(1, 3, 4), bias: list(0, 0, 0) }),
  linear: kind('Linear', [4], { weight: array(3, 4) }),
  'linear on a row': kind('Linear', [1, 4], { weight: array(3, 4) }),
  scale: kind('Scale', [2, 3, 3], { scale: list(1, 2) }),
  conv1d: kind('Conv1d', [2, 9], {
    input_shape: whole(9),
    weight: array(4, 1, 3),
    stride: whole(2),
    padding: whole(1),
    dilation: whole(1),
    groups: whole(2),
    bias: list(1, 2, 3, 4),
  }),
  conv2d: kind('Conv2d', [2, 5, 6], {
    input_shape: whole(5, 6),
    weight: array(4, 2, 3, 1),
    stride: whole(2, 1),
    padding: whole(1, 0),
    dilation: whole(1, 1),
    groups: whole(1),
    bias: list(0, 0, 0, 0),
  }),
  'conv2d, same': kind('Conv2d', [2, 5, 6], {
    weight: array(2, 1, 3, 5),
    padding: word('same'),
    groups: whole(2),
  }),
  'conv2d, valid': kind('Conv2d', [2, 5, 6], { weight: array(2, 2, 2, 2), padding: word('valid') }),
  sum: kind('SumPool2d', [2, 5, 6], {
    kernel_size: whole(2, 3),
    stride: whole(1, 2),
    padding: whole(1, 1),
  }),
  average: kind('AvgPool2d', [2, 5, 6], { kernel_size: whole(2), stride: whole(2) }),
  flatten: kind('Flatten', [2, 3, 3], {
    start_dim: whole(0),
    end_dim: whole(-1),
    input_type: whole(2, 3, 3),
  }),
  'flatten from 1': kind('Flatten', [2, 3, 3], {
    start_dim: whole(1),
    end_dim: whole(-1),
    input_type: whole(1, 2, 3, 3),
  }),
  delay: kind('Delay', [3], { delay: list(dt, 0, 3 * dt) }),
  lif: kind('LIF', [3], {
    tau: list(4 * dt, 2 * dt, 3 * dt),
    r: list(1, 2, 3),
    v_leak: list(0, 0.1, 0),
    v_threshold: list(1, 2, 1),
    v_reset: list(0, 0.5, 0),
  }),
  'lif of channels': kind('LIF', [2, 3, 3], {
    tau: numbers(Float32Array.of(4 * dt, 2 * dt), [2, 1, 1]),
    r: list(4),
    v_leak: one(0),
    v_threshold: one(1),
  }),
  if: kind('IF', [3], { r: list(1, 1, 1), v_threshold: list(1, 1, 1), v_reset: list(0, 0, 0) }),
  cubalif: kind('CubaLIF', [3], {
    tau_mem: one(4 * dt),
    tau_syn: one(2 * dt),
    r: one(4),
    v_leak: one(0.2),
    v_threshold: one(1),
    w_in: one(2),
    v_reset: one(-1),
  }),
  li: kind('LI', [3], { tau: one(4 * dt), r: list(1, 2, 3), v_leak: one(0.5) }),
  cubali: kind('CubaLI', [3], {
    tau_mem: one(4 * dt),
    tau_syn: one(2 * dt),
    r: one(1),
    v_leak: one(0),
  }),
  i: kind('I', [3], { r: list(1, 2, 3) }),
  threshold: kind('Threshold', [3], { threshold: list(1, 2, 3) }),
  other: kind('Other', [3], {}),
  graph: kind('NIRGraph', [3], {}),
}

/** What may stand in a field by mistake, or hardly. */
const values: readonly (Tree | undefined)[] = [
  undefined,
  ...[-1, 0, 0.5, 1, dt, dt / 2, 1.5 * dt, 2, 3, NaN, Infinity, 1e39, 1e-46, 1e300].map(one),
  list(),
  list(1),
  list(2, 1),
  list(0, 0),
  list(1, 2, 3),
  list(0, 0, 0),
  list(4 * dt, 2 * dt, dt),
  whole(5, 6),
  list(1, 2, 3, 4),
  ...arrays('3x4 2x3x3 1x3x3 2x1x1 1x2 1x3 1x1x3 3x1 2x2x2x2 1x4x2x3x1 4x2x2 0x4'),
  whole(1, 1, 3, 3),
  whole(-3),
  whole(-1),
  word('same'),
  word('other'),
  texts(['a', 'b']),
  group([]),
  { kind: 'other' as const, what: 'a link' },
  numbers(Uint8Array.of(2), []),
]

const ways: readonly NirOptions[] = [
  { dt },
  { dt, discretisation: 'exact' },
  { dt, reset: 'zero' },
  { dt, reset: 'subtract' },
  { dt, reset: 'stored' },
  { dt, fires: 'at' },
  { dt, integration: 'dt' },
  {},
]

test('every kind of node, by every option', async () => {
  for (const [name, { type, input, fields }] of Object.entries(kinds)) {
    const noted = (reset: string, fires: string): Group =>
      node(type, {
        ...fields,
        metadata: group([
          ['reset', word(reset)],
          ['fires', word(fires)],
        ]),
      })
    const graphs = [
      node(type, fields),
      noted('zero', 'at'),
      noted('stored', 'above'),
      noted('other', 'other'),
      noted('subtract', 'at'),
    ].map((of) => row(input, { n: of }))
    await expectOutcomes(hashes, 'node', {
      [name]: each(
        graphs.flatMap((tree) =>
          ways.flatMap((way) => [false, true].map((keep) => () => read(tree, way, keep))),
        ),
      ),
      [`${name} of other sizes`]: each(
        [[3], [4], [2, 9], [2, 3, 3], [1, 4], [4, 1], [1, 1, 4]].map(
          (sizes) => () => read(row(sizes, { n: node(type, fields) }), { dt }),
        ),
      ),
    })
  }
})

test('every field of every kind of node, with other values', async () => {
  for (const [name, { type, input, fields }] of Object.entries(kinds))
    for (const key of [...Object.keys(fields), 'type'])
      await expectOutcomes(hashes, `node ${name}`, {
        [key]: each(
          values.map((value) => () => {
            const { [key]: _, ...others } = fields
            const of = node(type, value === undefined ? others : { ...others, [key]: value })
            return read(row(input, { n: of }), { dt })
          }),
        ),
      })
})

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

/** A graph with other edges: 'input a, a output'. */
function wired(edges: string, nodes: Readonly<Record<string, Group>>): Group {
  const names = edges.split(/,? /).filter((name) => name !== '')
  return withValue(row([3], nodes), ['node', 'edges'], texts(names, [names.length / 2, 2]))
}

test('graphs: edges, graphs within graphs, and files with another value at each place', async () => {
  const { type, fields } = kinds.lif
  const lifNode = node(type, fields)
  const square = node('Linear', { weight: array(3, 3) })
  const affine = node('Affine', { weight: array(3, 3), bias: list(1, 2, 3) })
  const scaled = node('Scale', { scale: list(1, 2, 3) })
  const inner = withValue(row([3], { m: lifNode }), ['version'], undefined).members.get(
    'node',
  ) as Group
  const passing = row([3], {}).members.get('node') as Group
  const back = (way: Group): Group => wired('input a, a b, b a, a output', { a: lifNode, b: way })
  const cases: Record<string, Group> = {
    'back through a matrix': back(square),
    'back with a bias': back(affine),
    'back by itself': back(scaled),
    'back through a neuron': back(lifNode),
    'back through a graph': back(inner),
    'back to itself': wired('input a, a a, a output', { a: lifNode }),
    'back to a matrix': wired('input a, a a, a output', { a: square }),
    'two ways': wired('input a, input b, a output, b output', { a: scaled, b: square }),
    'one way twice': wired('input a, input a, a output', { a: scaled }),
    'no way': wired('input a, b output', { a: scaled, b: scaled }),
    'no way out': wired('input a, input b, a output', { a: scaled, b: scaled }),
    'no edges': wired('', { a: scaled }),
    'a graph': row([3], { a: inner, b: scaled, c: inner }),
    'a graph that passes on': row([3], { a: passing, b: scaled }),
    'into the input': wired('input a, a input, a output', { a: scaled }),
    'out of the output': wired('input a, a output, output a', { a: scaled }),
    'two inputs': wired('input a, i a, a output', {
      a: scaled,
      i: node('Input', { shape: whole(3) }),
    }),
    'two outputs': wired('input a, a o, a output', { a: scaled, o: node('Output', {}) }),
    'another shape of the output': row([3], { a: scaled }, whole(4)),
    'the shape of the output': row([3], { a: scaled }, whole(3, 1)),
    'names that layers cannot have': row([3], { 'a.b': scaled, a: square, '': scaled }),
    'a long name': row([3], { ['n'.repeat(500)]: scaled }),
    'a longer name': row([3], { ['n'.repeat(501)]: scaled }),
  }
  await expectOutcomes(
    hashes,
    'graph',
    Object.fromEntries(
      Object.entries(cases).map(([name, tree]) => [
        name,
        each([() => read(tree), () => read(tree, {}, true)]),
      ]),
    ),
  )
  const depths = (count: number): Group => {
    let tree = inner
    for (let i = 0; i < count; i++) tree = row([3], { m: tree }).members.get('node') as Group
    return row([3], { m: tree })
  }
  const many = (count: number): Group =>
    row([3], Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, scaled])))
  await expectOutcomes(hashes, 'graph', {
    depths: each([15, 16, 17].map((count) => () => graphOf(depths(count), 'it').version)),
    'most nodes': each(
      [2498, 2499].map((count) => () => graphOf(many(count), 'it').graph.nodes.size),
    ),
    versions: each(
      ['0.1', '1.0', '1.0.4', '1.9.dev+x', '2.0', '1', '1.1234567', 'x1.0', '1.0.'].map(
        (version) => () =>
          graphOf(withValue(row([3], { a: scaled }), ['version'], word(version)), 'it').version,
      ),
    ),
  })
  for (const name of ['series', 'recurrent', 'conv']) {
    const tree = await readHdf5(await fixture(name), name)
    const paths = pathsOf(tree)
    await expectOutcomes(hashes, 'file', {
      [name]: () => ways.map((way) => read(tree, way)),
      [`${name} with other values`]: each(
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

/** Layers that a text of a network cannot say. */
const own = {
  sum: (channels: number) => residual(conv2d(channels, channels, 1)),
  sums: (channels: number) => residual(residual(conv2d(channels, channels, 1))),
  normed: (channels: number) => residual(batchNorm2d(channels)),
  doubled: () => residual(identity()),
  itself: () => recurrent(lif(), { allToAll: false }),
  hears: () => recurrent(lif()),
  hearsBias: () => recurrent(lif(), { bias: true } as never),
  cubaItself: () => recurrent(cubaLif(), { allToAll: false }),
  leakless: () => cubaLif({ tau: Number.POSITIVE_INFINITY, tauSyn: 2 }),
  someLeak: () => lif({ tau: [2, Number.POSITIVE_INFINITY, 4] } as never),
}

test('networks as graphs', async () => {
  const images: Record<string, string | Module> = {
    conv2d: 'conv 4 3x1 stride=1x2 padding=1x0 groups=2, lif, flatten, linear 2',
    'conv2d without bias': 'conv 3 3 bias=false, lif tau=3, flatten, linear 2',
    norm: 'conv 3 3 bias=false, norm eps=0.25, lif vThreshold=0.5, flatten, linear 2',
    'norm with bias': 'conv 3 3, norm, lif vReset=null, flatten, linear 2',
    'norm alone': 'norm, lif, flatten, linear 2',
    'norm behind a sum': 'sum, norm, lif, flatten, linear 2',
    'norm of what others read': 'conv 2 1, normed, lif, flatten, linear 2',
    pools: 'avgPool2d 2 stride=1 padding=1, sumPool2d 2x3, lif, flatten, linear 2',
    adaptive: 'adaptiveAvgPool2d 3x2, lif, flatten, linear 2',
    'adaptive, not even': 'adaptiveAvgPool2d 4x2, lif, flatten, linear 2',
    'a maximum': 'maxPool2d 2, lif, flatten, linear 2',
    relu: 'conv 2 1, relu, lif, flatten, linear 2',
    standardised: 'conv 2 1 standardise=true, lif, flatten, linear 2',
    identity: 'identity, dropout 0.5, lif, flatten, linear 2',
    'scale and delay': 'scale 2, delay 1x3, lif, flatten, linear 2',
    'without flatten': 'conv 2 6, lif, linear 3',
    'recurrent images': 'itself, flatten, linear 2',
    'recurrent images, all to all': 'hears, flatten, linear 2',
    'sums of sums': 'sums, lif, flatten, linear 2',
    doubled: 'doubled, doubled, doubled, lif, flatten, linear 2',
    'doubled seven times': `${'doubled, '.repeat(7)}lif, flatten, linear 2`,
    'nested names': sequential({
      a: sequential({ b: conv2d(2, 2, 1) }),
      n: lif(),
      out: sequential(flatten(), linear(72, 2)),
    }),
  }
  const vectors: Record<string, string | Module> = {
    linear: 'linear 3 bias=false, lif, linear 2',
    'linear and norm': 'linear 3 bias=false, norm, lif, linear 2',
    'layer norm': 'linear 3, layerNorm 3, lif, linear 2',
    plif: 'linear 3, plif, linear 2',
    cuba: 'linear 3, cubaLif tau=3 tauSyn=2, linear 2',
    'cuba, decayed': 'linear 3, cubaLif tau=3x4x5 tauSyn=2 decayInput=true, linear 2',
    'cuba without leak': 'linear 3, leakless, linear 2',
    if: 'linear 3, integrateAndFire vThreshold=2 vReset=-1, linear 2',
    'at the threshold': 'linear 3, lif fires=above vRest=0.25 decayInput=true, linear 2',
    scaled: 'linear 3, lif inputScale=1x2x3 tau=2x3x4, linear 2',
    'some leak': 'linear 3, someLeak, linear 2',
    alif: 'linear 3, alif, linear 2',
    refractory: 'linear 3, lif refractory=2, linear 2',
    readout: 'linear 3, lif, linear 2, leakyIntegrator tau=3',
    'readout without leak': 'linear 3, lif, linear 2, integrator',
    recurrent: 'linear 3, hears, linear 2',
    'recurrent with bias': 'linear 3, hearsBias, linear 2',
    'recurrent by itself': 'linear 3, cubaItself, linear 2',
    'delay of all': 'delay 2, linear 3, lif, linear 2',
    'one layer': linear(4, 3),
  }
  const series: Record<string, string | Module> = {
    conv1d: 'conv 4 3 stride=2 padding=1 groups=2, lif, flatten, linear 2',
    'conv1d and norm': 'conv 3 3, norm, lif, flatten, linear 2',
    'scale of channels': 'scale 1x2, delay 0x2, conv 2 1, lif, flatten, linear 2',
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
            const of = typeof network === 'string' ? netOf(input, network, own) : network
            const model = await sequential(of).compile({
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
  const keys = ['dt', 'discretisation', 'reset', 'fires', 'integration', 'other', 'more']
  const others = { dt: 3, reset: 'zero', fires: 'at' }
  for (const [name, call] of Object.entries({
    options: (given: object) => checkNirOptions('it', given, ['more']),
    save: (given: object) => checkSaveOptions(given),
    said: (given: object) => conventions({}, given as never),
    asked: (given: object) => conventions(given, others),
  }))
    await expectOutcomes(hashes, name, optionsWithOdd(keys, call, known))
  const steps = [1, 1 + 1e-9, 1.5, 2, 3, 7.3, 100, 1e6]
  const rounded = (value: number): string => value.toPrecision(13)
  const calls = {
    'save options': withOdd((options) => checkSaveOptions(options as never)),
    file: withOdd((from) => networkFromNir(from as string), '\0', new Uint8Array(3)),
    model: withOdd((from) => loadNir(from as string), '\0', new Uint8Array(3)),
    'options of a model': withOdd((value) => loadNir(new Uint8Array(3), value as never)),
    time: () =>
      (['euler', 'exact'] as const).flatMap((discretisation) =>
        [dt, 1e-4, 0.3].flatMap((dt) => {
          const time = { dt, discretisation }
          return steps.flatMap((n) => [
            rounded(secondsOf(n, time)),
            rounded(stepsOf(n * dt, time)),
            stepsOf(secondsOf(n, time), time) === n,
          ])
        }),
      ),
  }
  await expectOutcomes(hashes, 'options', calls, process.cwd())
})

test('tables.json holds these alone', () => hashes.finish())

test.run()
