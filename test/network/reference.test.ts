/** Rate-based backpropagation and BPTT of odd-sized chains against the float64 reference. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  integrateAndFire,
  type Layer,
  lif,
  linear,
  type NeuronOptions,
  plif,
  type StateDict,
} from '../../src/index.js'
import { checkCase, makeCase } from '../support/case.js'
import { testRandom } from '../support/engine.js'
import { isLong, ofLong } from '../support/long.js'
import { uniform } from '../support/measure.js'
import { type ReferenceResult, referenceStep } from '../support/reference.js'
import { offlineModes, surrogateNames } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 11)

interface Geometry {
  name: string
  layers: readonly Layer[]
  input: readonly [number, number, number]
}

/**
 * Channels below, at and above the widths of vectors and blocks; images that are not square;
 * strides, paddings and pools that leave a rest.
 */
const geometries: readonly Geometry[] = [
  {
    name: '1→3→5 5×7 padding 0',
    input: [1, 5, 7],
    layers: [
      conv2d(1, 3, 3),
      batchNorm2d(3),
      lif(),
      conv2d(3, 5, [2, 3]),
      batchNorm2d(5),
      lif(),
      flatten(),
      linear(5 * 2 * 3, 4),
    ],
  },
  {
    name: '3→17→33 5×7 stride 2',
    input: [3, 5, 7],
    layers: [
      conv2d(3, 17, 3, { stride: 2, padding: 1, bias: false }),
      batchNorm2d(17),
      lif(),
      conv2d(17, 33, 3, { stride: 2, padding: 1, bias: false }),
      batchNorm2d(33),
      lif(),
      flatten(),
      linear(33 * 2 * 2, 5),
    ],
  },
  {
    name: '5→33→1 7×5 pools without batch norm',
    input: [5, 7, 5],
    layers: [
      conv2d(5, 33, 3, { padding: 1 }),
      lif(),
      avgPool2d(2),
      conv2d(33, 1, 1),
      lif(),
      avgPool2d([3, 2], { stride: 1 }),
      flatten(),
      linear(1, 3),
    ],
  },
  {
    name: '2→17→17 6×5 pool with padding, 5×5 kernel',
    input: [2, 6, 5],
    layers: [
      conv2d(2, 17, 3, { padding: 1, stride: [1, 2] }),
      batchNorm2d(17),
      lif(),
      avgPool2d(3, { stride: 2, padding: 1 }),
      conv2d(17, 17, 5, { padding: 2, bias: false }),
      batchNorm2d(17),
      lif(),
      flatten(),
      linear(17 * 3 * 2, 10),
    ],
  },
  {
    name: '33→40 9×11 twice 3×3 stride 1',
    input: [3, 9, 11],
    layers: [
      conv2d(3, 33, 3, { padding: 1 }),
      batchNorm2d(33),
      lif(),
      conv2d(33, 40, 3, { padding: 1, bias: false }),
      batchNorm2d(40),
      lif(),
      avgPool2d([9, 11]),
      flatten(),
      linear(40, 7),
    ],
  },
  {
    name: 'currents behind currents: conv–conv, pool–pool, linear–linear',
    input: [2, 6, 5],
    layers: [
      conv2d(2, 5, 3, { padding: 1 }),
      conv2d(5, 9, 3, { padding: 1 }),
      lif(),
      avgPool2d(2),
      avgPool2d([3, 2]),
      conv2d(9, 6, 1),
      lif(),
      flatten(),
      linear(6, 7),
      linear(7, 3),
    ],
  },
  {
    name: '3×4×1 linear 17–33',
    input: [3, 4, 1],
    layers: [
      flatten(),
      linear(12, 17),
      lif(),
      linear(17, 33, { bias: false }),
      lif(),
      linear(33, 3),
    ],
  },
]

// Each geometry and each method has images and frames.
for (const [i, { name, layers, input }] of geometries.entries())
  for (const [j, [method, stepMode]] of offlineModes.entries())
    for (const frames of ofLong([(i + j) % 2 === 1], [false, true]))
      test(`${name} ${method} ${stepMode} frames=${frames}`, async () => {
        const random = testRandom(seed)
        const timeSteps = 2 + Math.floor(random() * 4)
        const c = await makeCase(
          layers,
          { input, timeSteps, batchSize: 3, method, stepMode, frames },
          seed,
        )
        await checkCase(`T=${timeSteps}`, c)
        // To start threads takes longer than a step.
        const threads = j % 2 === 0 ? 2 : 1
        if (isLong || frames)
          await checkCase(`T=${timeSteps} debug`, c, { engine: 'debug', threads })
      })

for (const [method, stepMode] of offlineModes)
  test(`T = 9 and 17 (two and three planes of masks) ${method} ${stepMode}`, async () => {
    for (const timeSteps of [9, 17]) {
      const { layers, input } = geometries[0]
      await checkCase(
        `T=${timeSteps}`,
        await makeCase(
          layers,
          { input, timeSteps, batchSize: 2, method, stepMode, frames: true },
          seed,
        ),
      )
    }
  })

// Neurons.

const chain = (neuron: () => Layer): Layer[] => [
  conv2d(2, 5, 3, { padding: 1 }),
  neuron(),
  avgPool2d(2),
  conv2d(5, 6, 2),
  neuron(),
  flatten(),
  linear(12, 3),
]
const input = [2, 4, 6] as const

const resets: readonly NeuronOptions[] = [
  {},
  { detachReset: false },
  { vReset: 0 },
  { vReset: 0, detachReset: false },
  { vReset: -0.3, detachReset: false },
]
// Each way to reset and each method with half of the others.
for (const [i, reset] of resets.entries())
  for (const [k, decayInput] of [false, true].entries())
    for (const [j, [method, stepMode]] of offlineModes.entries()) {
      if (!isLong && (i + j + k) % 2 === 1) continue
      test(`lif ${JSON.stringify({ ...reset, decayInput })} ${method} ${stepMode}`, async () => {
        // Input divided by τ needs a lower threshold to fire.
        const neuron = (): Layer =>
          lif({ tau: 2, vThreshold: decayInput ? 0.5 : 1, ...reset, decayInput })
        await checkCase(
          'lif',
          await makeCase(
            chain(neuron),
            { input, timeSteps: 5, batchSize: 3, method, stepMode, frames: true },
            seed,
          ),
        )
      })
    }

for (const [i, surrogate] of surrogateNames.entries())
  for (const [j, [method, stepMode]] of offlineModes.entries())
    test(`surrogate ${surrogate} ${method} ${stepMode}`, async () => {
      const both = [{ surrogate }, { surrogate, alpha: 1.7, detachReset: false }]
      for (const options of ofLong([both[(i + j) % 2]], both)) {
        const c = await makeCase(
          chain(() => lif(options)),
          { input, timeSteps: 4, batchSize: 2, method, stepMode },
          seed,
        )
        await checkCase(JSON.stringify(options), c)
      }
    })

for (const [method, stepMode] of offlineModes)
  test(`integrate and fire ${method} ${stepMode}`, async () => {
    for (const options of [{}, { vReset: 0.1 }, { detachReset: false }])
      await checkCase(
        JSON.stringify(options),
        await makeCase(
          chain(() => integrateAndFire(options)),
          { input, timeSteps: 4, batchSize: 3, method, stepMode },
          seed,
        ),
      )
  })

for (const stepMode of ['m', 's'] as const)
  for (const options of [
    {},
    { decayInput: true, vThreshold: 0.4 },
    { vReset: 0.1, detachReset: false },
    { decayInput: true, vReset: -0.2, vThreshold: 0.3 },
  ])
    test(`plif ${JSON.stringify(options)} bptt ${stepMode}`, async () => {
      const layers = [
        conv2d(2, 5, 3),
        batchNorm2d(5),
        plif(options),
        flatten(),
        linear(40, 6),
        plif(options),
        linear(6, 3),
      ]
      await checkCase(
        'plif',
        await makeCase(
          layers,
          { input, timeSteps: 5, batchSize: 3, method: 'bptt', stepMode, frames: true },
          seed,
        ),
      )
    })

// The reference itself: a network without neurons is smooth and can be differentiated numerically.

test('reference: gradients of the smooth parts equal finite differences', () => {
  const layers = [
    conv2d(1, 2, 2, { standardise: true }),
    batchNorm2d(2),
    avgPool2d(2, { padding: 1 }),
    flatten(),
    linear(8, 3),
  ]
  const sizes: [string, number[]][] = [
    ['0.weight', [2, 1, 2, 2]],
    ['0.gain', [2, 1, 1, 1]],
    ['0.bias', [2]],
    ['1.weight', [2]],
    ['1.bias', [2]],
    ['1.running_mean', [2]],
    ['1.running_var', [2]],
    ['4.weight', [3, 8]],
    ['4.bias', [3]],
  ]
  const state: StateDict = Object.fromEntries(
    sizes.map(([name, shape], i) => [
      name,
      {
        shape,
        data: uniform(
          shape.reduce((a, b) => a * b, 1),
          1,
          seed + i,
        ),
      },
    ]),
  )
  const x = uniform(2 * 2 * 12, 1, seed)
  const at = (): ReferenceResult =>
    referenceStep(layers, state, x, [0, 2], {
      timeSteps: 2,
      batch: 2,
      input: [1, 3, 4],
      frames: true,
      method: 'bptt',
    })
  const { gradients } = at()
  for (const name of Object.keys(gradients)) {
    const { data } = state[name]
    const index = Math.floor(testRandom(seed)() * data.length)
    const value = data[index]
    const h = 2 ** -8
    data[index] = value + h
    const plus = at().loss
    data[index] = value - h
    const minus = at().loss
    data[index] = value
    const slope = (plus - minus) / (2 * h)
    assert.ok(
      Math.abs(slope - gradients[name][index]) < 1e-4,
      `${name}[${index}]: ${gradients[name][index]}, finite difference ${slope} seed=${seed}`,
    )
  }
})

test.run()
