/**
 * Networks planned by small budgets: each kind of record has several units and a rest, each counter
 * of a byte is carried over. Sums are divided otherwise, so that they are compared with the float64
 * reference, or where that does not know a layer with the budgets of the package.
 */

import * as assert from 'uvu/assert'
import { stepModesOf } from '../../src/compile/methods.js'
import type { ProgramName } from '../../src/compile/plan.js'
import * as api from '../../src/index.js'
import { type Budgets, withBudgets } from '../support/budgets.js'
import { checkCase, makeCase } from '../support/case.js'
import { note, wanted } from '../support/divided.js'
import { expectClose, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { layersOf, netOf } from '../support/net.js'
import { chains, ownLayers, small } from '../support/small-budgets.js'

const seen = new Set<string>()

const seed = Number(process.env.SEED ?? 29)

const most: readonly api.Method[] = ['rate', 'bptt', 'sltt', 'ottt']
for (const [name, { text, input, methods = most, budgets, options }] of Object.entries(chains))
  for (const method of methods)
    for (const stepMode of stepModesOf(method))
      test(`${name}: ${method} ${stepMode}`, () =>
        withBudgets({ ...small, ...budgets }, async () => {
          const given = { input, timeSteps: 3, batchSize: 3, method, stepMode, ...options }
          const c = await makeCase(layersOf(input, text, ownLayers), given, seed)
          if (c.spare) noteRecords(c.spare.model, ['train'], seen)
          await checkCase(method, c)
        }))

/** Notes what the programs of these names divide. */
function noteRecords(
  { session }: api.Model,
  names: readonly ProgramName[],
  into: Set<string>,
): void {
  for (const name of names)
    for (const record of session.plan.programs[name]?.records ?? [])
      note(record, session.batchSize, into)
}

// What the reference does not know: by small budgets as by those of the package.

type Numbers = Readonly<Record<string, ArrayLike<number>>>

interface Twin {
  readonly network: () => api.Module
  readonly options: Partial<api.CompileOptions>
  readonly programs: readonly ProgramName[]
  readonly budgets?: Partial<Budgets>
  readonly use: (model: api.Model) => Promise<Numbers>
}

const input = [2, 7, 7] as const
const x = uniform(3 * 98, 2, seed)
const data = api.fromArrays({
  images: uniform(5 * 98, 2, seed),
  labels: [0, 1, 2, 0, 1],
  shape: [...input],
  classes: 3,
})
const numbersOf = (state: api.StateDict): Numbers =>
  Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, data]))

async function step(model: api.Model): Promise<Numbers> {
  const { loss } = await model.trainStep(x, [1, 0, 2], { update: false })
  return { loss: [loss], output: model.output(), ...numbersOf(model.gradients()) }
}

const neuron = { vThreshold: 0.3 }
const comesBack = (): api.Module =>
  api.block(
    {
      first: api.sequential(api.conv2d(2, 4, 3, { padding: 1 }), api.recurrent(api.lif(neuron))),
      end: netOf([4, 7, 7], 'conv 3 3 padding=1, lif vThreshold=0.3, flatten, linear 3'),
    },
    (m, image, { add }) => {
      const a = m.first(image)
      return m.end(add(a, a))
    },
  )
const joined = (floats: boolean) => (): api.Module =>
  api.block(
    {
      a: api.conv2d(2, 6, 3, { padding: 1 }),
      more: api.scale(2.5),
      b: api.sequential(api.conv2d(2, 5, 3, { padding: 1 }), api.lif(neuron)),
      c: api.lif(neuron),
      d: api.sequential(api.conv2d(11, 8, 3, { padding: 1 }), api.lif(neuron)),
      e: api.sequential(api.conv2d(8, 8, 3, { padding: 1 }), api.alif(neuron)),
      end: netOf([8, 7, 7], 'conv 6 1, maxPool2d 2, dropout 0.3, flatten, linear 3'),
    },
    (m, image, { add, concat }) => {
      const [a, b] = [m.a(image), m.b(image)]
      const sum = add(a, m.more(a))
      const d = m.d(floats ? concat(sum, b) : concat([m.c(sum), b]))
      const e = m.e(d)
      return m.end(add(d, e, d, e))
    },
  )
const plain = (): api.Module =>
  netOf(
    input,
    `conv 5 3 padding=1, fires, dropout 0.2, maxPool2d 3 stride=1, conv 6 3 padding=1, relu,
     conv 40 1, fires, flatten, linear 3`,
    { fires: () => api.lif(neuron) },
  )
const attentive = (): api.Module =>
  api.block(
    {
      a: api.sequential(api.conv2d(2, 6, 3, { padding: 1 }), api.lif(neuron)),
      b: api.conv2d(2, 6, 3, { padding: 1 }),
      flat: api.flatten(),
      end: api.linear(6 * 49, 3),
    },
    (m, image, { mul, matmul, softmax, slice, permute, reshape }) => {
      const [a, b] = [permute(m.a(image), [1, 3, 2]), m.b(image)]
      const gated = mul(mul(a, slice(softmax(b, 1), 0, 1)), b)
      const [q, v] = [reshape(gated, [6, 49]), reshape(a, [6, 49])]
      const shares = softmax(matmul(q, q, { transposeA: true, heads: 2 }))
      return m.end(m.flat(matmul(v, shares, { transposeB: true, heads: 2 })))
    },
  )
const updates = (optimizer: api.Optimizer): Twin => ({
  network: plain,
  options: { timeSteps: 3 },
  programs: ['train', 'gradients'],
  async use(model) {
    const penalties = [api.ratePenalty({ weight: 1, norm: 'L2', target: 0.2 })]
    const rest = { clipNorm: 0.5, accumulate: 2, ema: 0.9, penalties }
    await model.fit(data, { epochs: 2, optimizer, ...rest })
    return { ...numbersOf(model.stateDict()), ...numbersOf(model.averages()) }
  },
})

const twins: Readonly<Record<string, Twin>> = {
  ...Object.fromEntries(
    (['rate', 'bptt', 'sltt'] as const).flatMap((method) =>
      [false, true].map((floats): [string, Twin] => [
        `joins and sums of ${floats ? 'currents' : 'spikes'}, ${method}`,
        {
          network: joined(floats),
          options: { timeSteps: 3, method },
          programs: ['train'],
          budgets: { unitFloats: 300, runBytes: 480 },
          use: step,
        },
      ]),
    ),
  ),
  attention: {
    network: attentive,
    options: { timeSteps: 3, method: 'bptt' },
    programs: ['train'],
    budgets: { unitFloats: 60 },
    use: step,
  },
  'delays that are learnt': {
    network: () =>
      netOf(input, 'fires, learnt, flatten, synapses, fires, linear 3', {
        fires: () => api.lif(neuron),
        learnt: () => api.delay([0.5, 2.25], { maxDelay: 3, interpolation: 'gauss' }),
        synapses: () => api.dcls1d(98, 40, { maxDelay: 2, kernelCount: 2 }),
      }),
    options: { timeSteps: 5, method: 'bptt' },
    programs: ['train'],
    use: step,
  },
  'neurons that hear themselves': {
    network: comesBack,
    options: { timeSteps: 3, method: 'bptt' },
    programs: ['train'],
    budgets: { runBytes: 480 },
    use: step,
  },
  rmsprop: updates(api.rmsprop({ lr: 0.01, momentum: 0.5 })),
  sgd: updates(api.sgd({ lr: 0.1 })),
  adam: updates(api.adam({ lr: 0.01, eps: 1e-3 })),
  'what evaluation counts, and spikes of calls': {
    network: plain,
    options: { timeSteps: 5, method: 'sltt', record: true },
    programs: ['evaluate'],
    budgets: { byteCount: 2 },
    async use(model) {
      const { operations, loss } = await model.evaluate(data)
      await model.predict(x)
      const spikes = model.session.settings.record.map((name) => model.spikes(name).data)
      const { effectiveAcs, effectiveMacs, membraneUpdates } = operations ?? {}
      return {
        loss: [loss],
        operations: [effectiveAcs ?? 0, effectiveMacs ?? 0, membraneUpdates ?? 0],
        ...Object.fromEntries(spikes.entries()),
      }
    },
  },
}

for (const [name, { network, options, programs, budgets, use }] of Object.entries(twins))
  test(name, async () => {
    const run = async (into: Set<string>): Promise<Numbers> => {
      const model = await modelOf(network(), { input, batchSize: 3, seed: 3, ...options })
      try {
        return await use(model)
      } finally {
        noteRecords(model, programs, into)
        await model.dispose()
      }
    }
    const expected = await run(new Set())
    const found = await withBudgets({ ...small, ...budgets }, () => run(seen))
    for (const [key, numbers] of Object.entries(expected))
      expectClose(key, found[key], numbers, 1e-4)
  })

for (const method of ['bptt', 'sltt'] as const)
  test(`weights of whole numbers, ${method}: the same bits forward, close gradients`, async () => {
    const text = `conv 16 3 padding=1, fires, conv 40 3 padding=1, fires, avgPool2d 2, conv 40 1,
      fires, flatten, linear 3`
    const network = netOf(input, text, { fires: () => api.lif(neuron) })
    const options = { input, seed: 3, timeSteps: 5, batchSize: 3, method, weights: 'int8' } as const
    const expected = await modelOf(network, options)
    const wanted = await step(expected)
    await withBudgets(small, async () => {
      const model = await modelOf(network, options)
      const found = await step(model)
      noteRecords(model, ['train', 'evaluate', 'prepare'], seen)
      // Whole numbers: the same however they are added.
      assert.equal([found.output, found.loss], [wanted.output, wanted.loss])
      for (const [key, numbers] of Object.entries(wanted))
        expectClose(key, found[key], numbers, 1e-4)
    })
    assert.ok(Object.values(expected.firingRates()).every((rate) => rate > 0))
  })

test('each kind of record had several units and a rest, each counter was carried over', () => {
  assert.equal(
    wanted().filter((of) => !seen.has(of)),
    [],
  )
})

test.run()
