/** Outputs of each time step: `predict(x, { of: 'steps' })` in all methods and purposes. */
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusals } from '../files/temporary.js'
import { expectClose, expectSameBits, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { usualModes } from '../support/tables.js'

const text = 'conv 5 3 padding=1, lif, flatten, linear 3'
const sample = 2 * 6 * 6
const compiled = (more: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileNet(text, { input: [2, 6, 6], timeSteps: 5, batchSize: 4, ...more })

/** Means over T of [n][T][C]. */
function meansOf(logits: Float32Array, T: number, C: number): Float32Array {
  const means = new Float32Array(logits.length / T)
  for (let i = 0; i < means.length; i++) {
    const [n, c] = [Math.floor(i / C), i % C]
    let sum = 0
    for (let t = 0; t < T; t++) sum += logits[(n * T + t) * C + c]
    means[i] = sum / T
  }
  return means
}

test('their mean is the output, their sum by steps that of the last layer on recorded spikes', async () => {
  // A full batch, some, and a few that run one by one.
  const x = uniform(7 * sample, 2, 1)
  for (const [method, stepMode] of usualModes)
    for (const purpose of ['train', 'inference'] as const) {
      const model = await compiled({ method, stepMode, purpose, record: true, threads: 1 })
      const before = model.stateDict()
      const { logits: mean } = await model.predict(x)
      const { logits, classes } = await model.predict(x, { of: 'steps' })
      assert.equal([logits.length, classes.length], [7 * 5 * 3, 7 * 5])
      expectClose('mean', meansOf(logits, 5, 3), mean, 1e-6)
      for (let row = 0; row < 35; row++) {
        const own = logits.subarray(row * 3, row * 3 + 3)
        assert.is(classes[row], own.indexOf(Math.max(...own)))
      }
      expectSameBits('weights', model.stateDict(), before)
      assert.equal((await model.predict(x)).logits, mean)
      // Of one sample, whose spikes are there to be read.
      const { logits: alone } = await model.predict(x.subarray(0, sample), { of: 'steps' })
      assert.equal(alone, logits.slice(0, 15), `${method} ${stepMode} ${purpose}`)
      const { data } = model.spikes('1')
      const [weight, bias] = ['3.weight', '3.bias'].map((name) => before[name].data)
      const wanted = Float32Array.from({ length: 15 }, (_, i) => {
        const [t, c] = [Math.floor(i / 3), i % 3]
        let sum = bias[c]
        for (let k = 0; k < 180; k++) sum += weight[c * 180 + k] * data[t * 180 + k]
        return sum
      })
      expectClose('outputs', alone, wanted, 1e-5)
      await model.dispose()
    }
})

test('beyond 255 steps, with frames, on threads, and amid a training', async () => {
  const long = await compiled({ purpose: 'inference', timeSteps: 300 })
  const x = uniform(5 * sample, 2, 2)
  const { logits } = await long.predict(x, { of: 'steps' })
  expectClose('mean', meansOf(logits, 300, 3), (await long.predict(x)).logits, 1e-5)
  const frames = uniform(3 * 5 * sample, 2, 3)
  const [one, two] = [
    await compiled({ frames: true }),
    await compiled({ frames: true, threads: 2 }),
  ]
  const found = await one.predict(frames, { of: 'steps' })
  assert.equal((await two.predict(frames, { of: 'steps' })).logits, found.logits)
  // Each step's output is of frames up to its own alone.
  const cut = frames.map((v, i) => (Math.floor(i / sample) % 5 > 2 ? 0 : v))
  const other = await one.predict(cut, { of: 'steps' })
  for (let i = 0; i < found.logits.length; i++)
    if (Math.floor(i / 3) % 5 <= 2) assert.ok(Math.abs(other.logits[i] - found.logits[i]) < 1e-6)
  const data = api.fromArrays({
    images: uniform(16 * sample, 2, 4),
    labels: Array.from({ length: 16 }, (_, i) => i % 3),
    classes: 3,
    shape: [2, 6, 6],
  })
  const [plain, asked] = [await compiled(), await compiled()]
  const fit = { epochs: 3, optimizer: api.sgd({ lr: 0.1, momentum: 0.9 }) }
  await plain.fit(data, fit)
  const onEpoch = () => asked.predict(x, { of: 'steps', signal: new AbortController().signal })
  await asked.fit(data, { ...fit, onEpoch })
  expectSameBits('training', asked.stateDict(), plain.stateDict())
})

test('what cannot be is refused; samples are read before anything is awaited', async () => {
  const model = await compiled()
  const x = uniform(sample, 2, 1)
  const stream = await compiled({ purpose: 'stream', batchSize: 1 })
  await expectRefusals([
    [
      () => model.predict(x, { of: 'step' as never }),
      /^predict.of must be 'mean' or 'steps', got "step"/,
    ],
    [
      () => stream.predict(x, { of: 'steps' }),
      /^predict and evaluate need a model compiled with purpose/,
    ],
  ])
  const own = x.slice()
  const running = model.predict(own, { of: 'steps' })
  own.fill(0)
  const { logits } = await running
  assert.equal(logits, (await model.predict(x, { of: 'steps' })).logits)
})

test.run()
