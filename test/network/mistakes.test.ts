/**
 * What users get wrong when they describe a network: the messages. Options of one function alone
 * are in factories.test.ts and ../train/options.test.ts.
 */

import * as assert from 'uvu/assert'
import { methodNames } from '../../src/compile/methods.js'
import * as api from '../../src/index.js'
import { layerKinds } from '../../src/network/kind.js'
import { expectRefusal, messageOf } from '../files/temporary.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import { usualMethods } from '../support/tables.js'

// As JavaScript would call them, without types.
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those that types forbid
type Anything = any
const wrong = (value: unknown): Anything => value

const of = (network: Anything, options: object = {}) =>
  modelOf(network, { input: [1, 2, 3], ...options })

const plain = (options: object) => of(netOf([1, 2, 3], 'flatten, linear 2'), options)
/** A chain of a text behind six features. */
const chain = (text: string, options: object, own = {}) =>
  compileNet(text, { input: [6], timeSteps: 3, ...options }, own)

const learnt = api.delay(1.5, { maxDelay: 3 })
const inner = (forward: Anything): api.Block =>
  api.sequential({ flat: api.flatten(), inner: api.block({ fc: api.linear(6, 6) }, forward) })
const series = (network: Anything) => of(network, { input: [3, 8] })
const stabilized = (options: object) =>
  chain('linear 5, neuron, linear 2', options, { neuron: () => api.stabilizedLif() })
/** Two neurons whose spikes are added. */
const added = () =>
  api.block({ a: api.lif({ tau: 2 }), b: api.lif({ tau: 3 }) }, (m, v, { add }) =>
    add(m.a(v), m.b(v)),
  )
const penalties = [api.ratePenalty({ weight: 1 })]

/** Calls, and their whole messages or what matters of them; shapes.txt has many more. */
const mistakes: readonly [() => unknown, string | RegExp][] = [
  [
    () => api.recurrent(api.lif(), { allToAll: false, bias: true }),
    'recurrent.bias must be left out or false with allToAll: false, which has none',
  ],
  [
    () => api.conv2d(1, 2, 1, { standardise: true }),
    'conv2d.standardise needs more than one input for each output',
  ],
  [
    () => api.sequential(wrong(api.lif)),
    'sequential.0 must be a layer or a block, got the function lif; call it, as in ' +
      'lif() instead of lif',
  ],
  [() => api.residual(wrong(undefined)), 'residual.main must be a layer or a block, got undefined'],
  [
    () => api.residual(wrong([])),
    'residual.main must be a layer or a block, got []; make a block of a list: sequential(a, b) ' +
      'instead of [a, b]',
  ],
  [
    () => api.residual(wrong({ kind: 'constructor' })),
    /^residual\.main must be a layer or a block, got one of kind "constructor"/,
  ],
  [
    () => of(api.sequential(api.lif({ tau: [2, 3] }), api.flatten()), { input: [3, 2, 2] }),
    '0 (lif): tau has 2 numbers, expected 3 (one for each channel) or 12 (one for each neuron of ' +
      '[3, 2, 2]), or a single number',
  ],
  [() => of(undefined), 'compile: the network must be a layer or a block, got undefined'],
  [
    () => of(inner(async (m: Anything, x: Anything) => m.fc(x))),
    'inner: the forward function must return what a child or an operation ' +
      'gave, got a value of type Promise; is a return missing?',
  ],
  // What ends a network.
  [
    () => of(netOf([2, 5, 4], 'conv 3 2, flatten'), { input: [2, 5, 4] }),
    '1: the last layer must give one value per class, got [36]; end in linear(36, classes), ' +
      'or in reshape([36]) where all of them are outputs',
  ],
  [
    () => of(api.conv2d(2, 3, 2), { input: [2, 5, 4] }),
    'network: the last layer must give one value per class, got [3, 4, 3]; end in ' +
      'linear(36, classes) behind flatten(), or in reshape([36]) where all of them are outputs',
  ],
  [
    () => of(api.linear(1, 65537), { input: [1] }),
    'compile: the network must give at most 65536 outputs, got 65537; make its last layer smaller',
  ],
  [
    () => plain({ penalties }),
    'compile.penalties need neurons that fire, such as lif(), and the network has none; leave ' +
      'them out',
  ],
  // A series is shown as it was given, whatever layers make of it.
  [
    () => series(api.sequential(api.relu(), api.linear(24, 2))),
    '1 (linear): expects features, got the image [3, 8]; put flatten() before it',
  ],
  [
    () => series(api.sequential(api.lif())),
    '0: the last layer must give one value per class, got [3, 8]; end in linear(24, classes) ' +
      'behind flatten(), or in reshape([24]) where all of them are outputs',
  ],
  [
    () => series(api.sequential(api.alif({ tau: [2, 3] }))),
    '0 (alif): tau has 2 numbers, expected 3 (one for each channel) or 24 (one for each neuron of ' +
      '[3, 8]), or a single number',
  ],
  // A height of more than 1 is an image's.
  [
    () => series(api.sequential(api.conv2d(3, 4, [1, 3], { padding: [1, 0] }), api.linear(1, 1))),
    '1 (linear): expects features, got the image [4, 3, 6]; put flatten() before it',
  ],
  // Options of methods.
  [() => plain({ method: 'dsr' }), /^method 'dsr' is not here: .* use 'rate'$/],
  ...['ottt', 'sltt', 'os'].flatMap((method): [() => unknown, RegExp][] => [
    [() => plain({ method, stepMode: 'm' }), RegExp(`^stepMode must be 's' with method ${method}`)],
    [
      () => chain('linear 4, plif, linear 3', { method }),
      RegExp(`^1 \\(plif\\): method '${method}' has no .* use 'rate' or 'bptt', or lif\\(\\)`),
    ],
  ]),
  [
    () => plain({ method: 'sltt', update: 'now' }),
    /^update must be 'afterwards' or 'everyStep', got "now"$/,
  ],
  [() => plain({ method: 'sltt', mseWeight: 2 }), /^mseWeight must lie in 0…1, got 2$/],
  [
    () => plain({ method: 'sltt', backwardSteps: 5 }),
    /^backwardSteps must be an integer from 1 to timeSteps \(4\), got 5$/,
  ],
  [
    () => plain({ method: 'os', normFallback: 'none' }),
    /^normFallback must be 'channel' or 'layer', got "no/,
  ],
  [
    () => plain({ method: 'os', timeSteps: 4097 }),
    /^compile.timeSteps must be an integer from 1 to 4096 \(a stream may go on for longer\), got 4097/,
  ],
  ...[0, 2.5, 4097].map((truncate): [() => unknown, RegExp] => [
    () => plain({ method: 'bptt', truncate }),
    /^truncate must be an integer from 1 to 4096, got /,
  ]),
  // Layers that a method has not.
  [
    () => chain('recurs, linear 2', {}, { recurs: () => api.recurrent(api.lif()) }),
    "0 (recurrent(lif)): method 'rate' has no gradient of a recurrent weight; use 'bptt' or " +
      "'ottt' or 'sltt' or 'os'",
  ],
  [
    () => chain('learns', { method: 'sltt' }, { learns: () => api.lif({ learn: ['tau'] }) }),
    "0 (lif): method 'sltt' has no gradient of what it learns (tau); use 'rate' or 'bptt', " +
      'or leave out learn',
  ],
  [
    () => chain('linear 4, timeMean, linear 2', { method: 'sltt' }),
    /1 \(timeMean\): needs all steps of a sample at once, which method 'sltt'/,
  ],
  [
    () => chain('linear 4, timeMean, linear 2', { purpose: 'stream' }),
    /1 \(timeMean\): .* purpose 'stream' has not/,
  ],
  ...['ottt', 'sltt'].map((method): [() => unknown, RegExp] => [
    () => chain('linear 4, lif, delay 1, linear 2', { method }),
    RegExp(`2 \\(delay\\): method '${method}' .* cannot train through a delay; use 'rate' or`),
  ]),
  ...(['rate', 'sltt'] as const).map((method): [() => unknown, RegExp] => [
    () => chain('linear 4, lif, learnt, linear 2', { method }, { learnt: () => learnt }),
    RegExp(
      `^2 \\(delay\\): delays are learnt through time, which method '${method}' does not do: it ` +
        `learns from ${method === 'rate' ? 'means over the steps' : 'each step alone'}; use ` +
        `'bptt', or delay\\(\\) of whole steps$`,
    ),
  ]),
  [
    () => chain('synapses', {}, { synapses: () => api.dcls1d(6, 2, { maxDelay: 2 }) }),
    /^0 \(dcls1d\): delays are learnt through time, which method 'rate' does not do/,
  ],
  [
    () =>
      chain(
        'linear 4, learnt, linear 2',
        { method: 'bptt', truncate: 2 },
        { learnt: () => learnt },
      ),
    /^1 \(delay\): truncate cuts gradients between segments of time, .*; leave truncate out, or use/,
  ],
  [
    () => api.delay(3.5),
    'delay.steps must be an integer from 0 to 4096, or a list of one for each channel, got 3.5',
  ],
  [
    () => api.delay([1, 5.5], { maxDelay: 5 }),
    'delay.steps must be a number from 0 to 5, or a list of one for each channel, got 5.5 at index 1',
  ],
  [
    () => chain('linear 3, linear 3, lif, linear 4', { method: 'ottt' }),
    /^1 \(linear\): method 'ottt' traces the spikes/,
  ],
  [
    () => chain('linear 3, added, linear 4', { method: 'ottt' }, { added }),
    /^2 \(linear\): method 'ottt' needs one tau/,
  ],
  ...usualMethods.map((method): [() => unknown, RegExp] => [
    () => stabilized({ method }),
    RegExp(`1 \\(stabilizedLif\\): its threshold .* needs method 'os', got '${method}'`),
  ]),
  [() => stabilized({ method: 'os', penalties }), /^penalties need/],
  [
    () =>
      of(netOf([4, 3, 3], 'conv 12 3 groups=2 standardise=true, flatten'), { input: [4, 3, 3] }),
    /^0 \(conv2d\): standardise with groups needs a multiple of 4 output channels in each group, got 6/,
  ],
]
for (const [call, expected] of mistakes)
  test(`error: ${expected}`, async () => {
    const message = await messageOf(call)
    if (typeof expected === 'string') assert.is(message, expected)
    else assert.match(message, expected)
  })

test('what cannot be trained by a method may still predict', async () => {
  await chain('linear 4, lif, delay 1, linear 2', { method: 'sltt', purpose: 'inference' })
})

test('compile without options names them', async () => {
  const network = netOf([6], 'flatten, linear 2')
  for (const call of [
    () => modelOf(network, wrong(undefined)),
    () => modelOf(network, wrong(null)),
  ])
    await expectRefusal(
      call,
      /^compile's options must be an object with any of input, timeSteps, .*, got (undefined|null)$/,
    )
})

test('an option is refused with another method, even as its default, by compile and by fit', async () => {
  const own = {
    update: ['afterwards', 'ottt, sltt'],
    mseWeight: [0.05, 'ottt, sltt, os'],
    backwardSteps: [2, 'sltt'],
    gradientCheckpoint: ['none', 'bptt'],
    normFallback: ['channel', 'os'],
    truncate: [2, 'bptt'],
  } as const
  const [input, images] = [[1, 2, 3] as const, new Float32Array(12)]
  const data = api.fromArrays({ images, labels: [0, 1], shape: input, classes: 2 })
  for (const method of methodNames) {
    const at = (more: object) =>
      compileNet('flatten, linear 2', { input, method, timeSteps: 2, batchSize: 2, ...more })
    const model = await at({})
    for (const [option, [value, takers]] of Object.entries(own)) {
      const options = { [option]: value }
      if (takers.split(', ').includes(method)) {
        await (await at(options)).dispose()
        await model.fit(data, options)
        continue
      }
      const refusal = `${option} is an option of method ${takers}, got it with ${method}`
      assert.is(await messageOf(() => at(options)), refusal)
      assert.is(await messageOf(() => model.fit(data, options)), refusal)
    }
    await model.dispose()
  }
})

test('a layer without parameters may stand in many places, and a network be compiled again', async () => {
  const [fire, pass, flat] = [api.lif(), api.identity(), api.flatten()]
  const network = api.sequential(
    ...[flat, pass, api.linear(6, 5), fire, pass, api.linear(5, 4), fire, flat, api.linear(4, 2)],
  )
  for (const time of [1, 2]) {
    const model = await modelOf(network, { input: [1, 2, 3], batchSize: 2 })
    assert.equal(Object.keys(model.firingRates()), [])
    await model.trainStep(new Float32Array(12).fill(1), [0, 1])
    assert.equal(Object.keys(model.firingRates()), ['3', '6'], `${time}`)
    await model.dispose()
  }
})

test('layers written by hand: what is missing is told with the place and a function', async () => {
  // These have no options that must be given; their output is no class.
  const whole = ['flatten', 'identity', 'relu', 'timeMean']
  for (const kind of layerKinds)
    await expectRefusal(
      () => of(api.sequential(wrong({ a: { kind } })), { input: [1, 8, 8] }),
      whole.includes(kind)
        ? /^a: the last layer/
        : kind === 'mul'
          ? /^a \(mul\) must be called with the 2 values that it takes in, got undefined$/
          : new RegExp(
              `^a must be a layer or a block, got one of kind "${kind}", which is none: .*` +
                `(got undefined|is missing|got none; write ${kind}\\(.+\\)); ` +
                'make layers by their functions, as in lif\\(\\)$',
            ),
    )
})

test('a summary shows a series as it was given', async () => {
  const network: api.Module = netOf([3, 1, 8], 'conv 4 1x3, flatten, linear 2')
  const shown = async (input: api.CompileOptions['input']): Promise<string> => {
    const model = await modelOf(network, { input })
    await model.dispose()
    return model.summary()
  }
  assert.match(
    await shown([3, 8]),
    /conv2d +\[4, 6\][\s\S]* flatten +\[24\][\s\S]*; input \[3, 8\], batch/,
  )
  assert.match(await shown([3, 1, 8]), /conv2d +\[4, 1, 6\][\s\S]*; input \[3, 1, 8\], batch/)
})

test.run()
