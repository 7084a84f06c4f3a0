/**
 * Compiling, one step at a time, state dicts and files; and the messages of what users get wrong.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mean } from '../../src/base/numbers.js'
import { methodOptions } from '../../src/compile/methods.js'
import { makePlan } from '../../src/compile/plan.js'
import { parseSafetensors } from '../../src/files/safetensors.js'
import * as api from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import { expectRefusal, expectRefusals, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'

const input = [3, 5, 7] as const
const network = (): api.Module =>
  api.sequential({
    stem: netOf(input, 'conv 17 3 padding=1, norm, lif'),
    layer1: api.residual(netOf([17, 5, 7], 'conv 17 3 padding=1 bias=false, norm, plif')),
    flat: api.flatten(),
    head: api.linear(17 * 35, 5),
  })
const compileIt = (options: Partial<api.CompileOptions> = {}): Promise<api.Model> =>
  modelOf(network(), { input, batchSize: 4, timeSteps: 2, method: 'bptt', ...options })

async function step(model: api.Model, seed = 1): Promise<void> {
  await model.trainStep(uniform(model.batchSize * 105, 2, seed), labels(model.batchSize, 5, seed))
}

const names: Record<string, number[]> = {
  'stem.0.weight': [17, 3, 3, 3],
  'stem.0.bias': [17],
  'stem.1.weight': [17],
  'stem.1.bias': [17],
  'layer1.main.0.weight': [17, 17, 3, 3],
  'layer1.main.1.weight': [17],
  'layer1.main.1.bias': [17],
  'layer1.main.2.w': [],
  'head.weight': [5, 595],
  'head.bias': [5],
  'stem.1.running_mean': [17],
  'stem.1.running_var': [17],
  'layer1.main.1.running_mean': [17],
  'layer1.main.1.running_var': [17],
}

test("state dict: PyTorch's names and shapes; copies, not views", async () => {
  const model = await compileIt()
  const state = model.stateDict()
  assert.equal(
    Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, shape])),
    names,
  )
  assert.is(
    model.parameterCount,
    Object.entries(names).reduce(
      (n, [k, s]) => n + (k.includes('running') ? 0 : s.reduce((a, b) => a * b, 1)),
      0,
    ),
  )
  state['head.bias'].data.fill(99)
  assert.not.equal(model.stateDict()['head.bias'].data[0], 99)
})

test('initialisation: uniform in ±1/√fanIn, normalisations at one and zero, τ where it was asked to be', async () => {
  const state = (await compileIt()).stateDict()
  for (const [name, fanIn] of [
    ['stem.0.weight', 27],
    ['stem.0.bias', 27],
    ['layer1.main.0.weight', 153],
    ['head.weight', 595],
  ] as const) {
    const values = [...state[name].data]
    const bound = 1 / Math.sqrt(fanIn)
    assert.ok(Math.max(...values.map(Math.abs)) <= bound, name)
    if (values.length < 100) continue
    assert.ok(Math.abs(mean(values)) < 0.2 * bound, `${name}: mean ${mean(values)}`)
    const square = mean(values.map((v) => v * v))
    assert.ok(Math.abs(square / (bound ** 2 / 3) - 1) < 0.2, `${name}: mean square ${square}`)
  }
  const constants = { '1.weight': 1, '1.bias': 0, running_mean: 0, running_var: 1 }
  for (const [end, value] of Object.entries(constants)) {
    const found = Object.entries(state).filter(([name]) => name.endsWith(end))
    assert.is(found.length, 2)
    for (const [name, { data }] of found) assert.equal([...new Set(data)], [value], name)
  }
  assert.ok(Math.abs(1 / (1 + Math.exp(-state['layer1.main.2.w'].data[0])) - 1 / 2) < 1e-6, 'τ = 2')
})

test('save and load: the same bits, the same steps afterwards', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'weights.safetensors')
    const [model, other] = [
      await compileIt(),
      await compileIt({ seed: 9, threads: 2, batchSize: 4 }),
    ]
    await step(model)
    await model.save(path, { note: 'after one step' })
    const { tensors, metadata } = parseSafetensors(await readFile(path), path)
    assert.equal(
      Object.fromEntries([...tensors].map(([name, { shape }]) => [name, [...shape]])),
      names,
    )
    assert.is(metadata.note, 'after one step')
    assert.is(metadata.format, 'pt')
    await other.load(path)
    expectSameBits('state', model.stateDict(), other.stateDict())
    model.resetOptimizer()
    await step(model, 2)
    await step(other, 2)
    expectSameBits('state after another step', model.stateDict(), other.stateDict())
  }))

test('load: messages for files that are missing, broken or of another network', () =>
  withFolder(async (folder) => {
    const at = (name: string): string => join(folder, name)
    const model = await compileIt()
    const before = model.stateDict()
    await writeFile(at('broken.safetensors'), 'this is no such file')
    const small = await compileNet('flatten, linear 5', { input, batchSize: 1 })
    await small.save(at('small.safetensors'))
    await expectRefusals([
      [() => model.load(at('none.safetensors')), /none\.safetensors/],
      [() => model.load(at('broken.safetensors')), /broken\.safetensors/],
      [
        () => model.load(at('small.safetensors')),
        /does not match the network; missing: stem\.0\.weight/,
      ],
      [() => model.save(at('no/such/folder/x.safetensors')), /x\.safetensors/],
      [() => model.save('x.wasm'), /^save\.path .* a safetensors file, got "x\.wasm"; exportWasm/],
    ])
    expectSameBits('state', before, model.stateDict())
  }))

test('loadStateDict: what is no state, or of another network, is told whole, and changes nothing', async () => {
  const model = await compileIt()
  const before = model.stateDict()
  const missing: api.StateDict = {
    ...model.stateDict(),
    'head.scale': { shape: [1], data: Float32Array.of(1) },
    'stem.0.weight': { shape: [17, 27], data: new Float32Array(459) },
  }
  delete missing['head.bias']
  delete missing['stem.1.running_var']
  const bias = (data: unknown, shape = [5]) => ({ ...before, 'head.bias': { shape, data } })
  const variance = { shape: [17], data: new Float32Array(17).fill(-1e-6) }
  const of =
    'the state dict must be an object of \\{ shape, data \\} by name, as stateDict\\(\\) gives it'
  const entry = "the state dict's head\\.bias must be \\{ shape: numbers, data: Float32Array \\}"
  const cases: readonly [unknown, RegExp][] = [
    [
      missing,
      /missing: head\.bias, stem\.1\.running_var; unexpected: head\.scale; of another shape: stem\.0\.weight \(expected \[17, 3, 3, 3\], got \[17, 27\]\)/,
    ],
    [bias(Float32Array.of(0, 0, 0, Number.NaN, 0)), /holds NaN in head\.bias at index 3/],
    [
      { ...before, 'stem.1.running_var': variance },
      /holds -9\.9.*e-7 in stem\.1\.running_var at index 0; a variance must be ≥ 0/,
    ],
    [
      bias(Float64Array.of(0, 1, 2, 3, -1e39)),
      /holds -1e\+39 in head\.bias at index 4; it overflows float32/,
    ],
    [bias(new BigInt64Array(5)), /holds 0 in head\.bias at index 0; expected finite numbers/],
    [bias(new Float32Array(4)), /head\.bias.*5.*4/],
    [null, RegExp(`^${of}, got null$`)],
    ['weights.safetensors', RegExp(`^${of}, got "weights\\.safetensors"$`)],
    [{ ...before, 'head.bias': undefined }, RegExp(`^${entry}, got undefined$`)],
    [{ ...before, 'head.bias': new Float32Array(5) }, RegExp(`^${entry}, got Float32Array$`)],
    [{ ...before, 'head.bias': { shape: [5] } }, RegExp(`^${entry}, got \\{"shape":\\[5\\]\\}$`)],
  ]
  for (const [state, message] of cases)
    await expectRefusal(() => model.loadStateDict(state as api.StateDict), message)
  expectSameBits('state', before, model.stateDict())
  const tracked = { shape: [], data: Float32Array.of(7) }
  model.loadStateDict({ ...before, 'stem.1.num_batches_tracked': tracked })
})

test('wrong options, optimizers, sizes and labels are refused by name; the model goes on', async () => {
  const [model, frames, inspected] = await Promise.all(
    [{}, { frames: true }, { inspect: true }].map(compileIt),
  )
  const before = model.stateDict()
  const [x, y] = [uniform(4 * 105, 1, 1), [0, 1, 2, 3]]
  const step = (options: unknown) => () => model.trainStep(x, y, options as api.StepOptions)
  const labelled = (...given: unknown[]) => [
    () => model.trainStep(x, given as number[]),
    `labels must be integers from 0 to 4, got ${given.find((label) => !y.includes(label as number))}`,
  ]
  const optimize = () => {
    model.optimizer = { lr: 0.1 } as api.Sgd
  }
  for (const [call, expected] of [
    [
      step({ updat: false }),
      'trainStep.updat is not an option; known are update, lr, clipNorm, sampleWeights, signal',
    ],
    [step({ update: 0 }), 'trainStep.update must be true or false, got 0'],
    [step({ lr: Number.NaN }), 'trainStep.lr must be a finite number ≥ 0, got NaN'],
    [step({ lr: -0.1 }), 'trainStep.lr must be a finite number ≥ 0, got -0.1'],
    [step({ lr: 1e39 }), 'trainStep.lr must be a finite number ≥ 0, got 1e+39'],
    [step({ lr: '0.1' }), 'trainStep.lr must be a finite number ≥ 0, got "0.1"'],
    [
      step(0.1),
      "trainStep's options must be an object with any of update, lr, clipNorm, " +
        'sampleWeights, signal, got 0.1',
    ],
    [
      optimize,
      'model.optimizer must be made by sgd, adam, adamW, rmsprop, as in sgd({ lr: 0.1 }), got {"lr":0.1}',
    ],
    [() => model.trainStep([...x] as never, y), 'x must be a Float32Array, got ['],
    [() => model.predict(undefined as never), 'x must be a Float32Array, got undefined'],
    [() => model.trainStep(x, undefined as never), 'y must be an array of labels, got undefined'],
    [() => model.profile(0), 'profile.repeats must be an integer from 1 to 10000, got 0'],
    [() => model.trainStep(x.subarray(1), y), 'x must hold [4, 3, 5, 7] = 420 numbers, got 419'],
    [() => model.trainStep(x, [0, 1, 2]), 'y must hold one label for each of the 4 samples, got 3'],
    labelled(0, 1, 2, 5),
    labelled(0, -1, 2, 3),
    labelled(0.5, 1, 2, 3),
    [() => model.activity('stem.2'), 'activity needs compile({ inspect: true })'],
    [() => frames.trainStep(x, y), 'x must hold [4, 2, 3, 5, 7] = 840 numbers, got 420'],
    [() => inspected.activity('head'), 'no neuron layer "head"; there are stem.2, layer1.main.2'],
  ] as [() => unknown, string][]) {
    const message = await messageOf(async () => call())
    assert.ok(message.includes(expected), `${message}, not ${expected}`)
  }
  assert.is(model.optimizer.kind, 'sgd')
  expectSameBits('state', before, model.stateDict())
  await step({})()
})

test('a step too large for float32 leaves the parameters that it would ruin, and says that it made the others', async () => {
  const of = { input: [1, 2, 3], batchSize: 4, timeSteps: 2 } as const
  const model = await compileNet('flatten, linear 2', of)
  const zeros = Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, t]) => [
      name,
      { ...t, data: t.data.map(() => 0) },
    ]),
  )
  model.loadStateDict(zeros)
  // Both outputs are 0, so that the gradient is ±1/4 of each feature: 250 for the first one.
  const x = Float32Array.from({ length: 24 }, (_, i) => (i % 6 === 0 ? 1000 : 1))
  model.optimizer = api.sgd({ momentum: 0 })
  const message = await messageOf(() => model.trainStep(x, [0, 0, 0, 1], { lr: 1e37 }))
  assert.match(message, /^a gradient is not finite; it shows first in layer 1 /)
  assert.match(
    message,
    /\. Parameters whose new value would not be finite were left as they were, others may hold this step; a lower/,
  )
  model.stateDict()['1.weight'].data.forEach((w, i) => {
    assert.is(w === 0, i % 6 === 0, `weight ${i} is ${w}`)
  })
  zeros['1.weight'].data.fill(3e38)
  model.loadStateDict(zeros)
  for (const update of [true, false])
    await expectRefusal(
      () => model.trainStep(x, [0, 0, 0, 1], { update }),
      /^the loss is (NaN|Infinity); .*\. The parameters are those before this step; a lower learning rate/,
    )
  assert.equal(model.stateDict(), zeros)
})

for (const [options, expected] of [
  [{ timesteps: 4 }, /^compile\.timesteps is not an option; known are input, timeSteps/],
  [{ timeSteps: 4097 }, /^compile.timeSteps must be an integer from 1 to 4096/],
  [
    { input: [1, 5, 7] },
    /^stem\.0 \(conv2d\): expects 3 input channels, got 1 \(input \[1, 5, 7\]\)/,
  ],
  [{ input: [3, 5, 8] }, /^head \(linear\): expects 595 features, got 680/],
] as const)
  test(`compile(${JSON.stringify(options)}) says what is wrong`, () =>
    expectRefusal(() => compileIt(options as Partial<api.CompileOptions>), expected))

test('a batch that is too large: the message says how much it needs and the largest batch that fits, which does', async () => {
  const text = `conv 32 3 padding=1, norm, lif, conv 32 3 padding=1, lif, flatten, linear 10`
  const net = netOf([3, 32, 32], text)
  const message = await messageOf(() => modelOf(net, { input: [3, 32, 32], batchSize: 20_000 }))
  const found = message.match(
    /^the model needs ([\d.]+) GiB of memory for batchSize 20000 \(its largest buffer, .+: [\d.]+ GiB\), .*; the largest batch that fits is (\d+)$/,
  )
  assert.ok(found, message)
  const [input, graph] = [[3, 32, 32] as const, trace(net, [3, 32, 32])]
  const usual = { frames: false, inspect: false, ...methodOptions({ method: 'rate' }, 4) }
  const plan = (batchSize: number) =>
    makePlan({ ...usual, graph, input, batchSize, timeSteps: 4 }, 1)
  const gib = (batchSize: number): number => plan(batchSize).memory.total / 2 ** 30
  const largest = Number(found?.[2])
  assert.is(gib(20_000).toFixed(2), found?.[1])
  assert.ok(
    gib(largest) <= 4 && gib(largest + 1) > 4,
    `${largest} needs ${gib(largest)} GiB, one more ${gib(largest + 1)} GiB`,
  )
})

test.run()
