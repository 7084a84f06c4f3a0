/**
 * Names, shapes, initialisation and options of the paper's networks, against the official code's.
 * Nothing is allocated.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collectState } from '../../src/compile/state.js'
import {
  preactResnet34,
  resnet18,
  resnet19,
  sewResnet34,
  vgg11,
  vgg13,
  vggsnn,
} from '../../src/model/models/index.js'
import { type ModelFactory, type ModelName, models } from '../../src/model/models/registry.js'
import { initialValues } from '../../src/network/kind.js'
import { trace } from '../../src/network/trace.js'
import { networks, officialNames } from './networks.js'

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

for (const { name, make, input, parameters } of networks) {
  test(`${name}: names and shapes are the official code's, parameters in its order`, () => {
    const expected = officialNames(name)
    const state = collectState(trace(make(), input))
    const found = Object.fromEntries(
      [...state.parameters, ...state.statistics].map((p) => [p.name, [...p.layout.shape]]),
    )
    const sorted = (shapes: Record<string, number[]>) =>
      Object.entries(shapes).sort(([a], [b]) => (a < b ? -1 : 1))
    assert.equal(sorted(found), sorted(expected))
    assert.equal(
      state.parameters.map((p) => p.name),
      Object.keys(expected).filter((key) => !key.includes('running_')),
    )
    assert.is(
      state.parameters.reduce((sum, p) => sum + product(p.layout.shape), 0),
      parameters,
    )
  })

  test(`${name}: inChannels, classes and neuron arrive`, () => {
    const graph = trace(make({ inChannels: 5, classes: 7, neuron: { tau: 3, vThreshold: 0.5 } }), [
      5,
      input[1],
      input[2],
    ])
    assert.equal(graph.nodes[graph.output].shape, [7, 1, 1])
    const neurons = graph.nodes.flatMap(({ layer }) => (layer?.kind === 'cell' ? [layer] : []))
    assert.ok(neurons.length >= 8)
    assert.ok(
      neurons.every((layer) => layer.tau === 3 && layer.vThreshold === 0.5 && layer.detachReset),
    )
  })
}

/** Standard deviation and largest magnitude of a network's initial values by parameter name. */
function initial(
  name: string,
  wanted: readonly string[],
): { deviation: number; largest: number }[] {
  const { make, input } = networks.filter((network) => network.name === name)[0]
  const graph = trace(make(), input)
  const { parameters } = collectState(graph)
  return wanted.map((key) => {
    const position = parameters.findIndex((p) => p.name === key)
    const values = initialValues(parameters[position], 3, position)
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
    return { deviation, largest: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) }
  })
}

function near(actual: number, expected: number, tolerance: number, message: string): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance * expected,
    `${message}: got ${actual}, expected ${expected} ± ${tolerance * 100} %`,
  )
}

test('VGG starts with normal weights of deviation 0.5 and biases of 0', () => {
  const [conv, bias, fc, fcBias] = initial('vgg11', [
    'feature.4.weight',
    'feature.4.bias',
    'classifier.0.weight',
    'classifier.0.bias',
  ])
  near(conv.deviation, 0.5, 0.02, 'convolution')
  assert.ok(conv.largest > 1.5, 'a normal distribution reaches beyond 3 deviations')
  near(fc.deviation, 0.5, 0.05, 'classifier')
  assert.equal([bias.largest, fcBias.largest], [0, 0])
})

test("ResNet-18 starts as PyTorch's defaults: uniform in ±1/√fanIn", () => {
  const [conv, fc, fcBias] = initial('resnet18', [
    'layer1.0.conv2.weight',
    'classifier.0.weight',
    'classifier.0.bias',
  ])
  for (const [what, { deviation, largest }, fanIn] of [
    ['convolution', conv, 64 * 9],
    ['classifier', fc, 512],
  ] as const) {
    assert.ok(largest <= 1 / Math.sqrt(fanIn), `${what}: ${largest} is beyond the bound`)
    near(deviation, 1 / Math.sqrt(3 * fanIn), 0.03, what)
  }
  assert.ok(fcBias.largest > 0 && fcBias.largest <= 1 / Math.sqrt(512))
})

for (const [name, stem, down] of [
  ['sewResnet34', 'convNeuron1.0', 'layer2.0.downsample.0'],
  ['preactResnet34', 'conv1', 'layer2.0.downsample.0'],
] as const) {
  test(`${name} starts with normal weights of variance 2/fanOut and default biases`, () => {
    const [weight, bias, small, fc] = initial(name, [
      `${stem}.weight`,
      `${stem}.bias`,
      `${down}.weight`,
      'fc.weight',
    ])
    near(weight.deviation, Math.sqrt(2 / (64 * 49)), 0.03, 'stem')
    near(small.deviation, Math.sqrt(2 / 128), 0.03, 'downsample')
    assert.ok(
      bias.largest > 0.5 / Math.sqrt(3 * 49) && bias.largest <= 1 / Math.sqrt(3 * 49),
      `bias ${bias.largest}`,
    )
    near(fc.deviation, 1 / Math.sqrt(3 * 512), 0.03, 'classifier')
  })
}

test('wrong options say what is allowed', () => {
  for (const [name, make] of Object.entries({
    vgg11,
    vgg13,
    vggsnn,
    resnet18,
    resnet19,
    sewResnet34,
    preactResnet34,
  })) {
    assert.throws(
      () => make({ classes: 0 }),
      new RegExp(`^${name}\\.classes must be an integer ≥ 1, got 0$`),
    )
    assert.throws(
      () => make({ inChannels: 1.5 }),
      new RegExp(`^${name}\\.inChannels must be an integer ≥ 1, got 1.5$`),
    )
    assert.throws(
      () => make({ width: 3 } as object),
      new RegExp(`^${name}\\.width is not an option; known are inChannels, classes, neuron`),
    )
    assert.throws(() => make({ neuron: { tau: 1 } }), /lif\.tau must be > 1, got 1/)
  }
  assert.throws(
    () => vggsnn({ imageSize: 40 }),
    /vggsnn\.imageSize must be 32 or a multiple of 24, got 40/,
  )
})

test('the command line knows every network', () => {
  for (const { name, small } of networks) {
    const make: ModelFactory = models[name.replace(/Cifar|Dvs/, '') as ModelName]
    const { nodes, output } = trace(make(small, 11), small)
    assert.equal(nodes[output].shape, [11, 1, 1])
  }
})

test.run()
