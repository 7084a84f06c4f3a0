/**
 * Whole networks against numbers of the paper's official code (test/fixtures): three SGD steps from
 * the same start on the same batch.
 */
import { readdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { readFixture } from '../support/fixture.js'
import { bySample } from '../support/frames.js'
import { expectClose, norm, relativeError } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'

const folder = new URL('../../../test/fixtures/', import.meta.url)
const LIMIT = 1e-4
const BATCH = 4

/**
 * Conv biases right before a BatchNorm: it subtracts them, so that their true gradient is zero and
 * the fixtures hold rounding errors.
 */
const biasBeforeNorm: Record<string, RegExp> = {
  'cnn-bias': /^body\.[04]\.bias$/,
  sew: /(^body\.0|convNeuron[12]\.0|downsample\.0)\.bias$/,
}

/** SEW-ResNet's basic block: spikes are added. */
const sew = (inputs: number, outputs: number, stride: number): api.Block =>
  api.block(
    {
      convNeuron1: netOf([inputs, 8, 8], `conv ${outputs} 3 padding=1 stride=${stride}, norm, lif`),
      convNeuron2: netOf([outputs, 8, 8], `conv ${outputs} 3 padding=1, norm, lif`),
      ...(stride > 1 && {
        downsample: netOf([inputs, 8, 8], `conv ${outputs} 1 stride=${stride}, norm, lif`),
      }),
    },
    (m, x, { add }) => add(m.convNeuron2(m.convNeuron1(x)), m.downsample ? m.downsample(x) : x),
  )

const cnn = (bias: boolean, norm = 'norm, '): string =>
  `conv 8 3 padding=1 bias=${bias}, ${norm}lif, avgPool2d 2,
   conv 12 3 padding=1 bias=${bias}, ${norm}lif, avgPool2d 2, flatten, linear 10`
const ends = 'adaptiveAvgPool2d 1, flatten, linear 10'
const networks: Readonly<Record<string, string>> = {
  mlp: 'flatten, linear 32, lif, linear 24, lif, linear 10',
  cnn: cnn(false),
  'cnn-bias': cnn(true),
  'cnn-nobn': cnn(true, ''),
  residual: `conv 8 3 padding=1 bias=false, norm, lif, basic 8 1, basic 16 2, ${ends}`,
  sew: `conv 8 3 padding=1, norm, lif, sew 8 1, sew 16 2, ${ends}`,
}

/** The network of a fixture: the longest name that the file's begins with. */
function networkName(file: string): string {
  const name = Object.keys(networks)
    .filter((n) => file.startsWith(`${n}-`))
    .sort((a, b) => b.length - a.length)[0]
  if (name === undefined) throw new Error(`no network is known for the fixture ${file}`)
  return name
}

type Golden = ReturnType<typeof readFixture>

/** What a state dict of PyTorch has that is compared. */
const entriesOf = (golden: Golden, prefix: string) =>
  Object.entries(golden.state(prefix)).filter(([name]) => !name.endsWith('num_batches_tracked'))

function compareFirstStep(model: api.Model, golden: Golden, vanishing: RegExp | undefined): void {
  const { metadata, values, state } = golden
  expectClose('output', model.output(), values('output'), LIMIT)
  const [gradients, expected] = [model.gradients(), state('grad.')]
  assert.equal(Object.keys(gradients).sort(), Object.keys(expected).sort(), 'names of gradients')
  for (const [name, { data }] of Object.entries(expected))
    if (!vanishing?.test(name))
      expectClose(`gradient of ${name}`, gradients[name].data, data, LIMIT)
    else {
      // Zero but for rounding: measured against the gradient of the layer's weight, which sums the
      // same numbers.
      const scale = norm(values(`grad.${name.replace(/bias$/, 'weight')}`))
      const distance = norm(gradients[name].data.map((v, i) => v - data[i]))
      const told = `gradient of ${name}: ${distance} away, ${LIMIT * scale} is allowed`
      assert.ok(distance <= LIMIT * scale, told)
    }
  const found = model.stateDict()
  for (const [name, { data }] of entriesOf(golden, 'stats.'))
    expectClose(`running statistic ${name}`, found[name].data, data, LIMIT)
  if (metadata.method !== 'rate') return
  const rates = Object.entries(state('rate.'))
  // The last layer of some networks is silent at first.
  assert.ok(
    rates.some(([, { data }]) => data.some((rate) => rate > 0)),
    'something spikes',
  )
  for (const [layer, { data }] of rates) {
    const { rate, eligibility = [] } = model.activity(layer)
    const counts = (of: ArrayLike<number>): number[] =>
      Array.from(of, (r) => Math.round(r * Number(metadata.T)))
    assert.equal(counts(rate), counts(data), `spike counts of ${layer}`)
    assert.ok(relativeError(rate, data) < 1e-6, `rates of ${layer} are counts / T`)
    expectClose(`eligibility of ${layer}`, eligibility, values(`eligibility.${layer}`), LIMIT)
  }
}

const files = readdirSync(folder)
  .filter((file) => /-T\d+\.safetensors$/.test(file))
  .sort()

for (const file of files) {
  const golden = readFixture(file)
  const name = networkName(file)
  for (const engine of ['release', 'debug'] as const)
    for (const threads of [1, 2])
      test(`${file.replace('.safetensors', '')} engine=${engine} threads=${threads} equals the official code`, async () => {
        const { metadata, values, state, numbers } = golden
        const input = [3, 8, 8] as const
        const body = netOf(input, networks[name], {
          basic: (from, to, by) => basicBlock(from, to, by),
          sew,
        })
        const model = await modelOf(api.sequential({ body }), {
          input,
          timeSteps: Number(metadata.T),
          batchSize: BATCH,
          frames: metadata.frames === 'true',
          method: metadata.method as api.Method,
          stepMode: metadata.step_mode as api.StepMode,
          inspect: true,
          threads,
          engine,
        })

        const given = values('input')
        const x = model.frames ? bySample(given, model.timeSteps, BATCH) : given
        model.loadStateDict(state('before.'))
        model.optimizer = api.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, decay: 'all' })
        const losses = JSON.parse(metadata.losses) as number[]
        assert.ok(losses.length >= 3, 'the fixture holds three steps')
        for (const [step, expected] of losses.entries()) {
          const { loss } = await model.trainStep(x, numbers('target'))
          const apart = Math.abs(loss - expected)
          assert.ok(apart <= LIMIT * Math.abs(expected), `loss of step ${step}: ${loss}`)
          if (step === 0) compareFirstStep(model, golden, biasBeforeNorm[name])
        }
        const after = model.stateDict()
        for (const [parameter, { data }] of entriesOf(golden, 'after.'))
          expectClose(`${parameter} after all steps`, after[parameter].data, data, LIMIT)
      })
}

test('there is a fixture for every network, both methods and both step modes', () => {
  for (const name of Object.keys(networks)) assert.ok(files.map(networkName).includes(name), name)
  for (const part of ['-rate-m-', '-rate-s-', '-bptt-m-', '-bptt-s-'])
    assert.match(files.join(), part)
})

test.run()
