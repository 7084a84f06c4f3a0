/**
 * Losses and penalties on rates in whole networks: values and gradients against PyTorch's autograd
 * (test/fixtures/losses), which method has which, and that nothing else changes.
 */

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import type { BuiltIn } from '../../src/compile/loss-kind.js'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { relativeError } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import { usualModes } from '../support/tables.js'

interface Case {
  readonly method: api.Method
  readonly loss: { readonly kind: BuiltIn }
  readonly penalties: readonly Parameters<typeof api.ratePenalty>[0][]
  readonly value: number
  readonly penalty: number
  readonly gradients: readonly number[]
}
interface Fixture {
  readonly timeSteps: number
  readonly input: readonly number[]
  readonly labels: readonly number[]
  readonly values: readonly number[]
  readonly parameters: readonly (readonly number[])[]
  readonly cases: readonly Case[]
}
const file = new URL('../../../test/fixtures/losses/losses.json', import.meta.url)
const fixture: Fixture = JSON.parse(readFileSync(file, 'utf8'))

const makers = {
  crossEntropy: api.crossEntropy,
  mse: api.mse,
  tet: api.tet,
  selfDistillation: api.selfDistillation,
}
const lossOf = ({ kind, ...options }: Case['loss']): api.Loss =>
  (makers[kind] as (options: object) => api.Loss)(options)

const names = ['1', '3', '5'].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`])
const small = (): api.Block => netOf([5, 1, 1], 'flatten, linear 6, lif, linear 4, lif, linear 3')

async function compiled(c: Case, stepMode: api.StepMode, more?: Partial<api.CompileOptions>) {
  const model = await modelOf(small(), {
    input: [5, 1, 1],
    timeSteps: fixture.timeSteps,
    batchSize: fixture.labels.length,
    method: c.method,
    stepMode,
    loss: lossOf(c.loss),
    penalties: c.penalties.map((penalty) => api.ratePenalty(penalty)),
    ...(c.method === 'sltt' && c.loss.kind === 'crossEntropy' && { mseWeight: 0 }),
    ...more,
  })
  const state = model.stateDict()
  for (const [i, name] of names.entries()) state[name].data.set(fixture.parameters[i])
  model.loadStateDict(state)
  return model
}

const targetsOf = ({ loss }: Case): ArrayLike<number> => {
  const made = lossOf(loss)
  const values = made.kind === 'mse' && made.targets === 'values'
  return values ? Float32Array.from(fixture.values) : fixture.labels
}

for (const [i, c] of fixture.cases.entries())
  test(`${c.method} ${JSON.stringify(c.loss)} ${JSON.stringify(c.penalties)}`, async () => {
    const modes: readonly api.StepMode[] = c.method === 'sltt' ? ['s'] : ['m', 's']
    for (const stepMode of modes) {
      const debug = i % 4 === 0 ? ({ engine: 'debug' } as const) : {}
      const model = await compiled(c, stepMode, debug)
      const x = Float32Array.from(fixture.input)
      const step = await model.trainStep(x, targetsOf(c), { update: false })
      const near = (what: string, got: number, expected: number) =>
        assert.ok(Math.abs(got - expected) <= 1e-5 * Math.max(1, expected), `${what}: ${got}`)
      near('loss', step.loss, c.value + c.penalty)
      near('penalty', step.penalty, c.penalty)
      const gradients = model.gradients()
      const all = Float32Array.from(names.flatMap((name) => Array.from(gradients[name].data)))
      const error = relativeError(all, c.gradients)
      assert.ok(error <= 1e-5, `step mode ${stepMode}: gradients differ by ${error}`)
      await model.dispose()
    }
  })

// The table of docs/losses.md.
const rows: readonly [string, Partial<api.CompileOptions>, readonly api.Method[]][] = [
  ['crossEntropy()', { loss: api.crossEntropy() }, ['rate', 'bptt', 'ottt', 'sltt']],
  [
    'smoothed',
    { loss: api.crossEntropy({ labelSmoothing: 0.1 }) },
    ['rate', 'bptt', 'ottt', 'sltt'],
  ],
  ['counts', { loss: api.crossEntropy({ of: 'counts' }) }, ['rate', 'bptt']],
  ['mse()', { loss: api.mse() }, ['rate', 'bptt', 'ottt', 'sltt']],
  ['mse counts', { loss: api.mse({ of: 'counts' }) }, ['rate', 'bptt']],
  ['mse values', { loss: api.mse({ targets: 'values' }) }, ['rate', 'bptt', 'ottt', 'sltt']],
  ['tet()', { loss: api.tet() }, ['bptt', 'ottt', 'sltt']],
  ['penalty', { penalties: [api.ratePenalty({ weight: 1 })] }, ['rate', 'bptt']],
]
const reasons: Record<string, RegExp> = {
  counts: /^loss crossEntropy\(\{ of: 'counts' \}\) needs all steps .* 'rate' or 'bptt'/,
  'mse counts': /^loss mse\(\{ of: 'counts' \}\) needs all steps before its gradient/,
  'tet()': /^loss tet\(\) needs a gradient of each step.* 'rate' .* 'bptt' or 'ottt' or 'sltt'/,
  penalty:
    /^penalties need all steps before their gradient.*use 'rate' or 'bptt', or penalties: \[\] to take/,
}

test('each method has the losses of the table, and refuses the others by name', async () => {
  for (const [what, options, having] of rows)
    for (const [method, stepMode] of usualModes) {
      const compile = () =>
        modelOf(small(), { input: [5, 1, 1], batchSize: 2, method, stepMode, ...options })
      if (having.includes(method)) {
        const model = await compile()
        const y = what === 'mse values' ? new Float32Array(6) : [0, 2]
        const { loss } = await model.trainStep(new Float32Array(10).fill(1), y)
        assert.ok(Number.isFinite(loss), `${what}, ${method}`)
        await model.dispose()
      } else {
        await expectRefusal(compile, reasons[what])
      }
    }
})

test('mseWeight with another loss, and targets of the wrong kind, are refused by name', async () => {
  const shared = { input: [5, 1, 1], batchSize: 2 } as const
  const f = () => ({ loss: 0, gradient: new Float32Array(6) })
  const own = api.custom(f, { of: 'steps' })
  for (const method of ['ottt', 'sltt', 'os'] as const)
    for (const loss of [api.mse(), api.tet(), api.custom('(y - target)^2'), own]) {
      await expectRefusal(
        () => modelOf(small(), { ...shared, method, mseWeight: 0.1, loss }),
        new RegExp(
          `^mseWeight is an option of loss crossEntropy\\(\\), got it with ${loss.kind}\\(`,
        ),
      )
      await modelOf(small(), { ...shared, method, loss })
    }
  const made =
    "must be made by .*, as in crossEntropy\\(\\) or custom\\(f\\), or be a text such as '\\(y - target\\)\\^2', got "
  for (const [loss, got] of [
    ['y', '"y"$'],
    [f, 'the function f$'],
  ] as const)
    await expectRefusal(
      () => modelOf(small(), { ...shared, loss: loss as never }),
      new RegExp(`^compile.loss ${made}${got}`),
    )
  const model = await modelOf(small(), { ...shared, loss: api.mse({ targets: 'values' }) })
  const x = new Float32Array(10)
  await expectRefusal(
    () => model.trainStep(x, [0, 1]),
    /y must be a Float32Array \[2, 3\] with this loss/,
  )
  await expectRefusal(
    () => model.trainStep(x, new Float32Array(5)),
    /y must hold \[2, 3\] = 6 numbers, got 5/,
  )
  const broken = new Float32Array(6).fill(Number.NaN)
  await expectRefusal(() => model.trainStep(x, broken), /y must hold finite numbers/)
  await model.dispose()
  // What is refused changes nothing.
  const labels = await modelOf(small(), { ...shared, method: 'rate' })
  const of = { images: new Float32Array(20), labels: [0, 1, 2, 0], classes: 3 }
  const data = api.fromArrays({ ...of, shape: [5, 1, 1] })
  const before = labels.stateDict()
  await expectRefusal(() => labels.fit(data, { loss: api.tet() }), /^loss tet\(\) needs/)
  assert.equal(labels.stateDict(), before)
  await labels.fit(data, { loss: api.mse(), penalties: [api.ratePenalty({ weight: 0.1 })] })
})

const penalties: readonly api.RatePenalty[] = [
  api.ratePenalty({ weight: 2, target: 0.2 }),
  api.ratePenalty({ weight: 1, norm: 'L1', target: 0.1, layers: '4' }),
]
const random = testRandom(5)
const images = Float32Array.from({ length: 6 * 72 }, () => 2 * random())
const labels = [0, 1, 2, 0, 1, 2]

async function trained(options: Partial<api.CompileOptions>): Promise<api.Model> {
  const shared = { input: [2, 6, 6], batchSize: 6, timeSteps: 5, penalties } as const
  const text = 'conv 5 3 padding=1, norm, lif, conv 9 3 padding=1, lif, flatten, linear 3'
  const model = await compileNet(text, { ...shared, ...options })
  await model.trainStep(images, labels)
  await model.trainStep(images, labels)
  return model
}

test('threads and gradientCheckpoint change no bit of a training with penalties', async () => {
  const all = await Promise.all(
    (
      [
        [{ method: 'rate' }, { method: 'rate', threads: 3 }],
        [{ method: 'bptt' }, { method: 'bptt', gradientCheckpoint: 'layers' }],
        [
          { method: 'bptt', loss: api.tet() },
          { method: 'bptt', loss: api.tet(), threads: 2, gradientCheckpoint: 'layers' },
        ],
      ] satisfies Partial<api.CompileOptions>[][]
    ).map((pair) => Promise.all(pair.map(trained))),
  )
  for (const [one, other] of all) {
    assert.equal(other.stateDict(), one.stateDict())
    await Promise.all([one.dispose(), other.dispose()])
  }
})

test('padding counts nowhere, and evaluate has the loss without penalties', async () => {
  const shared = { input: [2, 6, 6], timeSteps: 5, penalties } as const
  for (const loss of [api.crossEntropy({ labelSmoothing: 0.2 }), api.mse(), api.tet()]) {
    const method = loss.kind === 'tet' ? 'bptt' : 'rate'
    // Without BatchNorm, whose statistics padding is part of.
    const plain = netOf(shared.input, 'conv 5 3, lif, conv 4 3, lif, flatten, linear 3')
    const found = { ...shared, penalties: [{ ...penalties[0] }], loss, method } as const
    const [large, small] = [
      await modelOf(plain, { ...found, batchSize: 6 }),
      await modelOf(plain, { ...found, batchSize: 4 }),
    ]
    small.loadStateDict(large.stateDict())
    const four = images.subarray(0, 4 * 72)
    const expected = await small.trainStep(four, labels.slice(0, 4), { update: false })
    // As `fit` does with a data set that is smaller than a batch.
    const of = { images: four, labels: labels.slice(0, 4), classes: 3 }
    const data = api.fromArrays({ ...of, shape: [2, 6, 6] })
    const seen: number[] = []
    await large.fit(data, { epochs: 1, onStep: ({ loss }) => seen.push(loss) })
    assert.ok(expected.penalty > 0.01, `penalty ${expected.penalty}`)
    assert.ok(Math.abs(seen[0] - expected.loss) < 1e-5, `${seen[0]}, not ${expected.loss}`)
    const [a, b] = [large.gradients(), small.gradients()]
    for (const name of Object.keys(a)) {
      const error = relativeError(a[name].data, b[name].data)
      assert.ok(error < 1e-5, `${name} ${error}`)
    }
    const evaluated = await small.evaluate(data)
    const apart = Math.abs(evaluated.loss - (expected.loss - expected.penalty))
    assert.ok(apart < 1e-5, `evaluate: ${evaluated.loss}, not ${expected.loss - expected.penalty}`)
    await Promise.all([large.dispose(), small.dispose()])
  }
})

test('a penalty of weight 0 changes no bit', async () => {
  const [none, zero] = [
    await trained({ penalties: [] }),
    await trained({ penalties: [api.ratePenalty({ weight: 0 })] }),
  ]
  assert.equal(zero.stateDict(), none.stateDict())
})

test.run()
