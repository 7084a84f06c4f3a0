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

// As JavaScript would call them, without types.
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those that types forbid
type Anything = any
const wrong = (value: unknown): Anything => value

const of = (network: Anything, options: object = {}) =>
  modelOf(network, { input: [1, 2, 3], ...options })

const fc = api.linear(6, 6)
const twice = api.sequential(api.conv2d(1, 1, 1), netOf([1, 2, 3], 'norm'))
const act = api.plif()
const inner = (forward: Anything): api.Block =>
  api.sequential({ flat: api.flatten(), inner: api.block({ fc: api.linear(6, 6) }, forward) })
const shared = (a: string, b: string, kind: string): string =>
  `${a} and ${b} are the same ${kind} layer; shared parameters are not supported: make a layer ` +
  'for each place'
const missing =
  'inner: the forward function of a block must return what a child, add or concat gave'
const two = { a: api.relu(), b: api.conv2d(3, 3, [1, 3]) }
const series = { input: [3, 8] }

const mistakes: readonly [() => unknown, string][] = [
  [
    () => api.recurrent(api.lif(), { allToAll: false, bias: true }),
    'recurrent.bias must be left out or false with allToAll: false, which has none',
  ],
  [
    () => api.conv2d(1, 2, 1, { standardise: true }),
    'conv2d.standardise needs more than one input for each output',
  ],
  [() => api.sequential({ act: wrong(3) }), 'sequential.act must be a layer or a block, got 3'],
  [
    () => api.sequential({ 'a.b': api.lif() }),
    'a child\'s name must not be empty or contain a dot, got "a.b"',
  ],
  [
    () => api.sequential(wrong(api.lif)),
    'sequential.0 must be a layer or a block, got the function lif; call it, as in ' +
      'lif() instead of lif',
  ],
  [
    () => api.block(wrong({ main: 1 }), (m, x) => m.main(x)),
    'block.main must be a layer or a block, got 1',
  ],
  [() => api.residual(wrong(undefined)), 'residual.main must be a layer or a block, got undefined'],
  [
    () => api.residual(wrong([])),
    'residual.main must be a layer or a block, got []; make a block of a list: sequential(a, b) ' +
      'instead of [a, b]',
  ],
  [
    () => of(api.sequential(api.lif({ tau: [2, 3] }), api.flatten()), { input: [3, 2, 2] }),
    '0 (lif): tau has 2 numbers, expected 3 (one for each channel) or 12 (one for each neuron of ' +
      '[3, 2, 2]), or a single number',
  ],
  [
    () => of(api.sequential(api.flatten(), api.recurrent(api.lif())), { input: [3] }),
    "1 (recurrent(lif)): method 'rate' has no gradient of a recurrent weight; use 'bptt' or " +
      "'ottt' or 'sltt' or 'os'",
  ],
  [
    () =>
      of(api.sequential(api.flatten(), api.lif({ learn: ['tau'] })), {
        input: [3],
        method: 'sltt',
      }),
    "1 (lif): method 'sltt' has no gradient of what it learns (tau); use 'rate' or 'bptt', or " +
      'leave out learn',
  ],
  [
    () => compileNet('conv 3 2, flatten', { input: [2, 5, 4] }),
    '1: the last layer must give one value per class, got [36]; end in linear(36, classes)',
  ],
  [
    () => of(api.conv2d(2, 3, 2), { input: [2, 5, 4] }),
    'network: the last layer must give one value per class, got [3, 4, 3]; end in ' +
      'linear(36, classes) behind flatten()',
  ],
  [() => of(undefined), 'compile: the network must be a layer or a block, got undefined'],
  [() => of({}), 'compile: the network must be a layer or a block, got {}'],
  [
    () => of(api.linear(1, 65537), { input: [1] }),
    'compile: the network must give at most 65536 outputs, got 65537; make its last layer smaller',
  ],
  [
    () =>
      of(api.sequential(api.timeMean(), api.flatten()), { purpose: 'inference', timeSteps: 300 }),
    '0 (timeMean): needs timeSteps of at most 255, got 300; use fewer steps',
  ],
  [
    () =>
      of(netOf([1, 2, 3], 'flatten, linear 2'), { penalties: [api.ratePenalty({ weight: 1 })] }),
    'compile.penalties need neurons that fire, such as lif(), and the network has none; leave ' +
      'them out',
  ],
  [() => of(inner(() => undefined)), `${missing}, got undefined; is a return missing?`],
  [
    () => of(inner(async (m: Anything, x: Anything) => m.fc(x))),
    `${missing}, got a value of type Promise; is a return missing?`,
  ],
  [
    () => of(inner((m: Anything) => m.fc(undefined))),
    'inner.fc (linear) must be called with the value that it takes in, got undefined',
  ],
  [
    () => of(inner((m: Anything, x: Anything, { add }: Anything) => add(m.fc(x), undefined))),
    'inner: add needs values that the children gave, got undefined',
  ],
  [
    () =>
      of(
        api.block({ fc }, (m, x, { add }) => wrong(add)([m.fc(x), x])),
        { input: [6] },
      ),
    'network: add needs two or more values, one by one: add(a, b), not add([a, b])',
  ],
  [
    () => of(api.block({}, (_m, x, { concat }) => wrong(concat)([x, x], 2))),
    'network: concat takes one list alone, and joins channels, got 2 behind it',
  ],
  // Layers with parameters in two places.
  [() => of(api.sequential(api.flatten(), fc, api.lif(), fc)), shared('1', '3', 'linear')],
  [() => of(api.sequential({ a: twice, b: twice })), shared('a.0', 'b.0', 'conv2d')],
  [() => of(api.sequential(act, act), { method: 'bptt' }), shared('0', '1', 'plif')],
  [
    () =>
      of(
        api.sequential({ flat: api.flatten(), twice: api.block({ fc }, (m, x) => m.fc(m.fc(x))) }),
      ),
    'twice.fc (linear) is called twice; shared parameters are not supported: make a layer for ' +
      'each call',
  ],
  // An image layer on what is flat: the way out fits where it stands.
  ...(
    [
      ['0 (conv2d)', api.sequential(api.conv2d(2, 2, 1)), 'give compile an input [C, H, W]'],
      ['0 (avgPool2d)', api.sequential(api.avgPool2d(1)), 'give compile an input [C, H, W]'],
      [
        '1 (conv2d)',
        api.sequential(api.linear(2, 2), api.conv2d(2, 2, 1)),
        'put it before flatten() and linear()',
      ],
    ] as const
  ).map(([name, network, wayOut]): [() => unknown, string] => [
    () => of(network, { input: [2] }),
    `${name}: expects an image [C, H, W], got the flat [2]; ${wayOut}`,
  ]),
  // A series is shown as it was given, whatever layers make of it.
  [
    () => of(api.sequential(api.conv2d(2, 4, 1)), series),
    '0 (conv2d): expects 2 input channels, got 3 (input [3, 8])',
  ],
  [
    () => of(api.sequential(api.relu(), api.linear(24, 2)), series),
    '1 (linear): expects features, got the image [3, 8]; put flatten() before it',
  ],
  [
    () => of(api.sequential(api.lif()), series),
    '0: the last layer must give one value per class, got [3, 8]; end in linear(24, classes) ' +
      'behind flatten()',
  ],
  [
    () =>
      of(
        api.block(two, ({ a, b }, x, { add }) => add(a(x), b(x))),
        series,
      ),
    'network: add needs values of one shape, got [3, 8] and [3, 6]',
  ],
  [
    () =>
      of(
        api.block(two, ({ a, b }, x) => ({ a: a(x), b: b(x) })),
        series,
      ),
    'network: outputs must have one shape, got [3, 8] of a and [3, 6] of b',
  ],
  [
    () => of(api.sequential(api.alif({ tau: [2, 3] })), series),
    '0 (alif): tau has 2 numbers, expected 3 (one for each channel) or 24 (one for each neuron of ' +
      '[3, 8]), or a single number',
  ],
  // A height of more than 1 is an image's.
  [
    () =>
      of(api.sequential(api.conv2d(3, 4, [1, 3], { padding: [1, 0] }), api.linear(1, 1)), series),
    '1 (linear): expects features, got the image [4, 3, 6]; put flatten() before it',
  ],
]
for (const [call, expected] of mistakes)
  test(`error: ${expected}`, async () => assert.is(await messageOf(call), expected))

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

for (const [options, expected] of [
  [{ method: 'dsr' }, /^method 'dsr' is not here: .* use 'rate'$/],
  [{ method: 'ottt', stepMode: 'm' }, /^stepMode must be 's' with method ottt/],
  [{ method: 'sltt', stepMode: 'm' }, /^stepMode must be 's' with method sltt/],
  [{ method: 'os', stepMode: 'm' }, /^stepMode must be 's' with method os/],
  [{ method: 'sltt', update: 'now' }, /^update must be 'afterwards' or 'everyStep', got "now"$/],
  [{ method: 'sltt', mseWeight: 2 }, /^mseWeight must lie in 0…1, got 2$/],
  [
    { method: 'sltt', backwardSteps: 5 },
    /^backwardSteps must be an integer from 1 to timeSteps \(4\), got 5$/,
  ],
  [{ method: 'os', normFallback: 'none' }, /^normFallback must be 'channel' or 'layer', got "no/],
  [{ method: 'sltt', timeSteps: 33 }, /^timeSteps must be at most 32 with method sltt, got 33/],
  [{ method: 'os', timeSteps: 33 }, /^timeSteps must be at most 32 with method os, got 33/],
] as const)
  test(`error for ${JSON.stringify(options)}`, async () => {
    const message = await messageOf(() => of(netOf([1, 2, 3], 'flatten, linear 2'), options))
    assert.match(message, expected)
  })

test('neurons that learn name layer, method and way out where a method is of single steps', async () => {
  for (const method of ['ottt', 'sltt', 'os'] as const)
    await expectRefusal(
      () => compileNet('linear 4, plif, linear 3', { input: [5], method }),
      new RegExp(`^1 \\(plif\\): method '${method}' has no .* use 'rate' or 'bptt', or lif\\(\\)`),
    )
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
        : new RegExp(
            `^a must be a layer or a block, got one of kind "${kind}", which is none: .*` +
              `(got undefined|is missing); make layers by their functions, as in lif\\(\\)$`,
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
