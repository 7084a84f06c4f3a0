/**
 * Losses that are texts: that of a built-in loss is that loss, others are what a function of the
 * user's computes in float64, in every method; and what is wrong in a text is pointed at.
 */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { traitsOf } from '../../src/compile/methods.js'
import * as api from '../../src/index.js'
import { fitRounds } from '../../src/scale/index.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { expectSameBits, relativeError, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { methodModes } from '../support/tables.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'
import { fails } from '../support/trainings.js'

const IGNORED = -9

type Mode = ReturnType<typeof methodModes>[number]

/** A loss of one output by its target, of T steps, and its derivative, in float64. */
type Plain = (y: number, target: number, T: number) => readonly [loss: number, slope: number]

const squares: Plain = (y, target) => [(y - target) ** 2, 2 * (y - target)]

/** Texts, the numbers of their names, and the same by hand. */
const texts: readonly (readonly [string, Record<string, number>, Plain])[] = [
  ['(y - target)^2', {}, squares],
  [
    'd = abs(y - target)\nwhere(d < delta, 0.5*d^2, delta*(d - 0.5*delta)) # Huber',
    { delta: 0.3 },
    (y, target) => {
      const d = y - target
      const isNear = Math.abs(d) < 0.3
      return isNear ? [d ** 2 / 2, d] : [0.3 * (Math.abs(d) - 0.15), 0.3 * Math.sign(d)]
    },
  ],
  [
    'd = y - target; log(exp(d) + exp(-d))',
    {},
    (y, target) => [Math.log(2 * Math.cosh(y - target)), Math.tanh(y - target)],
  ],
  [
    'p = sigmoid(gain*T*y)\n-target*log(p) - (1 - target)*log(1 - p)',
    { gain: 0.7 },
    (y, target, T) => {
      const p = 1 / (1 + Math.exp(-0.7 * T * y))
      const loss = -target * Math.log(p) - (1 - target) * Math.log(1 - p)
      return [loss, 0.7 * T * (p - target)]
    },
  ],
]

/** The same as a function: the mean over outputs, steps and samples that count. */
const byHand = (plain: Plain, T: number, of: 'mean' | 'steps', targets: 'labels' | number) =>
  api.custom(
    ({ outputs, targets: given, shape, step, valid }) => {
      const y = outputs as Float32Array
      const [B, C] = shape.slice(-2)
      const steps = shape.length === 3 ? shape[0] : 1
      const size = given.length / B
      const gradient = new Float64Array(y.length)
      let [sum, count] = [0, 0]
      for (let b = 0; b < valid; b++)
        for (let t = 0; t < steps; t++)
          for (let c = 0; c < C; c++) {
            const at = (step + t) * (size > C ? C : 0) + c
            const target = targets === 'labels' ? Number(given[b] === c) : given[b * size + at]
            if (target === IGNORED) continue
            const i = (t * B + b) * C + c
            const [loss, slope] = plain(y[i], target, T)
            sum += loss
            count += 1
            gradient[i] = slope
          }
      // Where targets are ignored the mean is over all that the batch has.
      const over = targets === 'labels' ? count : wantedOf(given, valid, size, C, steps)
      return { loss: sum / over, gradient: gradient.map((g) => g / over) }
    },
    { of, targets },
  )

/** Outputs of all steps that count, as a share of the steps at hand. */
function wantedOf(
  given: ArrayLike<number>,
  valid: number,
  size: number,
  C: number,
  steps: number,
): number {
  const counted = Array.from(given).filter((x, i) => i < valid * size && x !== IGNORED).length
  return (counted / size) * C * steps
}

const random = testRandom(11)
const pick = (low: number, high: number): number => low + Math.floor(random() * (high + 1 - low))

/** Loss and gradients of a step that changes nothing. */
async function stepOf(
  mode: Mode,
  loss: api.Loss | string,
  of: { T: number; C: number; B: number; threads: number },
  y: ArrayLike<number>,
) {
  const { T, C, B, threads } = of
  const sizes = { input: [5] as const, batchSize: B, timeSteps: T, threads }
  const model = await compileNet(`linear 12, lif, linear ${C}`, {
    ...sizes,
    method: mode[0],
    stepMode: mode[1],
    loss,
  })
  const x = uniform(B * 5, 3, 7)
  const found = await model.trainStep(x, y, { update: false })
  const gradients = Object.values(model.gradients()).flatMap(({ data }) => Array.from(data))
  await model.dispose()
  return { loss: found.loss, gradients }
}

for (const mode of methodModes())
  test(`texts are what a function of them computes in float64, ${mode.join(' ')}`, async () => {
    const { rows } = traitsOf({ method: mode[0], stepMode: mode[1] })
    const isOnline = traitsOf({ method: mode[0], stepMode: mode[1] }).backward === 'everyCall'
    for (const [text, parameters, plain] of texts)
      for (const targets of ['labels', 'values', 'steps'] as const)
        for (const of of ['mean', 'steps'] as const) {
          const isOf = isOnline || targets === 'steps' ? 'steps' : 'mean'
          if (isOf !== of && (of === 'mean' || rows === 'one')) continue
          if (targets === 'steps' && rows === 'one') continue
          const size = { T: pick(1, 7), C: pick(1, 19), B: pick(2, 6), threads: pick(1, 2) }
          const { T, C, B } = size
          const floats = targets === 'labels' ? 0 : C * (targets === 'steps' ? T : 1)
          const labels = Array.from({ length: B }, () => pick(0, C - 1))
          const ignores = targets !== 'labels' && pick(0, 1) === 1
          const values = Float32Array.from({ length: floats * B }, (_, i) =>
            ignores && i % 4 === 1 ? IGNORED : random(),
          )
          const y = targets === 'labels' ? labels : values
          const ignore = ignores ? { ignore: IGNORED } : {}
          const asked = isOf === of ? {} : { of }
          const ours = await stepOf(
            mode,
            api.custom(text, { parameters, targets, ...ignore, ...asked }),
            size,
            y,
          )
          const own = byHand(plain, T, of, targets === 'labels' ? 'labels' : floats)
          const theirs = await stepOf(mode, own, size, y)
          const what = `${text} ${targets} ${of} ${JSON.stringify(size)}`
          assert.ok(
            Math.abs(ours.loss - theirs.loss) < 2e-6 * Math.max(1, Math.abs(theirs.loss)),
            `${what}: loss ${ours.loss}, expected ${theirs.loss}`,
          )
          const error = relativeError(ours.gradients, theirs.gradients)
          assert.ok(error < 1e-5, `${what}: gradients differ by ${error}`)
        }
  })

const { data, images, labels } = toy(22, 5)
const net = `conv 6 3 padding=1, norm, lif, flatten, linear ${toyClasses}`
const huber = api.custom('d = abs(y - target)\nwhere(d < a, d^2, 2*a*d - a^2)', {
  parameters: { a: 0.4 },
})
const compiled = (more: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  compileNet(net, { input: toyShape, timeSteps: 4, batchSize: 8, optimizer: api.adam(), ...more })

/** What training and evaluation give. */
async function trained(model: api.Model, fit: api.FitOptions) {
  const { epochs } = await model.fit(data, { epochs: 2, dropLast: false, ...fit })
  return { state: model.stateDict(), losses: epochs.map(({ trainLoss }) => trainLoss), epochs }
}

test('a text alone is custom of it, in compile and in fit, and becomes the model’s', async () => {
  const text = '(y - target)^2'
  const first = await trained(await compiled({ loss: text }), {})
  const other = await compiled()
  const second = await trained(other, { loss: text })
  const third = await trained(await compiled({ loss: api.custom(text) }), {})
  for (const { state, losses } of [second, third]) {
    expectSameBits(text, state, first.state)
    assert.equal(losses, first.losses)
  }
  const { loss } = await other.evaluate(data)
  const byMse = await compiled({ loss: api.mse() })
  byMse.loadStateDict(other.stateDict())
  const wanted = await byMse.evaluate(data)
  assert.ok(Math.abs(loss - wanted.loss) < 1e-6 * wanted.loss && wanted.loss > 0)
  assert.is((await other.evaluate(data)).accuracy, wanted.accuracy)
})

test('squares are mse, with weights of samples and padding: loss, error and gradients', async () => {
  const x = images.subarray(0, 8 * 60)
  const wanted = uniform(8 * toyClasses, 1, 3)
  const sampleWeights = [1, 0, 2, 0.5, 1, 1, 3, 1]
  const found = []
  for (const loss of [
    api.mse({ targets: 'values', ignore: wanted[5] }),
    api.custom('d = y - target; d*d', { targets: 'values', ignore: wanted[5] }),
  ]) {
    const model = await compiled({ loss })
    const step = await model.trainStep(x, wanted, { update: false, sampleWeights })
    const gradients = Object.values(model.gradients()).flatMap(({ data }) => Array.from(data))
    const some = api.fromArrays({
      images,
      targets: uniform(22 * toyClasses, 1, 4),
      shape: toyShape,
    })
    found.push({ step, gradients, ...(await model.evaluate(some)) })
  }
  const [theirs, ours] = found
  assert.is(ours.step.weight, theirs.step.weight)
  assert.is(ours.meanAbsoluteError, theirs.meanAbsoluteError)
  for (const [a, b] of [
    [ours.loss, theirs.loss],
    [ours.step.loss, theirs.step.loss],
  ])
    assert.ok(Math.abs(a - b) < 1e-6 * b, `${a} ${b}`)
  assert.ok(relativeError(ours.gradients, theirs.gradients) < 1e-6)
})

test('threads, accumulated steps, averages, and a run that goes on change no bit', async () => {
  const fit = { epochs: 3, accumulate: 2, ema: 0.9, loss: huber, clipNorm: 2 }
  const [one, two] = [await compiled(), await compiled({ threads: 2 })]
  const wanted = await trained(one, fit)
  const threads = await trained(two, { ...fit, numWorkers: 1 })
  expectSameBits('threads', threads.state, wanted.state)
  await withFolder(async (folder) => {
    const run = { ...fit, resume: folder, callbacks: [api.checkpoint({ dir: folder, every: 1 })] }
    const first = await compiled()
    await expectRefusal(() => trained(first, { ...run, onStep: fails('stop', 5) }), 'stop')
    const { parameters } = huber
    const other = api.custom(huber.text, { parameters: { ...parameters, a: 0.5 } })
    await expectRefusal(
      async () => trained(await compiled(), { ...run, loss: other }),
      /^fit.resume: .*loss/,
    )
    const second = await trained(await compiled(), run)
    expectSameBits('resumed', second.state, wanted.state)
    const path = join(folder, 'model.checkpoint')
    await one.saveCheckpoint(path)
    const loaded = await compiled()
    await loaded.loadCheckpoint(path)
    const x = images.subarray(0, 8 * 60)
    const steps = [one, loaded].map((model) => model.trainStep(x, labels.slice(0, 8)))
    const [a, b] = await Promise.all(steps)
    assert.equal(b, a)
    expectSameBits('loaded', loaded.stateDict(), one.stateDict())
  })
})

test('replicas and long sequences have texts as well', async () => {
  const rounds = { replicas: 1, syncEvery: 3, outerLr: 1, outerMomentum: 0 }
  const [alone, replica] = [await compiled(), await compiled()]
  await alone.fit(data, { epochs: 2, loss: huber })
  await fitRounds(replica, data, { epochs: 2, loss: huber, rounds })
  expectSameBits('rounds', replica.stateDict(), alone.stateDict())
  const T = 300
  const gradients = []
  for (const loss of [api.mse(), '(y - target)^2'] as const) {
    const model = await compileNet('linear 6, lif, linear 3', {
      input: [5],
      timeSteps: T,
      batchSize: 2,
      method: 'bptt',
      loss,
    })
    await model.trainStep(uniform(10, 3, 7), [0, 2], { update: false })
    gradients.push(Object.values(model.gradients()).flatMap(({ data }) => Array.from(data)))
  }
  assert.ok(relativeError(gradients[1], gradients[0]) < 1e-6)
})

test('mistakes in a text are pointed at, options that do nothing are refused', async () => {
  const { custom } = api
  await expectRefusals([
    [
      () => custom('(y - traget)^2'),
      'custom: line 1, column 6: unknown name traget; known are y, target, T\n' +
        '  (y - traget)^2\n       ^',
    ],
    [() => custom('(y - target'), /^custom: line 1, column 1: the parenthesis is not closed/],
    [() => custom('d = y - target'), /: the last line must be an expression alone/],
    [() => custom(''), /: the last line must be an expression alone/],
    [() => custom('y\ny'), /line 1, column 1: a line before the last must be name = expression/],
    [() => custom('dv/dt = y\nv'), /: a line before the last must be name = expression/],
    [() => custom('y = 2*y\ny'), /: y has a meaning of its own; take another name/],
    [() => custom('spike = y > 1\ny'), /: spike has a meaning of its own/],
    [() => custom('y + rand()'), /rand is for lines that a time step runs/],
    [() => custom('target^2'), /^custom: the text must have a derivative by y, the output, got/],
    [() => custom('round(y)'), /^custom: the text must have a derivative by y/],
    [
      () => custom('y^2', { parameters: { k: 1 } }),
      'custom: the loss does not depend on the parameter k; leave it out',
    ],
    [
      () => custom('k*y', { parameters: { k: Number.NaN } }),
      'custom.parameters.k must be a finite number, got NaN',
    ],
    [
      () => custom('y', { parameters: { target: 1 } }),
      'custom.parameters: target has a meaning of its own; give the parameter another name',
    ],
    [() => custom('y', { of: 'step' as 'steps' }), /^custom.of must be 'mean' or 'steps', got/],
    [() => custom('y', { targets: 3 as never }), /^custom.targets must be one of labels, values/],
    [
      () => custom('y', { ignore: 3 }),
      "custom.ignore is an option of targets 'values' or 'steps', got it with 'labels'",
    ],
    [
      () => custom('y', { targets: 'steps', of: 'mean' }),
      "custom.of is an option of targets 'labels' or 'values', got it with 'steps'",
    ],
    [() => custom(3 as never), /^custom must be given a function .* or a text, got 3/],
    // As names of losses are given elsewhere.
    [() => compiled({ loss: 'mse' }), /^compile.loss must be made by .* got "mse"/],
    [() => compiled({ loss: 'y - z' }), /^custom: line 1, column 5: unknown name z/],
    [() => compiled({ loss: { ...huber, text: 'y*' } }), /^custom: line 1, column 3/],
    [
      () => compiled({ loss: 3 as never }),
      /^compile.loss must be made by .*, custom, as in crossEntropy\(\) or custom\(f\), or be .*, got 3/,
    ],
    [
      () => compiled({ loss: custom('y', { of: 'steps' }) }),
      "loss custom(…, { of: 'steps' }) needs a gradient of each step, which method 'rate' has " +
        "not; use 'bptt' or 'ottt' or 'sltt' or 'os'",
    ],
    [
      () => compiled({ loss: custom('y', { targets: 'steps' }) }),
      /^loss custom\(…, \{ targets: 'steps' \}\) needs a gradient of each step/,
    ],
    [
      () => compiled({ loss: custom('y', { of: 'mean' }), method: 'sltt' }),
      /^loss custom\(…, \{ of: 'mean' \}\) needs all steps .* 'sltt' has not; use \{ of: 'steps'/,
    ],
  ])
  const model = await compiled({ loss: 'log(y - 2)' })
  await expectRefusal(() => model.fit(data), /the loss is NaN|not finite/)
})

test.run()
