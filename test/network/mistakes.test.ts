/** What users get wrong when they describe a network: the messages. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool2d,
  alif,
  avgPool2d,
  type Block,
  batchNorm2d,
  block,
  type CompileOptions,
  compile,
  conv2d,
  cubaLif,
  dropout,
  flatten,
  fromArrays,
  groupNorm,
  identity,
  integrateAndFire,
  leakyIntegrator,
  lif,
  linear,
  type Module,
  maxPool2d,
  plif,
  ratePenalty,
  recurrent,
  relu,
  residual,
  scale,
  sequential,
  sgd,
  stabilizedLif,
  timeMean,
} from '../../src/index.js'
import { layerKinds } from '../../src/nn/kind.js'
import { messageOf } from '../io/temporary.js'

// As JavaScript would call them, without types.
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those that types forbid
type Anything = any
const wrong = (value: unknown): Anything => value

const mistakes: [() => unknown, string][] = [
  [
    () => lif(wrong({ thau: 2 })),
    'lif.thau is not an option; known are tau, decayInput, vThreshold, vReset, vRest, ' +
      'inputScale, fires, refractory, detachReset, surrogate, alpha, learn',
  ],
  [
    () => lif(wrong(2)),
    "lif's options must be an object with any of tau, decayInput, vThreshold, vReset, vRest, " +
      'inputScale, fires, refractory, detachReset, surrogate, alpha, learn, got 2',
  ],
  [
    () => lif({ tau: wrong('2') }),
    'lif.tau must be a number, or an array of numbers for each channel or neuron, got "2"',
  ],
  [() => lif({ tau: Number.NaN }), 'lif.tau must be > 1, got NaN'],
  [
    () => lif({ alpha: Number.POSITIVE_INFINITY }),
    'lif.alpha must be > 0 and finite, got Infinity',
  ],
  [() => lif({ detachReset: wrong('no') }), 'lif.detachReset must be true or false, got "no"'],
  [() => lif({ decayInput: wrong(1) }), 'lif.decayInput must be true or false, got 1'],
  [
    () => lif({ surrogate: wrong('toString') }),
    'lif.surrogate must be one of sigmoid, atan, triangle, rectangle, fastSigmoid, ' +
      'piecewiseExp, erf, got "toString"',
  ],
  [
    () => integrateAndFire(wrong({ tau: 2 })),
    'integrateAndFire.tau is not an option; known are vThreshold, vReset, vRest, inputScale, ' +
      'fires, refractory, detachReset, surrogate, alpha, learn',
  ],
  [
    () => plif(wrong({ vReset: '0' })),
    'plif.vReset must be a number, or an array of numbers for each channel or neuron, got "0"',
  ],
  [
    () => plif({ tau: Number.POSITIVE_INFINITY }),
    'plif.tau must be finite to be learnt, got Infinity; give a number',
  ],
  [() => lif({ tau: 1 }), 'lif.tau must be > 1, got 1'],
  // Numbers that as float32 are infinite, or 0.
  ...[1e39, 1e-46].flatMap((x): [() => unknown, string][] => [
    [() => lif({ vThreshold: x }), `lif.vThreshold must be > 0 and finite as a float32, got ${x}`],
    [
      () => stabilizedLif({ vThreshold: x }),
      `stabilizedLif.vThreshold must be > 0 and finite as a float32, got ${x}`,
    ],
    [() => cubaLif({ alpha: x }), `cubaLif.alpha must be > 0 and finite, got ${x}`],
    [
      () => groupNorm(1, 2, { eps: x }),
      `groupNorm.eps must be > 0 and finite as a float32, got ${x}`,
    ],
  ]),
  [() => lif({ vReset: -1e39 }), 'lif.vReset must be finite as a float32, got -1e+39'],
  [
    () => stabilizedLif({ tau: wrong([2, 3]) }),
    'stabilizedLif.tau must be one number for all neurons, got [2,3]',
  ],
  [
    () => lif({ tau: wrong(null) }),
    'lif.tau must be a number, or an array of numbers for each channel or neuron, got null',
  ],
  [
    () => adaptiveAvgPool2d(wrong(new Array(2))),
    'adaptiveAvgPool2d.outputSize must be an integer ≥ 1 or a pair of them, got [null,null]',
  ],
  [() => lif({ tau: [1] }), 'lif.tau[0] must be > 1, got 1'],
  [() => lif({ tau: new Float32Array([2, 0.5]) }), 'lif.tau[1] must be > 1, got 0.5'],
  [
    () => lif({ vThreshold: [1, 1e39] }),
    'lif.vThreshold[1] must be > 0 and finite as a float32, got 1e+39',
  ],
  [() => cubaLif({ tauSyn: wrong([2n]) }), 'cubaLif.tauSyn[0] must be > 1, got 2'],
  [
    () => cubaLif({ tauSyn: wrong(Symbol('a')) }),
    'cubaLif.tauSyn must be a number, or an array of numbers for each channel or neuron, got Symbol(a)',
  ],
  [() => alif({ beta: Number.NaN }), 'alif.beta must be ≥ 0 and finite as a float32, got NaN'],
  [
    () => alif({ beta: [] }),
    'alif.beta must be a number, or an array of numbers for each channel or neuron, got []',
  ],
  [
    () => leakyIntegrator({ learn: wrong(['vThreshold']) }),
    'leakyIntegrator.learn must name parameters (tau, tauSyn), each once, got ["vThreshold"]',
  ],
  [
    () => lif({ learn: ['tau', 'tau'] }),
    'lif.learn must name parameters (tau, vThreshold), each once, got ["tau","tau"]',
  ],
  [
    () => leakyIntegrator({ learn: ['tauSyn'] }),
    'leakyIntegrator.tauSyn must be finite to be learnt, got null; give a number',
  ],
  [() => lif({ refractory: 1.5 }), 'lif.refractory must be an integer from 0 to 4096, got 1.5'],
  [() => lif({ fires: wrong('over') }), "lif.fires must be 'atOrAbove' or 'above', got \"over\""],
  [
    () => lif({ vReset: [0, 2], vThreshold: 1 }),
    'lif.vReset must be null or < vThreshold (1), got 2',
  ],
  [
    () => recurrent(leakyIntegrator()),
    'recurrent(leakyIntegrator()) has no spikes to send; it takes cells that spike, as lif()',
  ],
  [() => recurrent(recurrent(lif())), 'recurrent() takes a cell that is not recurrent yet'],
  [
    () => recurrent(lif(), { allToAll: false, bias: true }),
    'recurrent.bias must be left out or false with allToAll: false, which has none',
  ],
  [
    () => recurrent(wrong(lif)),
    'recurrent() takes a spiking layer such as lif() or cubaLif(), got the function lif',
  ],
  [
    () => compile(sequential(lif({ tau: [2, 3] }), flatten()), { input: [3, 2, 2] }),
    '0 (lif): tau has 2 numbers, expected 3 (one for each channel) or 12 (one for each neuron of [3, 2, 2]), or a single number',
  ],
  [
    () => compile(sequential(flatten(), recurrent(lif())), { input: [3] }),
    "1 (recurrent(lif)): method 'rate' has no gradient of a recurrent weight; use 'bptt' or 'ottt' or 'sltt' or 'os'",
  ],
  [
    () => compile(sequential(flatten(), lif({ learn: ['tau'] })), { input: [3], method: 'sltt' }),
    "1 (lif): method 'sltt' has no gradient of what it learns (tau); use 'rate' or 'bptt', or leave out learn",
  ],
  [
    () => conv2d(1, 2, 3, wrong({ pading: 1 })),
    'conv2d.pading is not an option; known are stride, padding, groups, bias, standardise, init',
  ],
  [
    () => conv2d(1, 2, 3, wrong(1)),
    "conv2d's options must be an object with any of stride, padding, groups, bias, " +
      'standardise, init, got 1',
  ],
  [
    () => conv2d(1, 2, wrong(undefined)),
    'conv2d.kernelSize must be an integer ≥ 1 or a pair of them, got undefined',
  ],
  [
    () => conv2d(1, 2, wrong([3, 3, 3])),
    'conv2d.kernelSize must be an integer ≥ 1 or a pair of them, got [3,3,3]',
  ],
  [() => conv2d(1, 2, 3, { bias: wrong(0) }), 'conv2d.bias must be true or false, got 0'],
  [
    () => conv2d(1, 2, 1, { standardise: true }),
    'conv2d.standardise needs more than one input for each output',
  ],
  [() => linear(4, wrong('2')), 'linear.outFeatures must be an integer ≥ 1, got "2"'],
  [
    () => linear(4, 2, wrong({ stride: 1 })),
    'linear.stride is not an option; known are bias, standardise, init',
  ],
  ...['foo', null, {}, { normal: Number.NaN }, { normal: -1 }, { normal: 1, bias: 'ones' }].map(
    (init): [() => unknown, string] => [
      () => linear(4, 2, { init: wrong(init) }),
      `linear.init must be 'default' or { normal: standard deviation, bias?: 'zeros' or ` +
        `'default' }, got ${JSON.stringify(init)}`,
    ],
  ),
  [
    () => linear(4, 2, { init: wrong({ normal: 1, mean: 2 }) }),
    'linear.init.mean is not an option; known are normal, bias',
  ],
  [
    () => batchNorm2d(2, wrong({ epsilon: 1 })),
    'batchNorm2d.epsilon is not an option; known are eps, momentum',
  ],
  [
    () => batchNorm2d(2, { momentum: wrong(null) }),
    'batchNorm2d.momentum must lie in 0…1, got null',
  ],
  [
    () => batchNorm2d(2, { eps: Number.POSITIVE_INFINITY }),
    'batchNorm2d.eps must be > 0 and finite as a float32, got Infinity',
  ],
  [
    () => avgPool2d(2, wrong({ strides: 1 })),
    'avgPool2d.strides is not an option; known are stride, padding',
  ],
  [
    () => maxPool2d(2, wrong({ dilation: 1 })),
    'maxPool2d.dilation is not an option; known are stride, padding, rate',
  ],
  [
    () => adaptiveAvgPool2d(wrong(undefined)),
    'adaptiveAvgPool2d.outputSize must be an integer ≥ 1 or a pair of them, got undefined',
  ],
  [() => dropout(wrong({ p: 0.5 })), 'dropout.p must lie in 0…1 (1 excluded), got {"p":0.5}'],
  [
    () => scale(wrong('2')),
    'scale.factor must be a finite float32 number other than 0, or an array of finite ones, got "2"',
  ],
  [
    () => sgd(wrong({ learningRate: 0.1 })),
    'sgd.learningRate is not an option; known are lr, momentum, weightDecay, nesterov, decay, groups',
  ],
  [
    () => sgd({ lr: 1e39 }),
    'sgd.lr must be at most 3.4e+38, the largest number of float32, got 1e+39',
  ],
  [
    () => sgd({ lr: 1e-50 }),
    'sgd.lr must be 0 or at least 1.4e-45, the smallest number of float32, got 1e-50',
  ],
  [() => sgd({ momentum: wrong('0.9') }), 'sgd.momentum must lie in 0…1 (1 excluded), got "0.9"'],
  [() => sgd({ nesterov: wrong('no') }), 'sgd.nesterov must be true or false, got "no"'],
  [() => sequential(), 'sequential needs at least one layer, got none'],
  [() => sequential({}), 'sequential needs at least one layer, got none'],
  [() => sequential(wrong(undefined)), 'sequential.0 must be a layer or a block, got undefined'],
  [() => sequential(wrong(null)), 'sequential.0 must be a layer or a block, got null'],
  [
    () => sequential(flatten(), wrong(lif)),
    'sequential.1 must be a layer or a block, got the function lif; call it, as in ' +
      'lif() instead of lif',
  ],
  [
    () => sequential(wrong(lif)),
    'sequential.0 must be a layer or a block, got the function lif; call it, as in ' +
      'lif() instead of lif',
  ],
  [() => sequential({ act: wrong(3) }), 'sequential.act must be a layer or a block, got 3'],
  [
    () => sequential({ 'a.b': lif() }),
    'a child\'s name must not be empty or contain a dot, got "a.b"',
  ],
  [
    () => block(wrong({ main: 1 }), (m, x) => m.main(x)),
    'block.main must be a layer or a block, got 1',
  ],
  [
    () => block(wrong(null), (_, x) => x),
    'block needs an object of children and a forward function, got null',
  ],
  [
    () => block({ act: lif() }, wrong(undefined)),
    "block's second argument must be its forward function, got undefined",
  ],
  [() => residual(wrong(undefined)), 'residual.main must be a layer or a block, got undefined'],
  [
    () => residual(wrong([lif()].slice(1))),
    'residual.main must be a layer or a block, got []; make a block of a list: sequential(a, b) ' +
      'instead of [a, b]',
  ],
  [
    () => lif(wrong(new Map([['tau', 3]]))),
    "lif's options must be an object with any of tau, decayInput, vThreshold, vReset, vRest, " +
      'inputScale, fires, refractory, detachReset, surrogate, alpha, learn, got a value of type Map',
  ],
  [
    () => conv2d(1, 1, 1, wrong(new Date(0))),
    "conv2d's options must be an object with any of stride, padding, groups, bias, " +
      'standardise, init, got a value of type Date',
  ],
  [
    () => compile(sequential(conv2d(2, 3, 2), flatten()), { input: [2, 5, 4] }),
    '1: the last layer must give one value per class, got [36]; end in linear(36, classes)',
  ],
  [
    () => compile(conv2d(2, 3, 2), { input: [2, 5, 4] }),
    'network: the last layer must give one value per class, got [3, 4, 3]; end in ' +
      'linear(36, classes) behind flatten()',
  ],
  [
    () => compile(wrong(undefined), { input: [1, 2, 3] }),
    'compile: the network must be a layer or a block, got undefined',
  ],
  [
    () => compile(wrong({}), { input: [1, 2, 3] }),
    'compile: the network must be a layer or a block, got {}',
  ],
  [
    () => compile(linear(1, 65537), { input: [1] }),
    'compile: the network must give at most 65536 outputs, got 65537; make its last layer smaller',
  ],
  [
    () => compile(flatten(), wrong({})),
    'compile.input must be [features], [channels, length] or [channels, height, width], got ' +
      'undefined',
  ],
]
for (const [call, expected] of mistakes)
  test(`error: ${expected}`, async () => assert.is(await messageOf(call), expected))

test('compile without options names them', async () => {
  const net = sequential(flatten(), linear(6, 2))
  for (const call of [() => compile(net, wrong(undefined)), () => net.compile(wrong(undefined))])
    assert.match(
      await messageOf(call),
      /^compile's options must be an object with any of input, timeSteps, .*, got undefined$/,
    )
})

const compiled = (net: Module, options: Partial<CompileOptions> = {}) =>
  messageOf(() => compile(net, { input: [1, 2, 3], ...options }))

test('options of compile that are not true or false', async () => {
  assert.is(
    await compiled(flatten(), { frames: wrong('yes') }),
    'compile.frames must be true or false, got "yes"',
  )
  assert.is(
    await compiled(flatten(), { inspect: wrong(1) }),
    'compile.inspect must be true or false, got 1',
  )
  assert.is(
    await compiled(flatten(), { timeSteps: wrong('4') }),
    'compile.timeSteps must be an integer from 1 to 4096, got "4"',
  )
  assert.is(
    await compiled(flatten(), { mseWeight: wrong(null) }),
    'mseWeight must lie in 0…1, got null',
  )
})

test('an option that the method does not take', async () => {
  const net = sequential(flatten(), linear(6, 2))
  for (const method of ['rate', 'bptt'] as const)
    for (const [option, value, takers] of [
      ['update', 'everyStep', 'ottt, sltt'],
      ['mseWeight', 0.1, 'ottt, sltt, os'],
      ['backwardSteps', 1, 'sltt'],
    ] as const)
      assert.is(
        await compiled(net, { method, timeSteps: 2, [option]: value }),
        `${option} is an option of method ${takers}, got it with ${method}`,
      )
  assert.is(
    await compiled(net, { method: 'ottt', timeSteps: 2, backwardSteps: 1 }),
    'backwardSteps is an option of method sltt, got it with ottt',
  )
  for (const method of ['rate', 'ottt', 'sltt'] as const)
    assert.is(
      await compiled(net, { method, timeSteps: 2, gradientCheckpoint: 'layers' }),
      `gradientCheckpoint is an option of method bptt, got it with ${method}`,
    )
  // So are defaults: an option that is given means something, or is refused.
  const standard = {
    update: 'afterwards',
    mseWeight: 0.05,
    backwardSteps: 2,
    gradientCheckpoint: 'none',
  } as const
  const takers = {
    update: ['ottt', 'sltt'],
    mseWeight: ['ottt', 'sltt', 'os'],
    backwardSteps: ['sltt'],
    gradientCheckpoint: ['bptt'],
  }
  for (const method of ['rate', 'bptt', 'ottt', 'sltt'] as const) {
    const model = await compile(net, { input: [1, 2, 3], method, timeSteps: 2, batchSize: 2 })
    const data = fromArrays({
      images: new Float32Array(12),
      labels: [0, 1],
      shape: [1, 2, 3],
      classes: 2,
    })
    for (const [option, value] of Object.entries(standard)) {
      const of = takers[option as keyof typeof takers]
      const options = { [option]: value }
      const refusal = `${option} is an option of method ${of.join(', ')}, got it with ${method}`
      if (of.includes(method)) {
        const other = await compile(net, { input: [1, 2, 3], method, timeSteps: 2, ...options })
        await other.dispose()
        await model.fit(data, options)
      } else {
        assert.is(await compiled(net, { method, timeSteps: 2, ...options }), refusal)
        assert.is(await messageOf(() => model.fit(data, options)), refusal)
      }
    }
    await model.dispose()
  }
})

test("values that a method's options cannot have", async () => {
  const online = { method: 'sltt', timeSteps: 2 } as const
  assert.is(
    await compiled(flatten(), { ...online, update: wrong('now') }),
    "update must be 'afterwards' or 'everyStep', got \"now\"",
  )
  assert.is(
    await compiled(flatten(), { ...online, mseWeight: 2 }),
    'mseWeight must lie in 0…1, got 2',
  )
  assert.is(
    await compiled(flatten(), { ...online, backwardSteps: 3 }),
    'backwardSteps must be an integer from 1 to timeSteps (2), got 3',
  )
  assert.is(
    await compiled(flatten(), { method: 'bptt', gradientCheckpoint: wrong(true) }),
    "gradientCheckpoint must be 'none' or 'layers', got true",
  )
})

test('a block whose forward function returns or hands on nothing', async () => {
  const forgot = (forward: Block['forward']): Block =>
    sequential({ flat: flatten(), inner: block({ fc: linear(6, 6) }, wrong(forward)) })
  const missing =
    'the forward function of a block must return what a child, add or concat gave, got'
  assert.is(
    await compiled(forgot(wrong(() => undefined))),
    `inner: ${missing} undefined; is a return missing?`,
  )
  assert.is(
    await compiled(forgot(wrong(async (m: Anything, x: Anything) => m.fc(x)))),
    `inner: ${missing} a value of type Promise; is a return missing?`,
  )
  assert.is(
    await compiled(forgot((m) => m.fc(wrong(undefined)))),
    'inner.fc (linear) must be called with the value that it takes in, got undefined',
  )
  assert.is(
    await compiled(forgot((m, x, { add }) => add(m.fc(x), wrong(undefined)))),
    'inner: add needs values that the children gave, got undefined',
  )
})

test('values are added one by one', async () => {
  const list = block({ fc: linear(6, 6) }, (m, x, { add }) => wrong(add)([m.fc(x), x]))
  assert.is(
    await messageOf(() => list.compile({ input: [6] })),
    'network: add needs two or more values, one by one: add(a, b), not add([a, b])',
  )
})

test('concat has no dimension to choose', async () => {
  const along2 = block({}, (_m, x, { concat }) => wrong(concat)([x, x], 2))
  assert.is(
    await messageOf(() => along2.compile({ input: [2, 4, 4] })),
    'network: concat takes one list alone, and joins channels, got 2 behind it',
  )
})

test('the mean over more steps than are counted', async () => {
  const net = sequential(timeMean(), flatten(), linear(2, 2))
  assert.match(
    await messageOf(() => net.compile({ input: [2], purpose: 'inference', timeSteps: 300 })),
    /0 \(timeMean\): needs timeSteps of at most 255, got 300; use fewer steps/,
  )
})

test('a layer with parameters in two places is refused, one without is not', async () => {
  const fc = linear(6, 6)
  const expected = (a: string, b: string, kind: string): string =>
    `${a} and ${b} are the same ${kind} layer; shared parameters are not supported: ` +
    `make a layer for each place`
  assert.is(await compiled(sequential(flatten(), fc, lif(), fc)), expected('1', '3', 'linear'))
  const inner = sequential(conv2d(1, 1, 1), batchNorm2d(1))
  assert.is(await compiled(sequential({ a: inner, b: inner })), expected('a.0', 'b.0', 'conv2d'))
  const act = plif()
  assert.is(await compiled(sequential(act, act), { method: 'bptt' }), expected('0', '1', 'plif'))
  const twice = block({ fc }, (m, x) => m.fc(m.fc(x)))
  assert.match(
    await compiled(sequential({ flat: flatten(), twice })),
    /^twice\.fc \(linear\) is called twice; shared parameters are not/,
  )
  const [fire, pass, flat] = [lif(), identity(), flatten()]
  const net = sequential(
    flat,
    pass,
    linear(6, 5),
    fire,
    pass,
    linear(5, 4),
    fire,
    flat,
    linear(4, 2),
  )
  const model = await net.compile({ input: [1, 2, 3], batchSize: 2 })
  assert.equal(Object.keys(model.firingRates()), [])
  await model.trainStep(new Float32Array(12).fill(1), [0, 1])
  assert.equal(Object.keys(model.firingRates()), ['3', '6'])
  await model.dispose()
  // Another compilation is another network.
  await (await net.compile({ input: [1, 2, 3], batchSize: 2 })).dispose()
})

test('an image layer on what is flat: the way out fits where it stands', async () => {
  const conv = conv2d(2, 2, 1)
  for (const [net, input, wayOut] of [
    [sequential(conv), [2], 'give compile an input [C, H, W]'],
    [sequential(linear(4, 2), conv), [4], 'put it before flatten() and linear()'],
    [sequential(avgPool2d(1)), [2], 'give compile an input [C, H, W]'],
  ] as const)
    assert.match(
      await messageOf(() => net.compile({ input, batchSize: 1 })),
      new RegExp(
        `expects an image \\[C, H, W\\], got the flat .*; ${wayOut.replace(/[[\]()]/g, '\\$&')}$`,
      ),
    )
})

test('layers written by hand: what is missing is told with the place and a function', async () => {
  const mistakeOf = (layers: Record<string, Anything>): Promise<string> =>
    messageOf(() => compile(sequential(layers), { input: [1, 8, 8] }))
  const told = (kind: string, why: string): string =>
    `a must be a layer or a block, got one of kind "${kind}", which is none: ${why}; make layers by ` +
    'their functions, as in lif()'
  const size = 'conv2d.kernelSize must be an integer ≥ 1 or a pair of them, got undefined'
  assert.is(await mistakeOf({ a: { kind: 'conv2d' } }), told('conv2d', size))
  assert.is(await mistakeOf({ a: { kind: 'dropout' } }), told('dropout', 'dropout.p is missing'))
  // These have no options that must be given; their output is no class.
  const whole = ['flatten', 'identity', 'relu', 'timeMean']
  for (const kind of layerKinds)
    assert.match(
      await mistakeOf({ a: { kind } }),
      whole.includes(kind) ? /^a: the last layer/ : `of kind "${kind}", which is none: `,
    )
})

test('a series is shown as it was given, whatever layers make of it', async () => {
  const input = [3, 8] as const
  for (const [net, shown] of [
    [sequential(conv2d(2, 4, 1)), '0 (conv2d): expects 2 input channels, got 3 (input [3, 8])'],
    [sequential(relu(), linear(24, 2)), 'got the image [3, 8]; put flatten() before it'],
    [sequential(lif()), 'one value per class, got [3, 8]; end in linear(24, classes)'],
    [
      block({ a: relu(), b: conv2d(3, 3, [1, 3]) }, ({ a, b }, x, { add }) => add(a(x), b(x))),
      'network: add needs values of one shape, got [3, 8] and [3, 6]',
    ],
    [
      block({ a: relu(), b: conv2d(3, 3, [1, 3]) }, ({ a, b }, x) => ({ a: a(x), b: b(x) })),
      'outputs must have one shape, got [3, 8] of a and [3, 6] of b',
    ],
    [
      sequential(alif({ tau: [2, 3] })),
      '3 (one for each channel) or 24 (one for each neuron of [3, 8])',
    ],
    // Of an image a height of 1 is told.
    [sequential(conv2d(3, 4, [1, 3], { padding: [1, 0] }), linear(1, 1)), 'the image [4, 3, 6]'],
  ] as const)
    assert.match(await messageOf(() => compile(net, { input })), shown)
  const flat = sequential(conv2d(3, 4, [1, 3]), flatten(), linear(24, 2))
  const series = await compile(flat, { input })
  assert.match(
    series.summary(),
    /conv2d +\[4, 6\][\s\S]* flatten +\[24\][\s\S]*; input \[3, 8\], batch/,
  )
  const image = await compile(flat, { input: [3, 1, 8] })
  assert.match(image.summary(), /conv2d +\[4, 1, 6\][\s\S]*; input \[3, 1, 8\], batch/)
  await Promise.all([series.dispose(), image.dispose()])
})

test('penalties on a network without neurons', async () => {
  const penalties = [ratePenalty({ weight: 1 })]
  assert.is(
    await messageOf(() => compile(linear(4, 2), { input: [4], batchSize: 1, penalties })),
    'compile.penalties need neurons that fire, such as lif(), and the network has none; leave ' +
      'them out',
  )
})

test.run()
