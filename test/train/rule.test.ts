/** Optimizers as texts: their steps, what they keep, what they refuse, and where they go on. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { optimizerOf } from '../../src/compile/optimizer-kind.js'
import * as api from '../../src/index.js'
import { fitRounds } from '../../src/scale/index.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { learnSame } from '../support/learning.js'
import { expectClose, expectSameBits, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileToy, toy } from '../support/toy.js'
import { collect } from '../support/trainings.js'

const { rule } = api
const train = toy(43, 1).data

const MOMENTUM = 'g = g + decay*p; m = beta*m + g; p = p - lr*m'
const RMSPROP = `g = g + decay*p
  square_avg = alpha*square_avg + (1 - alpha)*g*g
  momentum_buffer = momentum*momentum_buffer + g/(sqrt(square_avg) + eps)
  p = p - lr*momentum_buffer`
const ADAM = `m = beta1*m + (1 - beta1)*g  # as PyTorch's, without decay
  v = beta2*v + (1 - beta2)*g^2
  p = p - lr*correction1*m/(sqrt(v*correction2) + eps)`
const BY_STEP = `m = b1*m + (1 - b1)*g; v = b2*v + (1 - b2)*g^2
  p = p - lr*m/(1 - b1^step)/(sqrt(v/(1 - b2^step)) + eps)`
const LION = 'p = p - lr*sign(b1*m + (1 - b1)*g); m = b2*m + (1 - b2)*g'

/** What a step makes of one parameter, in float64. */
type Reference = (p: number, g: number, kept: number[], lr: number, n: number) => number

const adamOf: Reference = (p, g, kept, lr, n) => {
  kept[0] = 0.75 * kept[0] + 0.25 * g
  kept[1] = 0.875 * kept[1] + 0.125 * g ** 2
  const scale = Math.sqrt(kept[1] / (1 - 0.875 ** n)) + 0.01
  return p - (lr * kept[0]) / (1 - 0.75 ** n) / scale
}

const references: readonly (readonly [string, api.RuleOptions, number, Reference])[] = [
  [ADAM, { beta1: 0.75, beta2: 0.875, eps: 0.01 }, 2, adamOf],
  [BY_STEP, { b1: 0.75, b2: 0.875, eps: 0.01 }, 2, adamOf],
  [
    LION,
    { b1: 0.5, b2: 0.75 },
    1,
    (p, g, kept, lr) => {
      const next = p - lr * Math.sign(0.5 * kept[0] + 0.5 * g)
      kept[0] = 0.75 * kept[0] + 0.25 * g
      return next
    },
  ],
  [
    // Eight states: the gradients of the last eight steps.
    `p = p - lr*(a + b + c + d + e + f + h + i + where(step > 2, max(g, 0), tanh(g)))
     i = h; h = f; f = e; e = d; d = c; c = b; b = a; a = g`,
    {},
    8,
    (p, g, kept, lr, n) => {
      const sum = kept.slice(0, 8).reduce((all, x) => all + x, 0)
      kept.unshift(g)
      return p - lr * (sum + (n > 2 ? Math.max(g, 0) : Math.tanh(g)))
    },
  ],
]

for (const [text, options, states, of] of references)
  test(`steps of ${text.slice(0, 40)}… are those of float64, for any number of parameters`, () => {
    for (const size of [1, 15, 50, 5000]) {
      const optimizer = rule(text, options)
      const plan = api.ops.update.plan({ shape: [size], optimizer })
      assert.equal(plan.kernels.slice(1), ['RuleStep'])
      const kept = Array.from({ length: size }, () => Array<number>(8).fill(0))
      const p = uniform(size, 1, 1)
      const wanted = Array.from(p)
      const arrays = Array.from({ length: states }, () => new Float32Array(size))
      for (let step = 1; step < 12; step++) {
        const g = uniform(size, 2, step + 1)
        const [lr, n] = [0.5 / step, step]
        plan.run(p, g, ...arrays, { step, lr })
        wanted.forEach((value, i) => {
          wanted[i] = of(value, g[i], kept[i], lr, n)
        })
      }
      expectClose(`${size}`, p, wanted, 1e-5)
    }
  })

/** Each method, with what an update may do besides. */
const trainings: readonly (readonly [string, Partial<api.CompileOptions>, api.FitOptions])[] = [
  ['rate m', { method: 'rate', threads: 2 }, { clipNorm: 0.3, freeze: '1' }],
  ['rate s', { method: 'rate', stepMode: 's' }, { accumulate: 2, ema: 0.9 }],
  ['bptt m', { method: 'bptt', threads: 3 }, { schedule: api.cosine() }],
  ['bptt s', { method: 'bptt', stepMode: 's', gradientCheckpoint: 'layers' }, { dropLast: false }],
  ['ottt', { method: 'ottt' }, { clipNorm: 1 }],
  ['sltt', { method: 'sltt', update: 'everyStep', threads: 2 }, { ema: 0.5 }],
  ['os', { method: 'os' }, {}],
]

const groups = [
  { params: '*.bias', lr: 0.02 },
  { params: '5', weightDecay: 0.1 },
]
const common = { lr: 0.05, weightDecay: 0.01, groups }
const pairs: Readonly<Record<string, readonly [api.Optimizer, api.Optimizer]>> = {
  sgd: [api.sgd(common), rule(MOMENTUM, { ...common, beta: 0.9 })],
  rmsprop: [
    api.rmsprop({ ...common, alpha: 0.9, momentum: 0.5, decay: 'all' }),
    rule(RMSPROP, { ...common, alpha: 0.9, momentum: 0.5, eps: 1e-8, decay: 'all' }),
  ],
}

for (const [name, options, fit] of trainings)
  test(`${name}: texts have the bits of what they say, groups and all`, async () => {
    for (const [kind, both] of Object.entries(pairs)) {
      const models = await Promise.all(
        both.map(async (optimizer) => {
          const model = await compileToy(options)
          await model.fit(train, { epochs: 2, optimizer, ...fit })
          return model
        }),
      )
      const [one, other] = models.map((model) => model.stateDict())
      expectSameBits(kind, one, other)
      if (fit.ema) expectSameBits(kind, models[0].averages(), models[1].averages())
      const fresh = await compileToy(options)
      assert.not.equal(one['0.weight'].data, fresh.stateDict()['0.weight'].data)
    }
  })

test('a name or a text alone stands for an optimizer', async () => {
  const text = 'm = 0.5*m + g; p = p - lr*m'
  for (const [given, wanted] of [
    ['adam', api.adam()],
    [text, rule(text)],
  ] as const) {
    const model = await compileToy({ optimizer: given })
    assert.equal(model.optimizer, wanted)
    const other = await compileToy()
    await other.fit(train, { optimizer: given })
    await model.fit(train)
    expectSameBits(given, model.stateDict(), other.stateDict())
  }
  assert.is(
    await messageOf(() => compileToy({ optimizer: 'adamm' })),
    'compile.optimizer must be made by sgd, adam, adamW, rmsprop, as in sgd({ lr: 0.1 }), got ' +
      '"adamm"',
  )
})

const mistakes: readonly (readonly [string, object, string])[] = [
  ['p = p - lr*grad', {}, 'line 1, column 12: unknown name grad; known are p, g, lr, decay, step'],
  ['m = g\n p = p - lr*mm', {}, 'line 2, column 13: unknown name mm; known are'],
  ['p = p - lr*(g', {}, 'line 1, column 12: the parenthesis is not closed'],
  ['p = p - lr*g; lr = 1', {}, 'line 1, column 15: lr is a number, which no line assigns'],
  ['beta = 1; p = p - lr*beta*g', { beta: 1 }, 'column 1: beta is a number, which no line'],
  ['exp = g; p = p - lr*exp', {}, 'column 1: exp has a meaning of its own; take another name'],
  ['spike = g > 0; p = p - lr', {}, 'column 1: spike has a meaning of its own; take another'],
  ['average = average + g; p = p - lr*average', {}, 'column 1: average has a meaning of its own'],
  ['dp/dt = -lr*g', {}, 'line 1, column 1: a line must be name = expression'],
  ['p = p - lr*g; p > 0', {}, 'line 1, column 15: a line must be name = expression'],
  ['p = p - lr*randn()', {}, 'column 12: randn is for lines that a time step runs'],
  ['p = p - lr*correction1*g', { beta2: 0.5 }, 'column 12: unknown name correction1; known are'],
  ['m = lr*g', {}, 'a line p = … is missing, which gives the parameter anew, as in p = p - lr*g'],
  ['p = p - 0.1*g', {}, 'no line reads lr, the learning rate, by which schedules and groups act'],
  ['p = p - lr*g', { beta: 0.5 }, 'no line reads beta; leave it out'],
  ['p = p - lr*g', { weightDecay: 1 }, 'no line reads decay, the weight decay; leave weightDecay'],
  ['p = p - lr*g', { groups: [{ params: '1', weightDecay: 1 }] }, 'no line reads decay'],
  ['p = p - lr*g*b', { b: Number.NaN }, '.b must be a finite number, got NaN'],
  ['p = p - lr*g*b', { b: '1' }, '.b must be a finite number, got "1"'],
  ['p = p - lr*g*beta1', { beta1: 1 }, '.beta1 must be a number in 0…1 (1 excluded), got 1'],
  ['p = p - lr*g', { step: 1 }, '.step is not an option; known are lr, weightDecay, decay, groups'],
  ['p = p - lr*g', { 'a b': 1 }, '.a b is not an option; known are lr, weightDecay, decay, groups'],
  ['p = p - lr*g', [] as never, "'s options must be an object with any of lr, weightDecay"],
  ['p = p - lr*g', { lr: -1 }, '.lr must be ≥ 0, got -1'],
  ['p = p - lr*g', { decay: 'none' }, ".decay must be 'all' or 'weights', got \"none\""],
  [5 as never, {}, '.text must be a text, as in "p = p - lr*g", got 5'],
  [
    `${[...'abcdefhij'].map((name) => `${name} = g - ${name}`).join(';')}; p = p - lr*a`,
    {},
    'there must be at most 8 states, names that a line reads before one assigns them, got a, b, c,',
  ],
  [
    'p = p - lr*g*(a + b + c + d + e + f + h + i)',
    Object.fromEntries([...'abcdefhi'].map((name) => [name, 1])),
    'must have at most 7 numbers of its own, got a, b, c, d, e, f, h, i; write the others into',
  ],
]

test('mistakes in texts and numbers are told, with their places', async () => {
  for (const [text, options, wanted] of mistakes) {
    const message = await messageOf(async () => rule(text, options as never))
    const begins = [': ', '', ' '].some((between) => message.startsWith(`rule${between}${wanted}`))
    assert.ok(begins || message.includes(wanted), `${message} instead of ${wanted}`)
    assert.ok(message.startsWith('rule'), message)
  }
  const model = await compileToy()
  const before = model.optimizer
  const wrong = { ...rule('p = p - lr*g'), text: 'p = p - lr*h' }
  for (const call of [
    () => model.fit(train, { optimizer: wrong }),
    () => model.fit(train, { optimizer: wrong.text }),
    async () => {
      model.optimizer = wrong
    },
  ])
    assert.match(await messageOf(call), /^rule: line 1, column 12: unknown name h/)
  assert.equal(model.optimizer, before)
})

/** Counts its steps in a state, and reads their number: where both agree, p moves by lr*g. */
const COUNTS = 'n = n + 1; p = p - lr*where(n == step, g, 1000)'

/** What is 0 and has no gradient is left alone. */
async function withoutZeros(): Promise<api.Model> {
  const model = await compileToy()
  const state = model.stateDict()
  for (const { data } of Object.values(state)) data.set(data.map((value) => value || 0.01))
  model.loadStateDict(state)
  return model
}

test('steps are counted from 1, in checkpoints too, until another text begins', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'checkpoint')
    const plain = { epochs: 2, optimizer: api.sgd({ lr: 0.1, momentum: 0 }) }
    const counting = { epochs: 2, optimizer: rule(COUNTS, { lr: 0.1 }) }
    const [one, two, again] = [await withoutZeros(), await withoutZeros(), await withoutZeros()]
    const same = (what: string) => expectSameBits(what, one.stateDict(), two.stateDict())
    await one.fit(train, plain)
    await two.fit(train, counting)
    same('one behind the other')
    await two.saveCheckpoint(path)
    await again.loadCheckpoint(path)
    assert.equal(again.optimizer, two.optimizer)
    await again.fit(train, counting)
    for (const more of [{}, { ema: 0.9 }, { clipNorm: 1e9 }]) {
      await one.fit(train, { ...plain, ...more })
      await two.fit(train, { ...counting, ...more })
      same(`with ${Object.keys(more)}`)
      if (Object.keys(more).length === 0)
        expectSameBits('loaded', two.stateDict(), again.stateDict())
    }
    two.resetOptimizer()
    await one.fit(train, plain)
    await two.fit(train, counting)
    same('reset')
    // Another text begins anew.
    await one.fit(train, plain)
    await two.fit(train, { ...counting, optimizer: rule(`${COUNTS} # again`, { lr: 0.1 }) })
    same('another text')
  }))

test('a run goes on with the bits of one that was not stopped, by the same text alone', async () => {
  const options = { epochs: 3, optimizer: rule(BY_STEP, { b1: 0.9, b2: 0.99, eps: 1e-6 }) }
  const whole = await compileToy()
  const { callback, files } = collect()
  await whole.fit(train, { ...options, callbacks: [callback] })
  const resume = await files[0]()
  const model = await compileToy({ threads: 2 })
  await model.fit(train, { ...options, resume })
  expectSameBits('resumed', model.stateDict(), whole.stateDict())
  const text = `${BY_STEP} `
  const optimizer = rule(text, { b1: 0.9, b2: 0.99, eps: 1e-6 })
  assert.match(
    await messageOf(() => model.fit(train, { ...options, resume, optimizer })),
    /^fit\.resume: the checkpoint was made by another training; it has optimizer\.text/,
  )
  const other = { ...options, optimizer: rule(BY_STEP, { b1: 0.8, b2: 0.99, eps: 1e-6 }) }
  assert.match(
    await messageOf(() => model.fit(train, { ...other, resume })),
    /it has optimizer\.numbers\.b1 0\.9 instead of 0\.8/,
  )
})

test('a checkpoint holds states by their names', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'checkpoint.safetensors')
    const model = await compileToy({ optimizer: rule(MOMENTUM, { beta: 0.5 }) })
    await model.fit(train)
    await model.saveCheckpoint(path)
    const { readFileSync } = await import('node:fs')
    assert.match(readFileSync(path).toString('latin1'), /"optimizer\.m\.0\.weight"/)
    const message = await messageOf(async () => {
      model.optimizer = optimizerOf('x', `${MOMENTUM};`.replace('beta', '0.5'))
      await model.trainStep(new Float32Array(8 * 60), new Int32Array(8))
      await model.loadCheckpoint(path)
      assert.equal(model.optimizer, rule(MOMENTUM, { beta: 0.5 }))
      throw new Error('all went well')
    })
    assert.is(message, 'all went well')
  }))

test('where a value would not be finite, a parameter and its states stay', async () => {
  const optimizer = rule('m = m + g; p = p - lr*m/(g - 1)')
  const plan = api.ops.update.plan({ shape: [3], optimizer })
  const [p, m] = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)]
  const { parameters, m: kept, nonFinite } = plan.run(p, Float32Array.of(2, 1, 3), m, { lr: 1 })
  assert.equal([...parameters], [-5, 2, -1.5])
  assert.equal([...kept], [6, 5, 9])
  assert.equal(nonFinite, undefined)
})

test('files that learn run texts and adam, with the bits of the model', async () => {
  const adam = api.adam({ lr: 0.01, weightDecay: 0.1 })
  const counted = rule(`${BY_STEP}`, { b1: 0.9, b2: 0.99, eps: 1e-3, lr: 0.01 })
  const decayed = rule(MOMENTUM, { beta: 0.5, lr: 0.02, weightDecay: 0.1, decay: 'all' })
  for (const optimizer of [adam, api.rmsprop({ lr: 0.003 }), counted, decayed]) {
    const model = await compileToy({ optimizer }, 'conv 5 3, lif, flatten, linear 4')
    const lr = (step: number) => optimizer.lr / (1 + step)
    await learnSame(model, Math.random, 4, { title: optimizer.kind })
    model.resetOptimizer()
    const simple = { lr, target: 'scalar', title: `${optimizer.kind}, scalar` } as const
    await learnSame(model, Math.random, 4, simple)
  }
})

test('rounds of replicas carry states and the count of steps', async () => {
  const rounds = { replicas: 1, syncEvery: 2, outerLr: 1, outerMomentum: 0 }
  const [one, two] = [await withoutZeros(), await withoutZeros()]
  const plain = { epochs: 2, optimizer: api.sgd({ lr: 0.1, momentum: 0 }) }
  await fitRounds(one, train, { ...plain, rounds })
  await fitRounds(two, train, { epochs: 2, optimizer: rule(COUNTS, { lr: 0.1 }), rounds })
  expectSameBits('rounds', one.stateDict(), two.stateDict())
})

test.run()
