/**
 * Exported networks with weights int8: the bits of a plan with the same bytes, whose other weights
 * are the floats that their bytes stand for.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dequantise, quantise } from '../../src/compile/emit/norm.js'
import { methodOptions } from '../../src/compile/methods.js'
import { makePlan, type PlanOptions } from '../../src/compile/plan.js'
import { exportWasm } from '../../src/edge/export.js'
import { type Block, cnn, mlp, type StateDict } from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import { testRandom } from '../support/engine.js'
import { netOf } from '../support/net.js'
import { PlanRunner } from '../support/plan-runner.js'

type Size = readonly [number, number, number]

/** Weights with channels of the input and the output that need padding, by groups and without. */
const mixed = (): Block =>
  netOf(
    [3, 8, 8],
    `conv 10 3 padding=1, norm, lif, conv 20 3 padding=1 groups=2, norm, lif,
    conv 20 3 padding=1 groups=20, lif vThreshold=0.3, avgPool2d 2, conv 36 3 standardise=true, lif,
    flatten, linear 7`,
  )

const networks: readonly (readonly [name: string, () => Block, Size, ratio: number])[] = [
  ['mlp', () => mlp([1, 8, 8], 10), [1, 8, 8], 0.37],
  ['cnn', () => cnn([1, 28, 28], 10), [1, 28, 28], 0.37],
  ['groups, gains', mixed, [3, 8, 8], 0.7],
]

function stateOf(options: PlanOptions, seed: number): StateDict {
  const random = testRandom(seed)
  const { parameters, statistics } = makePlan(options, 1)
  return Object.fromEntries(
    [...parameters, ...statistics].map(({ name, layout: { shape } }) => {
      const length = shape.reduce((a, b) => a * b, 1)
      const bound = shape.length > 1 ? 3 / Math.sqrt(length / shape[0]) : 0.5
      const middle = shape.length > 1 || name.endsWith('bias') ? 0.1 * bound : 1
      const data = Float32Array.from({ length }, () => middle + bound * (2 * random() - 1))
      return [name, { shape, data }]
    }),
  )
}

/** A state whose float weights are what bytes stand for; those that are bytes stay. */
function rounded(options: PlanOptions, state: StateDict): StateDict {
  const { parameters } = makePlan({ ...options, weights: 'int8' }, 1)
  const result = { ...state }
  for (const { name, role } of parameters)
    if (role === 'weight' && state[name].shape.length > 1) {
      const { shape, data } = state[name]
      result[name] = { shape, data: dequantise(quantise(data, shape[0])) }
    }
  return result
}

for (const [name, make, input, ratio] of networks)
  for (const mode of ['infer', 'step'] as const)
    test(`${name}, mode ${mode}: the bits of its bytes`, async () => {
      const options: PlanOptions = {
        ...methodOptions({ method: 'rate', stepMode: mode === 'step' ? 's' : 'm' }, 4),
        graph: trace(make(), input),
        input,
        frames: false,
        inspect: false,
        timeSteps: 4,
        batchSize: 1,
        purpose: mode === 'step' ? 'stream' : 'inference',
      }
      const state = stateOf(options, 8)
      const model = await make().compile({ input, stepMode: options.stepMode, batchSize: 1 })
      model.loadStateDict(state)
      const [bytes, floats] = await Promise.all(
        (['int8', 'f32'] as const).map((weights) => exportWasm(model, { mode, weights })),
      )
      await model.dispose()
      assert.ok(bytes.length < ratio * floats.length, `${bytes.length} of ${floats.length}`)

      const { instance } = await WebAssembly.instantiate(new Uint8Array(bytes))
      const net = instance.exports as unknown as Record<string, () => number> & {
        memory: WebAssembly.Memory
      }
      const view = (at: number, count: number) => new Float32Array(net.memory.buffer, at, count)
      const runner = new PlanRunner({ ...options, weights: 'int8' }, rounded(options, state))
      const random = testRandom(3)
      const [C, H, W] = input
      for (let call = 0; call < 4; call++) {
        const x = Float32Array.from({ length: C * H * W }, () => 2 * random())
        view(net.input_ptr(), x.length).set(x)
        net[mode === 'step' ? 'step' : 'infer']()
        const last = Float32Array.from(x, (_, i) => x[(i % C) * H * W + Math.floor(i / C)])
        const wanted = runner.run(last)
        assert.equal(Float32Array.from(view(net.output_ptr(), wanted.length)), wanted)
        assert.ok(runner.spikes > 20, `${runner.spikes} spikes`)
      }
    })

test.run()
