/** What must not depend on where lines stand, where calls end, and how a number is written. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool2d,
  checkNeuron,
  compile,
  conv2d,
  flatten,
  groupNorm,
  lif,
  linear,
  neuron,
  recurrent,
  sequential,
} from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { expectNear, expectSameBits } from '../support/ops.js'

const wave = (count: number, scale = 2): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * scale)
const ones = (count: number): Float32Array => new Float32Array(count).fill(1)

test('outputs that do not depend on the current of their step have gradients through time', () => {
  const late = [
    'spike = u >= 1; u = 0.9*u + x - detach(spike)',
    'di/dt = (x - i)/3; du/dt = (i - u)/5; spike = u >= 0.2; u = u - 0.2*detach(spike)',
    'output = u; u = tanh(0.5*u + x)',
  ]
  for (const text of late)
    for (const T of [3, 8, 20]) assert.ok(checkNeuron(text, {}, { steps: T }).ok, text)
})

test('states that are assigned numbers round as those that are read from memory', async () => {
  for (const [text, parameters] of [
    ['u = 0.9*u + x*where(on > 0, 1.3, 1); spike = u >= 1; u = u - spike; on = 1', {}],
    ['spike = x*0 + q/tau >= 1; q = 41', { tau: 41 }],
    ['u = u*0.5 + x*(g*gate); spike = u >= 1; u = u - spike; gate = 0.7', { g: 1.3 }],
  ] as const) {
    const net = (): ReturnType<typeof sequential> =>
      sequential(linear(6, 12), neuron(text, parameters), linear(12, 3))
    const shared = { input: [6], timeSteps: 8, seed: 3 } as const
    const batch = await compile(net(), { ...shared, batchSize: 1 })
    const stream = await compile(net(), { ...shared, purpose: 'stream', batchSize: 1 })
    const x = wave(6)
    const { logits } = await batch.predict(x)
    let last = logits
    for (let t = 0; t < 8; t++) last = (await stream.step(x)).logits
    expectNear(text, last, logits, 1e-6)
    await batch.dispose()
    await stream.dispose()
  }
})

test('the way back has the states of the way there, however many steps are written out', () => {
  const text = 'output = where(q/tau >= 1, 10*x, x); q = q*0.1'
  const options = { text, parameters: { tau: 41 }, init: { q: 41 } }
  for (const T of [1, 8, 9]) {
    const input = [1, T, 4]
    const values = ops.neuron({ ...options, input, outputs: ['values'] }, ones(4 * T))
    const gradient = ops.neuronBackward({ ...options, input }, ones(4 * T), ones(4 * T))
    expectSameBits(`T ${T}`, gradient as Float32Array, values as Float32Array)
  }
})

test('the trace of spikes decays as the potential, however lines are written', async () => {
  const gradient = async (text: string, solver: 'euler' | 'exponentialEuler' = 'euler') => {
    const first = neuron(text, {}, { surrogate: '0.3', solver })
    const net = sequential(linear(5, 8), first, linear(8, 3))
    const shared = { input: [5], timeSteps: 6, batchSize: 2, method: 'ottt', seed: 2 } as const
    const model = await compile(net, shared)
    await model.trainStep(wave(10, 6), [0, 1], { update: false })
    const { data } = model.gradients()['2.weight']
    await model.dispose()
    assert.ok(data.some((g) => g !== 0))
    return data
  }
  const charged = (spike: string): string =>
    `u = u*0.5 + x; spike = ${spike}; u = u - detach(spike)`
  const expected = await gradient(charged('u >= 1'))
  for (const spike of ['2*u >= 2', '-u <= -1'])
    expectSameBits(spike, await gradient(charged(spike)), expected)
  const fires = 'spike = u >= 1; u = u - detach(spike)'
  const scaled = (by: number) =>
    gradient(`u = u*0.7 + x; spike = ${by}*u >= ${by}; u = u - detach(spike)`)
  expectNear('3e6', await scaled(3e6), await scaled(1), 1e-6)
  for (const tau of [0.8, 3, 40]) {
    const leak = Math.exp(-1 / tau)
    const exact = await gradient(`u = ${leak}*u + ${tau * (1 - leak)}*x; ${fires}`)
    const solved = await gradient(`du/dt = x - u/${tau}; ${fires}`, 'exponentialEuler')
    expectNear(`${tau}`, solved, exact, 1e-5)
  }
})

test('methods of single steps refuse neurons whose steps do not depend on their own current', async () => {
  const late = neuron('spike = u >= 1; u = 0.9*u + x - detach(spike)')
  const net = sequential(linear(5, 8), late, linear(8, 3))
  for (const method of ['sltt', 'ottt'] as const)
    assert.match(
      await compile(net, { input: [5], batchSize: 2, method }).then(
        String,
        ({ message }) => message,
      ),
      /^1 \(neuron\): what a step gives does not depend on its own current.*use 'rate' or 'bptt'/,
    )
})

test('exponential Euler is exact, or says that it is not', () => {
  const of = (text: string, parameters = {}, T = 3): Float32Array =>
    ops.neuron(
      {
        text: `${text}; output = v`,
        parameters,
        solver: 'exponentialEuler',
        input: [1, T, 1],
        outputs: ['values'],
      },
      ones(T),
    ) as Float32Array
  const exact = (b: number) => (t: number) => (b === 0 ? t : Math.expm1(b * t) / b)
  for (const tau of [1, 5, 1e4, 1e7])
    expectNear(`${tau}`, of('dv/dt = x - v/tau', { tau }), [1, 2, 3].map(exact(-1 / tau)), 3e-7)
  expectNear('0', of('dv/dt = x - k*v', { k: 0 }), [1, 2, 3], 1e-7)
  for (const rate of [
    'x - floor(v)',
    'x - detach(v)/2',
    '-v/2 - 0.2*sign(v)',
    'x - v^2',
    'x/(1 + v)',
  ])
    assert.throws(() => of(`dv/dt = ${rate}`), /the rate is not linear in v/)
  assert.throws(() => of('leak = -v/2; dv/dt = x + leak'), /the rate is not linear in v/)
})

test('a bound that is not in a range is never reached', () => {
  for (const ranges of ['tau > 1; tau > 0', 'tau > 0; tau > 1', 'tau > 1; tau >= 1'])
    assert.throws(() => neuron(`${ranges}; output = x/tau`, { tau: 1 }), /tau is out of the range/)
  const shape = {
    text: '0 <= beta < 1; output = x/(1 - beta)',
    parameters: { beta: 0.5 },
    learn: ['beta'],
  }
  const options = { ...shape, input: [1, 1, 1], outputs: ['values'] } as const
  const [value] = ops.neuron(options as never, ones(1), Float32Array.of(1.5)) as Float32Array
  assert.ok(value > 1e6 && value < Number.POSITIVE_INFINITY, `${value}`)
})

test('the sign of 0 is a parameter, and layers draw numbers of their own', async () => {
  const of = (p: number): Float32Array =>
    ops.neuron(
      { text: 'output = 1/(x*p)', parameters: { p }, input: [1, 1, 1], outputs: ['values'] },
      ones(1),
    ) as Float32Array
  assert.equal([of(0)[0], of(-0)[0]], [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  const net = sequential(neuron('output = x*0 + randn()'), neuron('output = x - randn()'))
  const model = await compile(net, { input: [6], batchSize: 1, purpose: 'inference' })
  const { logits } = await model.predict(wave(6))
  assert.ok(logits.every((x) => x !== 0))
  await model.dispose()
})

test('noise is the same on the way back where activations are made again in parts', async () => {
  const gradients: Float32Array[] = []
  for (const gradientCheckpoint of ['none', 'layers'] as const) {
    const net = sequential(
      conv2d(1, 16, 3, { padding: 1 }),
      lif({ vThreshold: 0.3 }),
      conv2d(16, 16, 3, { padding: 1 }),
      groupNorm(4, 16),
      neuron('output = x*(0.2 + 2*rand())'),
      adaptiveAvgPool2d(2),
      flatten(),
      linear(64, 3),
    )
    const options = {
      input: [1, 16, 16],
      timeSteps: 8,
      batchSize: 8,
      method: 'bptt',
      seed: 4,
    } as const
    const model = await compile(net, { ...options, gradientCheckpoint })
    await model.trainStep(wave(8 * 256), [0, 1, 2, 0, 1, 2, 0, 1], { update: false })
    gradients.push(model.gradients()['2.weight'].data)
    await model.dispose()
  }
  expectSameBits('gradient', gradients[1], gradients[0])
})

test('networks of recurrent texts are evaluated', async () => {
  const leaky = neuron('u = 0.8*u + x; spike = u >= 0.3; u = u - 0.3*detach(spike)')
  for (const options of [{}, { allToAll: false }]) {
    const net = sequential(linear(5, 8), recurrent(leaky, options), linear(8, 3))
    const model = await compile(net, { input: [5], batchSize: 2, method: 'bptt' })
    const { fromArrays } = await import('../../src/index.js')
    const data = fromArrays({ images: wave(10), labels: [0, 1], shape: [5], classes: 3 })
    const { operations } = await model.evaluate(data)
    assert.ok((operations?.effectiveAcs ?? 0) > 0)
    await model.dispose()
  }
})

test.run()
