/**
 * What each kind of layer gives for inputs of all ranks, its parameters and where they start, how
 * blocks are wired, and what of a network's JSON is refused, against shapes.txt.
 */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { compositeOf, graphToJson, type NetworkJson } from '../../src/network/json.js'
import {
  fires,
  type Initial,
  initialValues,
  kindOf,
  labelOf,
  layerKinds,
} from '../../src/network/kind.js'
import { type Graph, readersOf, sourceOf, trace } from '../../src/network/trace.js'
import type { InputShape, Value } from '../../src/network/value.js'
import { matmul, mul } from '../../src/nn/layers/attention.js'
import { parameter } from '../../src/nn/layers/parameter.js'
import { test } from '../support/models.js'
import {
  compareLines,
  type Line,
  lineOf,
  outcomeOf,
  plainLine,
  textOf,
  values,
} from '../support/outcomes.js'

const { block, conv2d, flatten, identity, lif, linear, recurrent, relu, sequential } = api
const lines: Line[] = []

const leaky = 'u = u*(1 - 1/tau) + x; spike = u >= 1; u = u - spike'
const layers: readonly api.Module[] = [
  api.adaptiveAvgPool1d(2),
  api.adaptiveAvgPool2d([2, 3]),
  api.avgPool1d(2),
  api.avgPool2d(2),
  api.avgPool1d(3, { stride: 2, padding: 1 }),
  api.avgPool2d([3, 2], { padding: [1, 0] }),
  api.batchNorm1d(4),
  api.batchNorm2d(4),
  api.conv1d(4, 3, 3),
  conv2d(4, 3, 3),
  api.conv1d(4, 6, 2, { groups: 2, stride: 2, padding: 1, standardise: true, bias: false }),
  conv2d(4, 6, [1, 2], { groups: 2, stride: [2, 1], padding: 1, standardise: true }),
  conv2d(4, 2, 5, { init: { normal: 2, bias: 'default' }, padding: 1 }),
  api.conv1d(4, 3, 3, { dilation: 2, padding: 1 }),
  conv2d(4, 3, 2, { dilation: [3, 1], stride: 2 }),
  api.convTranspose1d(4, 6, 3, { stride: 2, padding: 3, groups: 2, outputPadding: 1 }),
  api.convTranspose2d(4, 6, [1, 2], { stride: [2, 1], dilation: 3, bias: false }),
  api.convTranspose2d(4, 2, 2, { padding: 2, init: { normal: 2 } }),
  api.upsample({ scale: 1.5 }),
  api.upsample({ scale: [0.25, 2], mode: 'bilinear' }),
  api.upsample({ size: 3, mode: 'linear', alignCorners: true }),
  api.upsample({ size: [3, 5] }),
  linear(4, 3),
  linear(24, 2, { init: { normal: 0.5 }, standardise: true }),
  linear(40, 2),
  api.delay(2),
  api.delay([0, 1, 2, 3]),
  api.delay([0, 1, 2.5, 3], { maxDelay: 3, interpolation: 'gauss' }),
  api.dcls1d(4, 3, { maxDelay: 2 }),
  api.dcls1d(24, 2, { maxDelay: 5, kernelCount: 2, interpolation: 'gauss', bias: false }),
  api.dropout(0.5),
  flatten(),
  identity(),
  relu(),
  api.groupNorm(2, 4),
  api.groupNorm(4, 4, { affine: false }),
  api.layerNorm([4]),
  api.layerNorm([4, 5, 2]),
  api.layerNorm([5, 2]),
  api.layerNorm([2]),
  api.layerNorm([6]),
  api.layerNorm([4, 6]),
  api.layerNorm(24),
  api.maxPool1d(2),
  api.maxPool2d(2),
  api.sumPool1d(2),
  api.sumPool2d(2),
  api.scale(2),
  api.scale([1, 2, 3, 4]),
  api.timeMean(),
  api.scale(Array(24).fill(2)),
  api.stabilizedLif({ vThreshold: 2 }),
  lif(),
  api.plif(),
  api.integrateAndFire(),
  lif({ tau: [2, 3, 4, 5], learn: ['tau'] }),
  api.integrator(),
  api.alif({ learn: ['tau', 'vThreshold', 'beta', 'tauAdaptation'], beta: Array(24).fill(0.5) }),
  api.cubaLif({ tauSyn: [3, 3, 3, 3], learn: ['tauSyn'] }),
  api.leakyIntegrator(),
  recurrent(lif()),
  recurrent(api.cubaLif(), { bias: false, init: { normal: 1 } }),
  recurrent(lif(), { allToAll: false }),
  recurrent(lif(), { init: { normal: 1, bias: 'default' } }),
  recurrent(lif(), { init: { normal: 2 } }),
  recurrent(lif(), { allToAll: false, init: { normal: 3 } }),
  api.neuron(leaky, { tau: 2 }),
  api.neuron('output = k*x', { k: Array(24).fill(2) }),
  api.neuron(`tau > 1; ${leaky}`, { tau: [2, 3, 4, 5] }, { learn: ['tau'] }),
  recurrent(api.neuron(leaky, { tau: Array(24).fill(2) }, { learn: ['tau'] })),
  api.elementwise('x * sigmoid(beta*x)', { beta: 1 }, { learn: ['beta'] }),
  mul(),
  matmul(),
  api.softmax(),
  api.softmax(2),
  api.softmax(-3),
  api.slice(1),
  api.slice(-2, undefined, -1),
  api.slice(1, -1, 2),
  api.slice(4, 1000),
  api.permute([1]),
  api.permute([2, -2]),
  api.permute([3, 1, 2]),
  api.permute([1, 1, 2]),
  api.expand([-1, 6]),
  api.expand([4, 3, -1]),
  parameter('parameter', { shape: [4, 3] }),
  api.reshape([-1]),
  api.reshape([24]),
  api.reshape([4, -1]),
  api.reshape([2, 3, 4]),
]

const inputs: readonly InputShape[] = [
  [4],
  [24],
  [4, 6],
  [5, 6],
  [4, 1],
  [4, 5, 2],
  [4, 1, 6],
  [2, 3, 4],
]
const befores: readonly (readonly [
  string,
  (layer: api.Module) => api.Module,
  readonly InputShape[],
])[] = [
  ['', (layer) => sequential(layer), inputs],
  [
    'flatten, ',
    (layer) => sequential(flatten(), layer),
    [
      [4, 6],
      [2, 1, 2],
    ],
  ],
]

/** Shapes, parameters and statistics of a graph's last node. */
function lastOf(graph: Graph): string {
  const { layer, shape, flat, name } = graph.nodes[graph.output]
  const kind = layer && kindOf(layer)
  const input = sourceOf(graph, graph.nodes[graph.output]).shape
  const { parameters, statistics } = kind ?? {}
  return textOf([
    shape,
    flat,
    name,
    parameters?.(layer as never, input),
    statistics?.(layer as never, input),
    layer && labelOf({ kind: layer.kind, layer }),
    fires(layer),
    kind?.random,
    kind?.model && 'neurons',
  ])
}

test('layers on inputs of all ranks', () => {
  assert.equal(
    layerKinds.filter((kind) => !layers.some((layer) => layer.kind === kind)),
    [],
    'every kind of layer is here',
  )
  for (const layer of layers)
    for (const [before, network, of] of befores)
      lines.push(
        lineOf(
          `${before}${textOf(layer)}`,
          of.map((input) => [input, outcomeOf(() => lastOf(trace(network(layer), input)))]),
        ),
      )
  const odd = values.map((value): [unknown, string] => [
    value,
    outcomeOf(() => trace(identity(), value as InputShape).nodes),
  ])
  lines.push(lineOf('inputs', odd))
})

test('where parameters start', () => {
  const layout = { shape: [3, 2] }
  const initials: Initial[] = [2, { normal: 0.5 }, { uniform: 3 }, { values: [1, 2, 3, 4, 5, 6] }]
  for (const initial of initials) {
    const start = (...more: [number, number]) => initialValues({ initial, layout }, ...more)
    const part = initialValues({ initial, layout }, 7, 3, new Float32Array(2), 3)
    assert.equal([...part], [...start(7, 3)].slice(3, 5), 'a part is a part')
    const all = [start(0, 0), start(7, 3), start(2 ** 32 - 1, 1)].flatMap((of) => [...of])
    lines.push(plainLine(`${textOf(initial)}: ${all.map((x) => x.toPrecision(5)).join(' ')}`))
  }
})

type Forward = api.Composite['forward']
const image = { a: conv2d(2, 3, 1), b: conv2d(2, 3, 1), c: conv2d(2, 4, 1), f: flatten(), d: lif() }
const wirings: readonly Forward[] = [
  ...([(m) => m.a, (_, x) => x, (m) => m.a(m.b as never), (m, x) => m.d(m.d(x))] as Forward[]),
  ...([(m, x) => m.a(m.a(x)), () => undefined, () => ({}), () => [1]] as Forward[]),
  (m, x, { add }) => add(m.a(x), m.b(x)),
  (m, x, { add }) => add(m.a(x), m.b(x), m.d(m.a(x))),
  (m, x, { add }) => add(m.d(m.a(x)), m.b(x), m.b(x)),
  (m, x, { add }) => add(m.a(x), m.c(x)),
  (m, x, { add }) => add(m.a(x)),
  (m, x, { add }) => add([m.a(x), m.b(x)] as never),
  (m, x, { add }) => add(m.a(x), 1 as never),
  (m, x, { add }) => add(m.f(x), x),
  (_, x, { add }) => add(...Array<Value>(1000).fill(x)),
  (_, x, { add }) => add(...Array<Value>(1001).fill(x)),
  (m, x, { concat }) => concat(m.a(x), m.c(x)),
  (m, x, { concat }) => concat([m.a(x), m.c(x), x]),
  (m, x, { concat }) => concat([m.a(x)] as never, x),
  (m, x, { concat }) => concat([m.a(x)]),
  (m, x, { concat }) => concat(m.f(x), m.f(m.a(x))),
  (m, x, { concat }) => concat(m.f(x), x),
  (m, x, { concat }) => concat(m.a(x), null as never),
  (m, x, { mul }) => mul(m.a(x), m.b(x)),
  (m, x, { mul, slice }) => mul(m.a(x), slice(x, 0, 1)),
  (m, x, { mul }) => mul(m.a(x), m.c(x)),
  (m, x, { mul }) => mul(m.a(x), m.f(x)),
  (m, x, { mul, slice }) => mul(m.f(m.a(x)), slice(m.f(x), 1, 2)),
  (m, x, { mul }) => mul(m.a(x), 2 as never),
  (m, x, { mul }) => mul(...([m.a(x)] as unknown as [Value, Value])),
  (_, x, { matmul, reshape }) =>
    matmul(reshape(x, [4, -1]), reshape(x, [4, -1]), { transposeA: true }),
  (_, x, { matmul, reshape }) => matmul(reshape(x, [4, -1]), reshape(x, [-1, 4]), { heads: 2 }),
  (_, x, { matmul, reshape }) => matmul(reshape(x, [4, -1]), reshape(x, [4, -1])),
  (_, x, { matmul, reshape }) => matmul(reshape(x, [4, -1]), reshape(x, [-1, 4]), { heads: 3 }),
  (_, x, { matmul }) => matmul(x, x, { heads: 0 }),
  (_, x, { matmul }) => matmul(x, x, { transpose: true } as never),
  (_, x, { matmul }) => matmul(x, x),
  (m, x, { matmul }) => matmul(m.f(x), m.f(x)),
  (_, x, { softmax }) => softmax(softmax(x), 1),
  (_, x, { softmax }) => softmax(x, 0),
  (m, x, { softmax }) => softmax(m.f(x)),
  (_, x, { transpose }) => transpose(transpose(x), 1, 2),
  (_, x, { transpose }) => transpose(x, 7, 9),
  (_, x, { transpose }) => transpose(x, 1),
  (_, __, { transpose }) => transpose('x' as never),
  (_, x, { permute }) => permute(x, [3, 1, 2]),
  (_, x, { permute }) => permute(x, [1, 2]),
  (m, x, { add, slice }) => add(m.a(x), slice(m.a(x), 0, 1), slice(m.a(x), 1, 2, 3)),
  (m, x, { add, slice }) => add(slice(slice(m.f(x), 0, 1), 0), m.a(x), m.a(x)),
  (m, x, { add, slice }) => add(slice(m.f(x), 0, 1), slice(m.f(x), 0, 1)),
  (m, x, { add, slice, reshape }) => add(reshape(slice(m.f(x), 0, 1), [1, 1]), slice(m.f(x), 1, 2)),
  (_, x, { expand }) => expand(x, [-1, 3, -1]),
  (_, x, { expand, slice }) => expand(slice(x, 0, 1), [5, -1, -1]),
  (_, x, { expand, reshape }) => expand(reshape(x, [24, 1]), [-1, 7]),
  (_, x, { elementwise }) => elementwise('x*a', x, { a: 2 }),
  (_, x, { elementwise }) => elementwise('x*a', x),
  (m, x, { mul, slice }) => mul(slice(m.f(x), 0, 1), m.a(x)),
  (m, x, { matmul, reshape }) => matmul(reshape(x, [-1, 24]), m.f(x)),
  (_, x, { slice }) => slice(x, 2),
  (m, x, { slice }) => slice(slice(m.f(x), 1, -1), 4),
  (_, x, { reshape }) => reshape(x, [7]),
  (_, x, { add, permute, reshape }) => {
    const matrix = reshape(x, [4, -1])
    return permute(add(matrix, matrix), [0, 2, 1])
  },
  (m, x) => ({ first: m.a(x), output: m.d(m.b(x)) }),
  (m, x) => ({ first: m.a(x), second: m.d(x), output: m.d(m.b(x)) }),
  (m, x) => ({ output: m.a(x) }),
  (_, x) => ({ first: x, output: x }),
  (m, x) => ({ '': m.a(x), output: m.b(x) }),
  (m, x) => ({ 1: m.a(x), output: m.b(x) }),
  (m, x) => ({ '1a': m.a(x), output: m.b(x) }),
  (m, x) => ({ first: m.c(x), output: m.b(x) }),
  (m, x) => ({ first: m.f(x), output: m.b(x) }),
  (m, x) => ({ first: m.a(x), output: 1 }) as never,
]

const networks: readonly (() => api.Module)[] = [
  () => lif as never,
  () => [lif()] as never,
  () => ({ kind: 'x' }) as never,
  () => ({ kind: 'block', children: {} }) as never,
  () => ({ kind: 'block', forward: () => 1 }) as never,
  () => 3 as never,
  () => sequential(),
  () => sequential({ a: lif(), 'b.c': lif() }),
  () => sequential({ '': lif() }),
  () => sequential(Object.fromEntries([['__proto__', lif()]])),
  () => sequential({ a: lif(), b: sequential(relu(), lif()) }),
  () => sequential(lif(), 1 as never),
  () => sequential({ a: lif() } as never, lif()),
  () => api.residual(lif()),
  () => api.residual(lif(), relu()),
  () => api.residual(sequential(lif()), 1 as never),
  () => block(null as never, () => 1 as never),
  () => block({ a: lif() }, 1 as never),
  () =>
    block({ inner: block({ a: relu() }, (m, x) => ({ a: m.a(x), b: x })) }, (m, x) => m.inner(x)),
  () => block({ inner: block({ a: relu() }, () => 1 as never) }, (m, x) => m.inner(x)),
  () => sequential(...Array.from({ length: 2499 }, () => relu())),
  () => sequential(...Array.from({ length: 2500 }, () => relu())),
  () => sequential(...Array.from({ length: 2501 }, () => relu())),
  () =>
    block(Object.fromEntries(Array.from({ length: 9999 }, (_, i) => [`a${i}`, relu()])), (m, x) =>
      m.a1(x),
    ),
  () =>
    block(Object.fromEntries(Array.from({ length: 10000 }, (_, i) => [`a${i}`, relu()])), (m, x) =>
      m.a1(x),
    ),
  () => sequential({ ['a'.repeat(1000)]: relu() }),
  () => sequential({ ['a'.repeat(1001)]: relu() }),
  () => {
    const shared = conv2d(2, 2, 1)
    return sequential(shared, shared)
  },
]

/** A graph as JSON, without what is the same in each of very many nodes; its readers. */
const graphText = (graph: Graph): string => {
  const { nodes, ...rest } = graphToJson(graph)
  const readers = graph.nodes.map((_, i) =>
    readersOf(graph, i)
      .map(({ index }) => index)
      .join('+'),
  )
  const shapes = graph.nodes.map(({ shape, flat }) => `${shape.join('×')}${flat ? ' flat' : ''}`)
  const kinds = nodes.map(({ kind, name, inputs }) => `${kind} ${name} ${inputs.join('+')}`)
  const all = textOf([kinds, rest, readers, shapes])
  return all.length > 2000 ? `${nodes.length} nodes, ${all.length}` : all
}

test('how blocks are wired', () => {
  const all = [...wirings.map((wiring) => () => block(image, wiring)), ...networks]
  for (const [i, network] of all.entries())
    lines.push(
      plainLine(`${i}: ${outcomeOf(() => graphText(trace(network(), [2, 3, 4])), String)}`),
    )
})

/** A copy of plain data with another value at a path; `undefined` takes it out. */
function withValue(
  of: unknown,
  [key, ...path]: readonly (string | number)[],
  value: unknown,
): unknown {
  if (key === undefined) return value
  const copy = (Array.isArray(of) ? [...of] : { ...(of as object) }) as Record<string, unknown>
  copy[key] = withValue(copy[key], path, value)
  return copy
}
function* pathsOf(of: unknown, path: readonly (string | number)[] = []): Generator<typeof path> {
  yield path
  if (typeof of === 'object' && of !== null)
    for (const [key, member] of Object.entries(of)) yield* pathsOf(member, [...path, key])
}

test('networks from JSON', () => {
  const body = block(
    { a: conv2d(4, 4, 1), n: lif({ tau: Number.POSITIVE_INFINITY }) },
    (m, x, { add, concat }) => {
      const y = m.n(m.a(x))
      return { early: concat(x, y), output: concat(add(x, y), y) }
    },
  )
  const json = graphToJson(trace(body, [4, 5, 2]))
  const back = (of: unknown): Graph => trace(compositeOf(of, 'file'), [4, 5, 2])
  assert.equal(graphToJson(back(json)), json)
  for (const layer of layers)
    for (const input of inputs) {
      const graph = outcomeOf(() => textOf(graphToJson(trace(sequential(layer), input))), String)
      if (graph.startsWith('!')) continue
      const again = trace(compositeOf(JSON.parse(graph), 'file'), input)
      assert.equal(textOf(graphToJson(again)), graph)
    }
  const odd = [
    ...values,
    [
      ['a', 1],
      ['b', 5],
    ],
    [['b', 5]],
    [
      ['a', 6],
      ['b', 5],
    ],
    'add',
    'concat',
    'relu',
    'a',
  ]
  for (const path of pathsOf(json))
    lines.push(
      lineOf(
        `JSON ${path.join('.')}`,
        [...odd, undefined].map((value) => [
          value,
          outcomeOf(() => graphText(back(withValue(json, path, value)))),
        ]),
      ),
    )
  const many = (length: number): NetworkJson => {
    const nodes = Array.from({ length }, (_, i) => ({ kind: 'relu', name: `${i}`, inputs: [i] }))
    return { version: 1, nodes, output: length }
  }
  const names = [1000, 1001].map((length) => {
    const name = 'a'.repeat(length)
    return { version: 1, nodes: [{ kind: 'relu', name, inputs: [0] }], output: 1 }
  })
  for (const of of [many(0), many(2500), many(2501), ...names])
    lines.push(plainLine(outcomeOf(() => graphText(back(of)), String)))
})

test('shapes.txt', () => compareLines('network/shapes.txt', lines))

test.run()
