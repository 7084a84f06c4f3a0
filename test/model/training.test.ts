/**
 * One step of each of the paper's networks on tiny images by one of the methods that the paper
 * compares, in turns, or by all of them (`--long`), and their state dicts both ways.
 */
import * as assert from 'uvu/assert'
import type { StateDict } from '../../src/engine/memory/state.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { norm } from '../support/measure.js'
import { own, test } from '../support/models.js'
import { networks, officialNames } from './networks.js'

const BATCH = 2
const STEPS = 2
const CLASSES = 10
const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** A loop, because typed arrays of millions of numbers take seconds through callbacks. */
function uniform(count: number, low: number, high: number, random: () => number): Float32Array {
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = low + (high - low) * random()
  return values
}

function firstDifference(a: Float32Array, b: Float32Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i
  return -1
}

/**
 * A state dict as the official code would hand it over, with its bookkeeping. Weights have variance
 * 2 / fanIn and normalisations are near 1, so that every layer spikes and learns.
 */
function officialState(name: string, random: () => number): StateDict {
  const state: StateDict = {}
  for (const [key, official] of Object.entries(officialNames(name))) {
    const shape = /^fc\./.test(key) ? [CLASSES, ...official.slice(1)] : official
    const count = product(shape)
    // No normalisation stands before the hidden neurons of ResNet-19's classifier: a stronger
    // current makes them fire.
    const bound = Math.sqrt(6 / (count / shape[0])) * (key.startsWith('classifier.0') ? 3 : 1)
    if (shape.length > 1) state[key] = { shape, data: uniform(count, -bound, bound, random) }
    else if (key.endsWith('weight') || key.endsWith('running_var'))
      state[key] = { shape, data: uniform(count, 0.7, 1.3, random) }
    else state[key] = { shape, data: uniform(count, -0.2, 0.3, random) }
    if (key.endsWith('running_var'))
      state[key.replace('running_var', 'num_batches_tracked')] = {
        shape: [],
        data: Float32Array.of(7),
      }
  }
  return state
}

const methods = [
  { method: 'rate', stepMode: 'm' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', stepMode: 'm' },
] as const

for (const [i, { name, make, small }] of networks.entries()) {
  const chosen = ofLong([methods[i % methods.length]], [...methods])
  const by = chosen.map(({ method, stepMode }) => `${method} ${stepMode}`).join(', ')
  test(`${name} input=[${small}] T=${STEPS}: state dicts go both ways, every parameter learns by ${by} (seed ${seed})`, async () => {
    const random = testRandom(seed)
    const state = officialState(name, random)
    const model = await own(
      make({ classes: CLASSES }).compile({ input: small, timeSteps: STEPS, batchSize: BATCH }),
    )

    const names = Object.keys(state).filter((key) => !key.endsWith('num_batches_tracked'))
    model.loadStateDict(state)
    const back = model.stateDict()
    assert.equal(Object.keys(back).sort(), names.sort())
    for (const key of names) {
      assert.equal(back[key].shape, state[key].shape, key)
      assert.is(
        firstDifference(back[key].data, state[key].data),
        -1,
        `${key} is another (seed ${seed})`,
      )
    }
    const x = uniform(BATCH * product(small), -2, 2, random)
    const y = Array.from({ length: BATCH }, () => Math.floor(CLASSES * random()))
    for (const [at, options] of chosen.entries()) {
      await model.prepare(options)
      const where = `${name} ${options.method} ${options.stepMode} seed=${seed}`
      // The last one moves the parameters.
      const update = at === chosen.length - 1
      const { loss } = await model.trainStep(x, y, { lr: 0.1, update })
      assert.ok(Number.isFinite(loss) && loss > 0, `${where}: loss ${loss}`)
      for (const [layer, rate] of Object.entries(model.firingRates()))
        assert.ok(rate > 0 && rate < 1, `${where}: ${layer} fires with rate ${rate}`)
      // A bias before a normalisation has a true gradient of 0, and rounding errors instead.
      for (const [key, { data }] of Object.entries(model.gradients())) {
        const length = norm(data)
        assert.ok(
          Number.isFinite(length) && length > 0,
          `${where}: the gradient of ${key} has norm ${length}`,
        )
      }
    }
    for (const [key, { data }] of Object.entries(model.stateDict()))
      if (!key.endsWith('bias'))
        assert.is.not(
          firstDifference(data, state[key].data),
          -1,
          `${name}: ${key} does not change (seed ${seed})`,
        )
  })
}

test.run()
