/** What files of bytes and of int8 weights are compared with. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { MethodOptions } from '../../src/compile/methods.js'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { openApart } from '../../src/edge/verify/apart.js'
import { makeTrials, type Trial } from '../../src/edge/verify/trial.js'
import {
  type Block,
  type CompileOptions,
  compile,
  datasets,
  flatten,
  lif,
  linear,
  sequential,
} from '../../src/index.js'
import { differing } from '../support/exported.js'

const input = [1, 8, 8] as const
/** No neuron hides a difference in the last bit. */
const shallow = (): Block => sequential(flatten(), linear(64, 10))
/** Its outputs change from step to step. */
const deep = (): Block => sequential(flatten(), linear(64, 40), lif(), linear(40, 10))

/** The trial of the network's only call, and what the file gives. */
async function trialOf(
  options: ExportOptions,
  methods: MethodOptions & Pick<CompileOptions, 'weights'> = {},
  network = shallow,
): Promise<{ trial: Trial; outputs: Float32Array }> {
  const model = await compile(network(), { input, purpose: 'inference', ...methods })
  const state = model.stateDict()
  const net = await openApart((await exportWasm(model, options)) as Uint8Array, 'some.wasm')
  await model.dispose()
  const { test: data } = await datasets.digits()
  try {
    const load = async (other: typeof model): Promise<void> => other.loadStateDict(state)
    const source = { net, data: [data], samples: 300, network: network(), load }
    const [trial] = await makeTrials(source)
    const { outputs } = await net.ask(trial.call, trial.input)
    return { trial, outputs }
  } finally {
    await net.close()
  }
}

for (const [mean, std] of [
  [0.3051, 0.3762],
  [0.1307, 0.3081],
] as const)
  test(`bytes with mean ${mean} and deviation ${std}: the bits of the file`, async () => {
    const options = { inputType: 'u8', mean: [mean], std: [std] } as const
    const { trial, outputs } = await trialOf(options)
    assert.is(trial.samples, 300)
    assert.is(differing(outputs, trial.expected), 0)
  })

for (const method of ['bptt', 'ottt'] as const)
  for (const mode of ['infer', 'step'] as const)
    test(`${method} in step mode s, ${mode}: the bits of the file`, async () => {
      const { trial, outputs } = await trialOf({ mode }, { method, stepMode: 's' }, deep)
      assert.is(trial.call, mode)
      assert.is(differing(outputs, trial.expected), 0)
    })

for (const [trained, weights] of [
  ['int8', undefined],
  ['int6', undefined],
  ['f32', 'int8'],
  ['f32', 'int6'],
] as const)
  test(`trained as ${trained}, exported as ${weights ?? trained}: the bits of the file`, async () => {
    for (const mode of ['infer', 'step'] as const) {
      const stepMode = mode === 'step' ? 's' : 'm'
      const { trial, outputs } = await trialOf(
        { mode, weights },
        { stepMode, weights: trained },
        deep,
      )
      assert.is(differing(outputs, trial.expected), 0)
    }
  })

test('a layer with weights of its own, exported as int8: the bits of the file, which keeps them', async () => {
  for (const weights of ['f32', 'int6'] as const) {
    const network = (): Block =>
      sequential(flatten(), linear(64, 40), lif(), linear(40, 10, { weights }))
    const { trial, outputs } = await trialOf({ weights: 'int8' }, {}, network)
    assert.is(differing(outputs, trial.expected), 0, weights)
  }
})

test('weights that meet no spikes, rounded: the bits of the file, which says f32', async () => {
  const { trial, outputs } = await trialOf({ weights: 'int8' })
  assert.is(differing(outputs, trial.expected), 0)
})

test.run()
