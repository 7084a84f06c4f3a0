/** Method os beside the numbers of its authors' own code (test/fixtures/os/generate.py). */
import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { type CompileOptions, lif, type Model, stabilizedLif } from '../../src/index.js'
import { expectAllClose, expectClose, relativeError } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

interface Numbers {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}
type Named = Readonly<Record<string, Numbers>>

/** What generate.py prints. */
interface Fixture {
  readonly T: number
  readonly nearest: number
  readonly start: Named
  readonly batches: readonly {
    readonly x: Numbers
    readonly labels: readonly number[]
    readonly loss: number
    readonly output: Numbers
    readonly gradients: Named
    readonly statistics: Named
  }[]
}

const path = new URL('../../../test/fixtures/os/os.json', import.meta.url)
const fixture: Fixture = JSON.parse(readFileSync(path, 'utf8'))

/** With own layers in place of the neurons. */
const text = `conv 5 3 padding=1, norm eps=0.0001, first, avgPool2d 2, conv 7 3 stride=2 padding=1,
  norm eps=0.0001, second, flatten, linear 3`
const neurons = { first: () => stabilizedLif(), second: () => stabilizedLif() }

async function compiled(more: Partial<CompileOptions> = {}): Promise<Model> {
  const [{ labels }] = fixture.batches
  const options = { input: [2, 8, 8], timeSteps: fixture.T, batchSize: labels.length } as const
  const model = await compileNet(text, { ...options, method: 'os', ...more }, neurons)
  const state = model.stateDict()
  for (const [name, { data }] of Object.entries(fixture.start)) state[name].data.set(data)
  model.loadStateDict(state)
  return model
}

for (const engine of [undefined, 'debug'] as const)
  test(`os has the gradients, statistics and thresholds of its authors' code, ${engine}`, async () => {
    const model = await compiled({ engine })
    for (const [i, batch] of fixture.batches.entries()) {
      const x = Float32Array.from(batch.x.data)
      const { loss } = await model.trainStep(x, batch.labels, { update: false })
      assert.ok(Math.abs(loss - batch.loss) <= 1e-5, `batch ${i}: loss ${loss}, ${batch.loss}`)
      const where = `batch ${i}`
      expectClose(`${where} output`, model.output(), batch.output.data, 1e-4)
      // In front of a normalisation a bias has no gradient but rounding errors.
      const { '0.bias': _, '4.bias': __, ...gradients } = batch.gradients
      expectAllClose(`${where} gradient`, model.gradients(), gradients, 1e-4)
      expectAllClose(`${where} state`, model.stateDict(), batch.statistics, 1e-5)
    }
  })

test('os: predictions are of the running threshold, the same alone, in a batch and as a stream', async () => {
  const model = await compiled()
  const [{ x, labels }, second] = fixture.batches
  await model.trainStep(Float32Array.from(x.data), labels, { update: false })
  const input = Float32Array.from(second.x.data)
  const image = input.length / labels.length
  const { logits: all } = await model.predict(input)
  const { logits: alone } = await model.predict(input.subarray(image, 2 * image))
  assert.equal(alone.slice(), all.slice(3, 6), 'a sample alone')
  const { data: thresholds } = model.stateDict()['2.running_threshold']
  assert.ok(thresholds[0] > 1, `the threshold has moved: ${thresholds}`)
  const state = model.stateDict()
  await model.dispose()
  // A network of plain neurons with that threshold predicts the same.
  const at = (name: string) => () =>
    lif({ tau: 2, vThreshold: state[`${name}.running_threshold`].data[0] })
  const options = { input: [2, 8, 8], timeSteps: 4, batchSize: labels.length } as const
  const own = { first: at('2'), second: at('6') }
  const plain = await compileNet(text, { ...options, purpose: 'inference' }, own)
  const { '2.running_threshold': _, '6.running_threshold': __, ...weights } = state
  plain.loadStateDict(weights)
  const { logits: expected } = await plain.predict(input)
  assert.ok(relativeError(all, expected) < 1e-5, 'as plain neurons of that threshold')
  await plain.dispose()
  for (const more of [
    { purpose: 'inference' },
    { purpose: 'inference', method: 'rate' },
  ] as const) {
    const other = await compiled({ ...more })
    other.loadStateDict(state)
    const { logits } = await other.predict(input)
    assert.ok(relativeError(logits, all) < 1e-5, JSON.stringify(more))
    await other.dispose()
  }
  const stream = await compiled({ purpose: 'stream', batchSize: 1 })
  stream.loadStateDict(state)
  for (let t = 0; t < fixture.T - 1; t++) await stream.step(input.subarray(0, image))
  const { logits } = await stream.step(input.subarray(0, image))
  assert.ok(relativeError(logits, all.slice(0, 3)) < 1e-5, 'as a stream')
})

test('os: dead layers and a batch of one sample train without what is not finite', async () => {
  for (const scale of [0, 1]) {
    const options = { input: [2, 5, 5], timeSteps: 3, batchSize: 1, method: 'os' } as const
    const own = { neuron: () => stabilizedLif({ vReset: 0 }) }
    const model = await compileNet('conv 3 3, neuron, flatten, linear 3', options, own)
    const x = Float32Array.from({ length: 50 }, (_, i) => scale * Math.sin(i))
    const state = model.stateDict()
    if (scale === 0) for (const key of ['0.weight', '0.bias']) state[key].data.fill(0)
    model.loadStateDict(state)
    for (let i = 0; i < 3; i++) assert.ok(Number.isFinite((await model.trainStep(x, [1])).loss))
    await model.dispose()
  }
})

test.run()
