/** Max pooling of currents in networks: methods that must agree about what is chosen. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  conv2d,
  flatten,
  lif,
  linear,
  type MethodOptions,
  maxPool2d,
  type StateDict,
  sequential,
} from '../../src/index.js'
import { testRandom } from '../support/engine.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)

/** Gradients of a network with pooled currents, in front of and behind neurons. */
async function gradients(
  options: MethodOptions & { timeSteps: number; frames: boolean },
  seed: number,
): Promise<StateDict> {
  const random = testRandom(seed)
  const batch = 3
  const net = sequential(
    conv2d(2, 5, 3),
    maxPool2d(3, { stride: 2, padding: 1 }),
    lif(),
    conv2d(5, 6, 2),
    maxPool2d(2, { stride: 1 }),
    lif(),
    flatten(),
    linear(12, 4),
  )
  const model = await net.compile({ input: [2, 9, 8], batchSize: batch, seed, ...options })
  const state = model.stateDict()
  for (const { data } of Object.values(state)) data.set(data.map((v) => 3 * v))
  model.loadStateDict(state)
  const x = Float32Array.from(
    { length: batch * 144 * (options.frames ? options.timeSteps : 1) },
    () => 2 * random() - 0.5,
  )
  await model.trainStep(x, [0, 3, 1], { update: false })
  const rates = Object.values(model.firingRates())
  assert.ok(
    rates.every((rate) => rate > 0.02 && rate < 1),
    `rates ${rates} seed=${seed}`,
  )
  const result = model.gradients()
  await model.dispose()
  return result
}

function close(actual: StateDict, expected: StateDict, factor: number, message: string): void {
  for (const name of Object.keys(expected)) {
    const distance = Math.hypot(
      ...actual[name].data.map((v, i) => v * factor - expected[name].data[i]),
    )
    const size = Math.hypot(...expected[name].data)
    assert.ok(
      size > 0 && distance <= 1e-4 * size,
      `${message} ${name}: ${distance} away of ${size}`,
    )
  }
}

for (let seed = base; seed < base + 3; seed++) {
  test(`pooled currents, T = 1: rate m, rate s and bptt agree (seed ${seed})`, async () => {
    const bptt = await gradients({ method: 'bptt', timeSteps: 1, frames: false }, seed)
    for (const stepMode of ['m', 's'] as const)
      close(await gradients({ stepMode, timeSteps: 1, frames: false }, seed), bptt, 1, stepMode)
  })

  test(`pooled currents of frames: rate m and rate s choose by the same mean (seed ${seed})`, async () => {
    const options = { timeSteps: 5, frames: true }
    close(
      await gradients({ stepMode: 's', ...options }, seed),
      await gradients({ stepMode: 'm', ...options }, seed),
      1,
      's against m',
    )
  })
}

test.run()
