/**
 * Compiling, one step at a time, state dicts and files; and the messages of what users get wrong.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trace } from '../../src/graph/trace.js'
import {
  batchNorm2d,
  type CompileOptions,
  compile,
  conv2d,
  flatten,
  lif,
  linear,
  type Model,
  type Module,
  plif,
  residual,
  type Sgd,
  type StateDict,
  type StepOptions,
  sequential,
  sgd,
} from '../../src/index.js'
import { parseSafetensors } from '../../src/io/safetensors.js'
import { makePlan } from '../../src/plan/plan.js'
import { messageOf, withFolder } from '../io/temporary.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'

const input = [3, 5, 7] as const
const network = (): Module =>
  sequential({
    stem: sequential(conv2d(3, 17, 3, { padding: 1 }), batchNorm2d(17), lif()),
    layer1: residual(
      sequential(conv2d(17, 17, 3, { padding: 1, bias: false }), batchNorm2d(17), plif()),
    ),
    flat: flatten(),
    head: linear(17 * 35, 5),
  })
const compileIt = (options: Partial<CompileOptions> = {}): Promise<Model> =>
  compile(network(), { input, batchSize: 4, timeSteps: 2, method: 'bptt', ...options })

async function step(model: Model, seed = 1): Promise<void> {
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
  await model.dispose()
})

test('initialisation: uniform in ±1/√fanIn, normalisations at one and zero, τ where it was asked to be', async () => {
  const model = await compileIt()
  const state = model.stateDict()
  for (const [name, fanIn] of [
    ['stem.0.weight', 27],
    ['stem.0.bias', 27],
    ['layer1.main.0.weight', 153],
    ['head.weight', 595],
  ] as const) {
    const { data } = state[name]
    const bound = 1 / Math.sqrt(fanIn)
    assert.ok(
      data.every((v) => Math.abs(v) <= bound),
      name,
    )
    if (data.length < 100) continue
    const [mean, square] = [
      data.reduce((a, b) => a + b, 0) / data.length,
      data.reduce((a, b) => a + b * b, 0) / data.length,
    ]
    assert.ok(
      Math.abs(mean) < 0.2 * bound && Math.abs(square / (bound ** 2 / 3) - 1) < 0.2,
      `${name}: mean ${mean}, mean square ${square}`,
    )
  }
  for (const [part, value] of [
    ['1.weight', 1],
    ['1.bias', 0],
    ['running_mean', 0],
    ['running_var', 1],
  ] as const)
    for (const name of Object.keys(names).filter(
      (n) => n.endsWith(part) && names[n].length === 1 && !n.startsWith('head'),
    ))
      assert.ok(
        state[name].data.every((v) => v === value),
        name,
      )
  assert.ok(Math.abs(1 / (1 + Math.exp(-state['layer1.main.2.w'].data[0])) - 1 / 2) < 1e-6, 'τ = 2')
  await model.dispose()
})

test('save and load: the same bits, the same steps afterwards', async () => {
  await withFolder(async (folder) => {
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
    await model.dispose()
    await other.dispose()
  })
})

test('load: messages for files that are missing, broken or of another network', async () => {
  await withFolder(async (folder) => {
    const model = await compileIt()
    const before = model.stateDict()
    assert.match(
      await messageOf(() => model.load(join(folder, 'none.safetensors'))),
      /none\.safetensors/,
    )
    await writeFile(join(folder, 'broken.safetensors'), 'this is no such file')
    assert.match(
      await messageOf(() => model.load(join(folder, 'broken.safetensors'))),
      /broken\.safetensors/,
    )
    const small = await compile(sequential(flatten(), linear(105, 5)), { input, batchSize: 1 })
    await small.save(join(folder, 'small.safetensors'))
    assert.match(
      await messageOf(() => model.load(join(folder, 'small.safetensors'))),
      /does not match the network; missing: stem\.0\.weight/,
    )
    assert.match(
      await messageOf(() => model.save(join(folder, 'no', 'such', 'folder', 'x.safetensors'))),
      /x\.safetensors/,
    )
    expectSameBits('state', before, model.stateDict())
    await small.dispose()
    await model.dispose()
  })
})

test('loadStateDict: lists all that is missing, unexpected or of another shape, and changes nothing', async () => {
  const model = await compileIt()
  const before = model.stateDict()
  const wrong: StateDict = {
    ...model.stateDict(),
    'head.scale': { shape: [1], data: Float32Array.of(1) },
    'stem.0.weight': { shape: [17, 27], data: new Float32Array(459) },
  }
  delete wrong['head.bias']
  delete wrong['stem.1.running_var']
  const message = await messageOf(() => model.loadStateDict(wrong))
  assert.match(
    message,
    /missing: head\.bias, stem\.1\.running_var; unexpected: head\.scale; of another shape: stem\.0\.weight \(expected \[17, 3, 3, 3\], got \[17, 27\]\)/,
  )
  const infinite = model.stateDict()
  infinite['stem.0.bias'].data.fill(5)
  infinite['head.bias'].data[3] = Number.NaN
  assert.match(
    await messageOf(() => model.loadStateDict(infinite)),
    /holds NaN in head\.bias at index 3/,
  )
  for (const [name, data, expected] of [
    [
      'stem.1.running_var',
      new Float32Array(17).fill(-1e-6),
      /holds -9\.9.*e-7 in stem\.1\.running_var at index 0; a variance must be ≥ 0/,
    ],
    [
      'head.bias',
      Float64Array.of(0, 1, 2, 3, -1e39),
      /holds -1e\+39 in head\.bias at index 4; it overflows float32/,
    ],
    [
      'head.bias',
      new BigInt64Array(5),
      /holds 0 in head\.bias at index 0; expected finite numbers/,
    ],
  ] as const) {
    const changed = { ...model.stateDict(), [name]: { shape: [data.length], data } }
    assert.match(await messageOf(() => model.loadStateDict(changed as StateDict)), expected)
  }
  const short = model.stateDict()
  short['head.bias'] = { shape: [5], data: new Float32Array(4) }
  assert.match(await messageOf(() => model.loadStateDict(short)), /head\.bias.*5.*4/)
  expectSameBits('state', before, model.stateDict())
  model.loadStateDict({
    ...before,
    'stem.1.num_batches_tracked': { shape: [], data: Float32Array.of(7) },
  })
  await model.dispose()
})

test('loadStateDict: what is no state dict', async () => {
  const model = await compileIt()
  const state = model.stateDict()
  for (const [value, expected] of [
    [
      null,
      /^the state dict must be an object of \{ shape, data \} by name, as stateDict\(\) gives it, got null$/,
    ],
    ['weights.safetensors', /^the state dict must be an object of .* got "weights\.safetensors"$/],
    [
      { ...state, 'head.bias': undefined },
      /^the state dict's head\.bias must be \{ shape: numbers, data: Float32Array \}, got undefined$/,
    ],
    [
      { ...state, 'head.bias': new Float32Array(5) },
      /^the state dict's head\.bias must be .* got Float32Array$/,
    ],
    [
      { ...state, 'head.bias': { shape: [5] } },
      /^the state dict's head\.bias must be .* got \{"shape":\[5\]\}$/,
    ],
  ] as const)
    assert.match(
      await messageOf(() => model.loadStateDict(value as unknown as StateDict)),
      expected,
    )
  expectSameBits('state', state, model.stateDict())
  await model.dispose()
})

test('trainStep: options and optimizers that are none', async () => {
  const model = await compileIt()
  const before = model.stateDict()
  const [x, y] = [uniform(4 * 105, 1, 1), [0, 1, 2, 3]]
  for (const [options, expected] of [
    [{ updat: false }, 'trainStep.updat is not an option; known are update, lr, clipNorm'],
    [{ update: 0 }, 'trainStep.update must be true or false, got 0'],
    [{ lr: Number.NaN }, 'trainStep.lr must be a finite number ≥ 0, got NaN'],
    [{ lr: -0.1 }, 'trainStep.lr must be a finite number ≥ 0, got -0.1'],
    [{ lr: 1e39 }, 'trainStep.lr must be a finite number ≥ 0, got 1e+39'],
    [{ lr: '0.1' }, 'trainStep.lr must be a finite number ≥ 0, got "0.1"'],
    [0.1, "trainStep's options must be an object with any of update, lr, clipNorm, got 0.1"],
  ] as const)
    assert.is(await messageOf(() => model.trainStep(x, y, options as StepOptions)), expected)
  assert.throws(() => {
    model.optimizer = { lr: 0.1 } as Sgd
  }, 'model.optimizer must be made by sgd, adam, adamW, rmsprop, as in sgd({ lr: 0.1 }), got {"lr":0.1}')
  assert.is(model.optimizer.kind, 'sgd')
  assert.match(
    await messageOf(() => model.trainStep([...x] as unknown as Float32Array, y)),
    /^x must be a Float32Array, got \[/,
  )
  assert.is(
    await messageOf(() => model.predict(undefined as unknown as Float32Array)),
    'x must be a Float32Array, got undefined',
  )
  assert.is(
    await messageOf(() => model.trainStep(x, undefined as unknown as number[])),
    'y must be an array of labels, got undefined',
  )
  assert.is(
    await messageOf(() => model.profile(0)),
    'profile.repeats must be an integer from 1 to 10000, got 0',
  )
  expectSameBits('state', before, model.stateDict())
  await model.dispose()
})

test('a step too large for float32 leaves the parameters that it would ruin, and says that it made the others', async () => {
  const model = await compile(sequential(flatten(), linear(6, 2)), {
    input: [1, 2, 3],
    batchSize: 4,
    timeSteps: 2,
  })
  const zeros = Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, t]) => [
      name,
      { ...t, data: t.data.map(() => 0) },
    ]),
  )
  model.loadStateDict(zeros)
  // Both outputs are 0, so that the gradient is ±1/4 of each feature: 250 for the first one.
  const x = Float32Array.from({ length: 24 }, (_, i) => (i % 6 === 0 ? 1000 : 1))
  model.optimizer = sgd({ momentum: 0 })
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
    assert.match(
      await messageOf(() => model.trainStep(x, [0, 0, 0, 1], { update })),
      /^the loss is (NaN|Infinity); .*\. The parameters are those before this step; a lower learning rate/,
    )
  assert.equal(model.stateDict(), zeros)
  await model.dispose()
})

test('trainStep: messages for wrong sizes and labels; the model goes on', async () => {
  const model = await compileIt()
  const before = model.stateDict()
  const x = uniform(4 * 105, 1, 1)
  for (const [call, expected] of [
    [
      () => model.trainStep(x.subarray(1), [0, 1, 2, 3]),
      /x must hold \[4, 3, 5, 7\] = 420 numbers, got 419/,
    ],
    [() => model.trainStep(x, [0, 1, 2]), /y must hold one label for each of the 4 images, got 3/],
    [
      () => model.trainStep(x, [0, 1, 2, 5]),
      /labels must be integers from 0 to 4, got 5 at index 3/,
    ],
    [
      () => model.trainStep(x, [0, -1, 2, 3]),
      /labels must be integers from 0 to 4, got -1 at index 1/,
    ],
    [
      () => model.trainStep(x, [0.5, 1, 2, 3]),
      /labels must be integers from 0 to 4, got 0\.5 at index 0/,
    ],
    [() => model.activity('stem.2'), /activity needs compile\(\{ inspect: true \}\)/],
  ] as const)
    assert.match(await messageOf(call), expected)
  expectSameBits('state', before, model.stateDict())
  await step(model)
  await model.dispose()
  const frames = await compileIt({ frames: true })
  assert.match(
    await messageOf(() => frames.trainStep(x, [0, 1, 2, 3])),
    /x must hold \[4, 2, 3, 5, 7\] = 840 numbers, got 420/,
  )
  await frames.dispose()
  const inspected = await compileIt({ inspect: true })
  assert.match(
    await messageOf(() => inspected.activity('head')),
    /no neuron layer "head"; there are stem\.2, layer1\.main\.2/,
  )
  await inspected.dispose()
})

const wrongOptions: [Partial<CompileOptions> | Record<string, unknown>, RegExp][] = [
  [{ timesteps: 4 }, /^compile\.timesteps is not an option; known are input, timeSteps/],
  [{ timeSteps: 0 }, /^compile\.timeSteps must be an integer from 1 to 4096, got 0/],
  [{ timeSteps: 256 }, /^timeSteps must be at most 255 with method bptt, got 256/],
  [{ batchSize: 2.5 }, /^compile\.batchSize must be an integer from 1 to \d+, got 2\.5/],
  [{ threads: 0 }, /^compile\.threads must be an integer from 1 to 256, got 0/],
  [{ seed: -1 }, /^compile\.seed must be an integer from 0 to 4294967295, got -1/],
  [{ engine: 'fast' }, /^compile\.engine must be 'release' or 'debug', got "fast"/],
  [
    { input: [] },
    /^compile\.input must be \[features\], .* or \[channels, height, width\], got \[\]/,
  ],
  [{ input: [3, 5, 0] }, /^compile\.input must be \[features\], .*, got \[3,5,0\]/],
  [
    { input: [1, 5, 7] },
    /^stem\.0 \(conv2d\): expects 3 input channels, got 1 \(input \[1, 5, 7\]\)/,
  ],
  [{ input: [3, 5, 8] }, /^head \(linear\): expects 595 features, got 680/],
]
for (const [options, expected] of wrongOptions)
  test(`compile(${JSON.stringify(options)}) says what is wrong`, async () => {
    assert.match(await messageOf(() => compileIt(options as Partial<CompileOptions>)), expected)
  })

test('a batch that is too large: the message says how much it needs and the largest batch that fits, which does', async () => {
  const net = sequential(
    conv2d(3, 32, 3, { padding: 1 }),
    batchNorm2d(32),
    lif(),
    conv2d(32, 32, 3, { padding: 1 }),
    lif(),
    flatten(),
    linear(32 * 1024, 10),
  )
  const message = await messageOf(() => net.compile({ input: [3, 32, 32], batchSize: 20_000 }))
  const found = message.match(
    /^the model needs ([\d.]+) GiB of memory for batchSize 20000 \(its largest buffer, .+: [\d.]+ GiB\), .*; the largest batch that fits is (\d+)$/,
  )
  assert.ok(found, message)
  const plan = (batchSize: number) =>
    makePlan(
      {
        graph: trace(net, [3, 32, 32]),
        input: [3, 32, 32],
        frames: false,
        batchSize,
        timeSteps: 4,
        backwardSteps: 4,
        inspect: false,
        method: 'rate',
        stepMode: 'm',
        update: 'afterwards',
        mseWeight: 0.05,
      },
      1,
    )
  const gib = (batchSize: number): number => plan(batchSize).memory.total / 2 ** 30
  const largest = Number(found?.[2])
  assert.is(gib(20_000).toFixed(2), found?.[1])
  assert.ok(
    gib(largest) <= 4 && gib(largest + 1) > 4,
    `${largest} needs ${gib(largest)} GiB, one more ${gib(largest + 1)} GiB`,
  )
})

test.run()
