/**
 * Names, shapes and initialisation of the paper's networks, against the official code's.
 * Nothing is allocated.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collectState } from '../../src/compile/state.js'
import { initialValues } from '../../src/network/kind.js'
import { trace } from '../../src/network/trace.js'
import { networks, officialNames } from './networks.js'

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

for (const { name, make, input, parameters } of networks)
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

test.run()
