/** What must not depend on where lines stand, where calls end, and how a number is written. */
import * as assert from 'uvu/assert'
import { checkNeuron, fromArrays, linear, neuron, recurrent, sequential } from '../../src/index.js'
import { leakOf, readNeuron } from '../../src/kernels/equations/neuron.js'
import * as ops from '../../src/ops/index.js'
import { expectRefusal } from '../files/temporary.js'
import { modelOf, test } from '../support/models.js'
import { compileNet } from '../support/net.js'
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
    const net = sequential(linear(6, 12), neuron(text, parameters), linear(12, 3))
    const shared = { input: [6], timeSteps: 8, seed: 3, batchSize: 1 } as const
    const batch = await modelOf(net, shared)
    const stream = await modelOf(net, { ...shared, purpose: 'stream' })
    const x = wave(6)
    const { logits } = await batch.predict(x)
    let last = logits
    for (let t = 0; t < 8; t++) last = (await stream.step(x)).logits
    expectNear(text, last, logits, 1e-6)
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

test('the way back over more than 8 steps has room for as large a text as over 8', () => {
  const step = (i: number): string =>
    `z${i} = 0.5*z${i} + 0.3*tanh(x + 0.2*theta*z${(i + 3) % 15}) + 0.1*z${i}*z${(i + 1) % 15}`
  const text = [...Array(15).keys()].map(step).concat('spike = z0 >= theta').join('\n')
  const shared = { text, parameters: { theta: 0.5 }, learn: ['theta'] }
  for (const T of [8, 9]) ops.neuronBackward.plan({ ...shared, input: [1, T, 4] }).dispose()
})

test('the trace of spikes decays as the potential, however lines are written', async () => {
  const gradient = async (text: string, solver: 'euler' | 'exponentialEuler' = 'euler') => {
    const first = neuron(text, {}, { surrogate: '0.3', solver })
    const net = sequential(linear(5, 8), first, linear(8, 3))
    const shared = { input: [5], timeSteps: 6, batchSize: 2, method: 'ottt', seed: 2 } as const
    const model = await modelOf(net, shared)
    await model.trainStep(wave(10, 6), [0, 1], { update: false })
    const { data } = model.gradients()['2.weight']
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
    await expectRefusal(
      () => modelOf(net, { input: [5], batchSize: 2, method }),
      /^1 \(neuron\): what a step gives does not depend on its own current.*use 'rate' or 'bptt'/,
    )
})

test('exponential Euler is exact, or says that it is not', () => {
  const of = (rate: string, parameters = {}): Float32Array => {
    const own = { text: `${rate}; output = v`, parameters, solver: 'exponentialEuler' } as const
    return ops.neuron({ ...own, input: [1, 3, 1], outputs: ['values'] }, ones(3)) as Float32Array
  }
  const exact = (b: number) => (t: number) => (b === 0 ? t : Math.expm1(b * t) / b)
  for (const tau of [1, 5, 1e4, 1e7])
    for (const rate of ['x - v/tau', '-(v/tau - x)', '(2*x*tau - v*2)/tau/2', '-v*(1/tau) - -x'])
      expectNear(rate, of(`dv/dt = ${rate}`, { tau }), [1, 2, 3].map(exact(-1 / tau)), 3e-7)
  expectNear('0', of('dv/dt = x - k*v', { k: 0 }), [1, 2, 3], 1e-7)
  const bent = ['x - floor(v)', 'x - detach(v)/2', '-v/2 - 0.2*sign(v)', 'x - v^2', 'x/(1 + v)']
  for (const rate of bent) assert.throws(() => of(`dv/dt = ${rate}`), /the rate is not linear in v/)
  assert.throws(() => of('leak = -v/2; dv/dt = x + leak'), /the rate is not linear in v/)
})

test('a bound that is not in a range is never reached', () => {
  for (const ranges of ['tau > 1; tau > 0', 'tau > 0; tau > 1', 'tau > 1; tau >= 1'])
    assert.throws(() => neuron(`${ranges}; output = x/tau`, { tau: 1 }), /tau is out of the range/)
  for (const [range, beta, raw, expected] of [
    ['0 <= beta < 1', 0.5, 1.5, 1 - 2 ** -24],
    ['0 < beta <= 1', 0.5, -3, 2 ** -149],
    ['-0.5 <= beta < 0', -0.25, 1, -(2 ** -149)],
    ['-1 < beta <= 0', -0.25, -3, 2 ** -24 - 1],
    ['2 <= beta < 4', 3, 5, 4 - 2 ** -22],
    ['2 <= beta < 4', 3, 1, 2],
  ] as const) {
    const own = { text: `${range}; output = x*beta`, parameters: { beta }, learn: ['beta'] }
    const options = { ...own, input: [1, 1, 1], outputs: ['values'] } as const
    assert.is(ops.neuron(options, ones(1), Float32Array.of(raw))[0], expected, range)
  }
})

test('the sign of 0 is a parameter, and layers draw numbers of their own', async () => {
  const of = (p: number): Float32Array =>
    ops.neuron(
      { text: 'output = 1/(x*p)', parameters: { p }, input: [1, 1, 1], outputs: ['values'] },
      ones(1),
    ) as Float32Array
  assert.equal([of(0)[0], of(-0)[0]], [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  const net = sequential(neuron('output = x*0 + randn()'), neuron('output = x - randn()'))
  const model = await modelOf(net, { input: [6], batchSize: 1, purpose: 'inference' })
  const { logits } = await model.predict(wave(6))
  assert.ok(logits.every((x) => x !== 0))
})

test('noise is the same on the way back where activations are made again in parts', async () => {
  const noisy = neuron('output = x*(0.2 + 2*rand())')
  const text = `conv 16 3 padding=1, lif vThreshold=0.3, conv 16 3 padding=1, groupNorm 4, noisy,
    adaptiveAvgPool2d 2, flatten, linear 3`
  const gradients: Float32Array[] = []
  for (const gradientCheckpoint of ['none', 'layers'] as const) {
    const shapes = { input: [1, 16, 16], timeSteps: 8, batchSize: 8 } as const
    const options = { ...shapes, method: 'bptt', seed: 4, gradientCheckpoint } as const
    const model = await compileNet(text, options, { noisy: () => noisy })
    await model.trainStep(wave(8 * 256), [0, 1, 2, 0, 1, 2, 0, 1], { update: false })
    gradients.push(model.gradients()['2.weight'].data)
  }
  expectSameBits('gradient', gradients[1], gradients[0])
})

test('evaluation counts what samples do, and not what fills the last batch', async () => {
  const leaky = 'u = 0.8*u + x; spike = u >= 0.3; u = u - 0.3*detach(spike)'
  // The potential is the first state of the line that fires, or the first of all.
  const still = 'a = 0*a + 2; q = 0.5*u + x; spike = q >= 0.5; u = q'
  const moving = 'a = 0*a + 2; spike = u + a >= 2.5; u = 0.5*u + x'
  for (const [layer, updates] of [
    [neuron(leaky), 4],
    [neuron(still), 1],
    [neuron(moving), 4],
    [recurrent(neuron(leaky), { init: { normal: 0.5 } }), 4],
    [recurrent(neuron(leaky), { allToAll: false }), 4],
  ] as const) {
    const data = fromArrays({ images: wave(15), labels: [0, 1, 2], shape: [5], classes: 3 })
    const results = []
    for (const batchSize of [1, 2]) {
      const net = sequential(linear(5, 8), layer, linear(8, 3))
      const model = await modelOf(net, { input: [5], timeSteps: 4, batchSize, method: 'bptt' })
      const { operations, loss, firingRates } = await model.evaluate(data)
      assert.is(operations?.membraneUpdates, 8 * updates)
      assert.ok((operations?.effectiveAcs ?? 0) > 0)
      results.push([operations, firingRates, Math.fround(loss)])
    }
    assert.equal(results[1], results[0])
  }
})

test("a trace of a layer's own spikes begins with each batch", async () => {
  const leaky = neuron('u = 0.5*u + x; spike = u >= 0.2; u = u - 0.2*detach(spike)')
  const net = sequential(linear(5, 8), recurrent(leaky), linear(8, 3))
  const options = { input: [5], timeSteps: 5, batchSize: 2, method: 'ottt', seed: 3 } as const
  const model = await modelOf(net, options)
  const gradients = async (): Promise<Float32Array> => {
    await model.trainStep(wave(10), [0, 1], { update: false })
    return model.gradients()['1.recurrent.weight'].data
  }
  const first = await gradients()
  assert.ok(first.some((g) => g !== 0))
  expectSameBits('gradient', await gradients(), first)
  const filtered = recurrent(neuron('i = 0.5*i + x; u = 0.5*u + i; spike = u >= 1'))
  await expectRefusal(
    () => modelOf(sequential(linear(5, 8), filtered, linear(8, 3)), options),
    /^1 \(recurrent\(neuron\)\): method 'ottt' has no trace of its own spikes/,
  )
})

test('the leak of a potential is known where a single constant says it', () => {
  for (const [text, expected, parameters = {}, learn = []] of [
    ['u = u*(1 - 1/tau) + x; spike = u >= 1; u = u - spike', 0.75, { tau: 4 }],
    ['u = u*(1 - 1/tau) + x; spike = u >= 1', NaN, { tau: 4 }, ['tau']],
    ['u = u*(1 - 1/tau) + x; spike = u >= 1', NaN, { tau: [4, 2] }],
    ['u = 0.5*u + 3*x; spike = -2*u <= -1; u = where(spike, 0, u)', 0.5],
    ['du/dt = x - u/8; spike = u > 1', 0.875],
    ['u = u + x; spike = u >= 1', 1],
    ['spike = x >= 1', 0],
    ['i = 0.5*i + x; u = 0.5*u + i; spike = u >= 1', NaN],
    ['i = 0.9*i + x; u = i + x; spike = u >= 1', NaN],
    ['spike = u >= 1; u = 0.5*u + x', NaN],
    ['u = 0.5*u + x^2; spike = u >= 1', NaN],
    ['u = 0.5*u; spike = u >= 1', NaN],
    ['u = 0.5*u + x; output = u', NaN],
  ] as readonly (readonly [string, number, Record<string, number>?, string[]?])[]) {
    const equations = readNeuron({ what: 'neuron', text }, Object.keys(parameters))
    const found = leakOf(equations, parameters, learn)
    assert.ok(Object.is(Math.fround(found), Math.fround(expected)), `${text}: ${found}`)
  }
})

test('where states are products of one another calls, turns and steps round the same', () => {
  const text = 'output = x*w; w = 0.7*v; v = 0.3*u; u = -0.9*tanh(x)'
  const names = { text, input: [1, 1, 1] }
  const [T, N] = [23, 20]
  const delta = Float32Array.from({ length: T * N }, (_, i) => Number(i % N === Math.floor(i / N)))
  const options = { ...names, input: [1, T, N] }
  const gradient = ops.neuronBackward(options, delta, ones(T * N).fill(0.3)) as Float32Array
  const late = Array.from({ length: N - 3 }, (_, n) => gradient[n * N + n + 3])
  assert.equal(new Set(late).size, 1)
  assert.ok(late[0] < 0)
})

test.run()
