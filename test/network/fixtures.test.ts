/**
 * Whole networks against numbers of the paper's official code (test/fixtures): three SGD steps from
 * the same start on the same batch.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  type Block,
  batchNorm2d,
  block,
  conv2d,
  flatten,
  identity,
  lif,
  linear,
  type Method,
  type Model,
  type StateDict,
  type StepMode,
  sequential,
  sgd,
} from '../../src/index.js'
import { parseSafetensors, toFloat32 } from '../../src/io/safetensors.js'
import { bySample } from '../support/frames.js'
import { expectClose, norm, relativeError } from '../support/measure.js'

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

const cnn = (bias: boolean): Block =>
  sequential({
    body: sequential(
      conv2d(3, 8, 3, { padding: 1, bias }),
      batchNorm2d(8),
      lif(),
      avgPool2d(2),
      conv2d(8, 12, 3, { padding: 1, bias }),
      batchNorm2d(12),
      lif(),
      avgPool2d(2),
      flatten(),
      linear(48, 10),
    ),
  })

/** ResNet's basic block: currents are added. */
const basicBlock = (inputs: number, outputs: number, stride: number): Block =>
  block(
    {
      conv1: conv2d(inputs, outputs, 3, { padding: 1, stride, bias: false }),
      bn1: batchNorm2d(outputs),
      spike1: lif(),
      conv2: conv2d(outputs, outputs, 3, { padding: 1, bias: false }),
      bn2: batchNorm2d(outputs),
      shortcut:
        stride === 1
          ? identity()
          : sequential(conv2d(inputs, outputs, 1, { stride, bias: false }), batchNorm2d(outputs)),
      spike2: lif(),
    },
    (m, x, { add }) => m.spike2(add(m.bn2(m.conv2(m.spike1(m.bn1(m.conv1(x))))), m.shortcut(x))),
  )

/** SEW-ResNet's basic block: spikes are added. */
const sewBlock = (inputs: number, outputs: number, stride: number): Block => {
  const convNeuron1 = sequential(
    conv2d(inputs, outputs, 3, { padding: 1, stride }),
    batchNorm2d(outputs),
    lif(),
  )
  const convNeuron2 = sequential(
    conv2d(outputs, outputs, 3, { padding: 1 }),
    batchNorm2d(outputs),
    lif(),
  )
  if (stride === 1)
    return block({ convNeuron1, convNeuron2 }, (m, x, { add }) =>
      add(m.convNeuron2(m.convNeuron1(x)), x),
    )
  const downsample = sequential(conv2d(inputs, outputs, 1, { stride }), batchNorm2d(outputs), lif())
  return block({ convNeuron1, convNeuron2, downsample }, (m, x, { add }) =>
    add(m.convNeuron2(m.convNeuron1(x)), m.downsample(x)),
  )
}

const networks: Record<string, () => Block> = {
  mlp: () =>
    sequential({
      body: sequential(flatten(), linear(192, 32), lif(), linear(32, 24), lif(), linear(24, 10)),
    }),
  cnn: () => cnn(false),
  'cnn-bias': () => cnn(true),
  'cnn-nobn': () =>
    sequential({
      body: sequential(
        conv2d(3, 8, 3, { padding: 1 }),
        lif(),
        avgPool2d(2),
        conv2d(8, 12, 3, { padding: 1 }),
        lif(),
        avgPool2d(2),
        flatten(),
        linear(48, 10),
      ),
    }),
  residual: () =>
    sequential({
      body: sequential(
        conv2d(3, 8, 3, { padding: 1, bias: false }),
        batchNorm2d(8),
        lif(),
        basicBlock(8, 8, 1),
        basicBlock(8, 16, 2),
        adaptiveAvgPool2d(1),
        flatten(),
        linear(16, 10),
      ),
    }),
  sew: () =>
    sequential({
      body: sequential(
        conv2d(3, 8, 3, { padding: 1 }),
        batchNorm2d(8),
        lif(),
        sewBlock(8, 8, 1),
        sewBlock(8, 16, 2),
        adaptiveAvgPool2d(1),
        flatten(),
        linear(16, 10),
      ),
    }),
}

/** The network of a fixture: the longest name that the file's begins with. */
function networkName(file: string): string {
  const name = Object.keys(networks)
    .filter((n) => file.startsWith(`${n}-`))
    .sort((a, b) => b.length - a.length)[0]
  if (name === undefined) throw new Error(`no network is known for the fixture ${file}`)
  return name
}

function readGolden(file: string) {
  const { tensors, metadata } = parseSafetensors(readFileSync(new URL(file, folder)), file)
  const values = (name: string): Float32Array => {
    const tensor = tensors.get(name)
    if (!tensor) throw new Error(`${file} has no ${name}`)
    return toFloat32(tensor)
  }
  const names = (prefix: string): string[] =>
    [...tensors.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  const before: StateDict = Object.fromEntries(
    names('before.').map((name) => [
      name,
      { shape: tensors.get(`before.${name}`)?.shape ?? [], data: values(`before.${name}`) },
    ]),
  )
  const target = Array.from(tensors.get('target')?.data ?? [], Number)
  return { metadata, values, names, before, target }
}

type Golden = ReturnType<typeof readGolden>

function compareFirstStep(model: Model, golden: Golden, vanishing: RegExp | undefined): void {
  const { metadata, values, names } = golden
  expectClose('output', model.output(), values('output'), LIMIT)
  const gradients = model.gradients()
  assert.equal(Object.keys(gradients).sort(), names('grad.').sort(), 'names of the gradients')
  for (const name of names('grad.')) {
    const expected = values(`grad.${name}`)
    if (!vanishing?.test(name))
      expectClose(`gradient of ${name}`, gradients[name].data, expected, LIMIT)
    else {
      // Zero but for rounding: measured against the gradient of the layer's weight, which sums the
      // same numbers.
      const scale = norm(values(`grad.${name.replace(/bias$/, 'weight')}`))
      const distance = norm(gradients[name].data.map((v, i) => v - expected[i]))
      assert.ok(
        distance <= LIMIT * scale,
        `gradient of ${name}: ${distance} away, ${LIMIT * scale} is allowed`,
      )
    }
  }
  const state = model.stateDict()
  for (const name of names('stats.').filter((n) => !n.endsWith('num_batches_tracked'))) {
    expectClose(`running statistic ${name}`, state[name].data, values(`stats.${name}`), LIMIT)
  }
  if (metadata.method !== 'rate') return
  assert.ok(names('rate.').length > 0, 'the fixture holds rates')
  // The last layer of some networks is silent at first.
  const spikes = names('rate.').filter((layer) => values(`rate.${layer}`).some((r) => r > 0))
  assert.ok(spikes.length > 0, 'something spikes')
  for (const layer of names('rate.')) {
    const { rate, eligibility } = model.activity(layer)
    const T = Number(metadata.T)
    const counts = (rates: Float32Array): number[] => Array.from(rates, (r) => Math.round(r * T))
    assert.equal(counts(rate), counts(values(`rate.${layer}`)), `spike counts of ${layer}`)
    assert.ok(
      relativeError(rate, values(`rate.${layer}`)) < 1e-6,
      `rates of ${layer} are counts / T`,
    )
    expectClose(`eligibility of ${layer}`, eligibility ?? [], values(`eligibility.${layer}`), LIMIT)
  }
}

const files = readdirSync(folder)
  .filter((file) => /-T\d+\.safetensors$/.test(file))
  .sort()

for (const file of files) {
  const golden = readGolden(file)
  const name = networkName(file)
  for (const engine of ['release', 'debug'] as const)
    for (const threads of [1, 2])
      test(`${file.replace('.safetensors', '')} engine=${engine} threads=${threads} equals the official code`, async () => {
        const { metadata, values, names, before, target } = golden
        const model = await networks[name]().compile({
          input: [3, 8, 8],
          timeSteps: Number(metadata.T),
          batchSize: BATCH,
          frames: metadata.frames === 'true',
          method: metadata.method as Method,
          stepMode: metadata.step_mode as StepMode,
          inspect: true,
          threads,
          engine,
        })
        try {
          const x = model.frames
            ? bySample(values('input'), model.timeSteps, BATCH)
            : values('input')
          model.loadStateDict(before)
          model.optimizer = sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, decay: 'all' })
          const losses = JSON.parse(metadata.losses) as number[]
          assert.ok(losses.length >= 3, 'the fixture holds three steps')
          for (const [step, expected] of losses.entries()) {
            const { loss } = await model.trainStep(x, target)
            assert.ok(
              Math.abs(loss - expected) <= LIMIT * Math.abs(expected),
              `loss of step ${step}: ${loss}, expected ${expected}`,
            )
            if (step === 0) compareFirstStep(model, golden, biasBeforeNorm[name])
          }
          const after = model.stateDict()
          for (const parameter of names('after.').filter(
            (n) => !n.endsWith('num_batches_tracked'),
          )) {
            expectClose(
              `${parameter} after ${losses.length} steps`,
              after[parameter].data,
              values(`after.${parameter}`),
              LIMIT,
            )
          }
        } finally {
          await model.dispose()
        }
      })
}

test('there is a fixture for every network, both methods and both step modes', () => {
  for (const name of Object.keys(networks))
    assert.ok(
      files.some((file) => networkName(file) === name),
      name,
    )
  for (const part of ['-rate-m-', '-rate-s-', '-bptt-m-', '-bptt-s-'])
    assert.ok(
      files.some((file) => file.includes(part)),
      part,
    )
})

test.run()
