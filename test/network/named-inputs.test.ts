/** Networks with several inputs by name: training, data, files, exports. */

import * as assert from 'uvu/assert'
import { callsOf } from '../../src/edge/abi.js'
import { checkData, showSample } from '../../src/edge/accuracy.js'
import { exportWasm } from '../../src/edge/export.js'
import { netHeader } from '../../src/edge/header.js'
import { openNet } from '../../src/edge/net.js'
import { layDown, repeatSamples, type SampleParts } from '../../src/engine/run/run-words.js'
import * as api from '../../src/index.js'
import type { Value } from '../../src/network/value.js'
import { expectRefusal } from '../files/temporary.js'
import { integer, one } from '../support/draw/random.js'
import { testRandom } from '../support/engine.js'
import { differing } from '../support/exported.js'
import { learnSame } from '../support/learning.js'
import { ofLong } from '../support/long.js'
import { expectClose, expectSameBits, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 11)
const smooth = () => api.elementwise('tanh(x)')

/** A convolution of each image, and their sum; behind it no spikes, which rounding could flip. */
function summed(channels: readonly number[], [h, w]: readonly number[], kernel: number): api.Block {
  const names = channels.map((_, i) => `in${i}`)
  const convs: Record<string, api.Module> = Object.fromEntries(
    channels.map((c, i) => [`in${i}`, api.conv2d(c, 5, kernel, { bias: i === 0 })]),
  )
  const size = 5 * (h - kernel + 1) * (w - kernel + 1)
  return api.block(
    { ...convs, act: smooth(), flat: api.flatten(), out: api.linear(size, 3) } as typeof convs,
    (m, x: Value | api.NamedValues, { add }) => {
      const of = x as api.NamedValues
      const each = names.map((name) => m[name](names.length > 1 ? of[name] : (x as Value)))
      return m.out(m.flat(m.act(names.length > 1 ? add(...each) : each[0])))
    },
  )
}

/** Planes [from, from + count) of each sample's and frame's `all`. */
const planesOf = (x: ArrayLike<number>, all: number, pixels: number, from: number, count: number) =>
  Float32Array.from(x).filter((_, i) => {
    const plane = Math.floor(i / pixels) % all
    return plane >= from && plane < from + count
  })

test('images by name have the numbers of one image of all their channels', async () => {
  for (let i = 0; i < ofLong(12, 200); i++) {
    const random = testRandom(seed + i)
    const modes = usualModes.filter(([method]) => method !== 'ottt')
    const [method, stepMode] = modes[i % modes.length]
    const channels = Array.from({ length: integer(random, 2, 4) }, () => integer(random, 1, 6))
    const sizes = [integer(random, 3, 6), integer(random, 3, 6)] as const
    const kernel = one(random, [1, 2, 3])
    const frames = (method === 'rate' || method === 'bptt') && random() < 0.5
    const [T, B] = [integer(random, 1, 5), integer(random, 1, 6)]
    const own = { timeSteps: T, batchSize: B, method, stepMode, frames, inputGradient: true }
    const all = channels.reduce((a, b) => a + b, 0)
    const pixels = sizes[0] * sizes[1]
    const input = Object.fromEntries(
      channels.map((c, k) => [`in${k}`, [c, ...sizes] as const]),
    ) as api.InputShapes
    const named = await modelOf(summed(channels, sizes, kernel), { ...own, input } as never)
    const whole = await modelOf(summed([all], sizes, kernel), { ...own, input: [all, ...sizes] })
    const state = named.stateDict()
    const { 'in0.weight': first, ...rest } = state
    const weight = new Float32Array(5 * all * kernel ** 2)
    let from = 0
    const starts: number[] = []
    for (const [k, c] of channels.entries()) {
      const part = (k === 0 ? first : rest[`in${k}.weight`]).data
      for (let o = 0; o < 5; o++)
        for (let j = 0; j < c * kernel ** 2; j++)
          weight[(o * all + from) * kernel ** 2 + j] = part[o * c * kernel ** 2 + j]
      starts.push(from)
      from += c
    }
    whole.loadStateDict({
      'in0.weight': { shape: [5, all, kernel, kernel], data: weight },
      'in0.bias': rest['in0.bias'],
      'out.weight': rest['out.weight'],
      'out.bias': rest['out.bias'],
    })
    const x = uniform(B * all * pixels * (frames ? T : 1), 1, seed + i)
    const y = Array.from({ length: B }, () => integer(random, 0, 2))
    const parts = Object.fromEntries(
      channels.map((c, k) => [`in${k}`, planesOf(x, all, pixels, starts[k], c)]),
    )
    const what = `network ${i}, ${method} ${stepMode}`
    await whole.trainStep(x, y, { update: false })
    await named.trainStep(parts, y, { update: false })
    expectClose(what, named.output(), whole.output(), 1e-5)
    const [gradients, wanted] = [named.gradients(), whole.gradients()]
    for (const [k, c] of channels.entries()) {
      const slice = planesOf(wanted['in0.weight'].data, all, kernel ** 2, starts[k], c)
      expectClose(`${what} weight ${k}`, gradients[`in${k}.weight`].data, slice, 2e-5)
      const ofInput = planesOf(whole.inputGradient(), all, pixels, starts[k], c)
      expectClose(`${what} input ${k}`, named.inputGradient(`in${k}`), ofInput, 2e-5)
    }
    await Promise.all([named, whole].map((model) => model.dispose()))
  }
})

const input = { image: [3, 4, 5], state: [4], series: [2, 6] } as const
const sizes = Object.values(input).map((shape) => shape.reduce((a: number, b: number) => a * b, 1))
const size = sizes.reduce((a, b) => a + b, 0)
const mixed = (): api.Block =>
  api.block(
    {
      conv: api.conv2d(3, 6, 3),
      fire: api.lif({ vThreshold: 0.3 }),
      flat: api.flatten(),
      fc: api.linear(4, 6),
      conv1: api.conv1d(2, 4, 3),
      out: api.linear(36 + 6 + 16, 3),
    },
    (m, { image, state, series }: api.NamedValues, { concat }) =>
      m.out(
        concat(m.flat(m.fire(m.conv(image))), m.fire(m.fc(state)), m.flat(m.fire(m.conv1(series)))),
      ),
  )
const compiled = (options: Partial<api.CompileOptions> = {}) =>
  modelOf(mixed(), { input, timeSteps: 4, batchSize: 6, ...options } as never)
const flatOf = (n: number, T = 1) => uniform(n * T * size, 2, seed)
/** The same by name, of samples [n][input][T][…]. */
function byName(x: Float32Array, T = 1): Record<string, Float32Array> {
  const n = x.length / (size * T)
  let at = 0
  return Object.fromEntries(
    Object.keys(input).map((name, k) => {
      const of = sizes[k] * T
      const values = new Float32Array(n * of)
      for (let b = 0; b < n; b++)
        values.set(x.subarray(b * size * T + at, b * size * T + at + of), b * of)
      at += of
      return [name, values]
    }),
  )
}
const dataOf = (n: number, options: object = {}) =>
  api.fromArrays({
    inputs: byName(flatOf(n)),
    labels: Array.from({ length: n }, (_, i) => i % 3),
    classes: 3,
    shape: input,
    ...options,
  })

test('records of arrays and arrays of whole samples have the same bits, alone or in a batch', async () => {
  for (const frames of [false, true]) {
    const T = frames ? 4 : 1
    const model = await compiled({ frames, inputGradient: true })
    assert.equal([model.input, model.inputs], [[size], input])
    const x = flatOf(6, T)
    const y = [0, 1, 2, 0, 1, 2]
    await model.trainStep(x, y, { update: false })
    const [gradients, all] = [model.gradients(), model.inputGradient()]
    await model.trainStep(byName(x, T), y, { update: false })
    expectSameBits('gradients', model.gradients(), gradients)
    assert.equal(model.inputGradient(), all)
    for (const [name, values] of Object.entries(byName(all, T)))
      assert.equal(model.inputGradient(name), values, name)
    const { logits } = await model.predict(flatOf(20, T))
    assert.equal((await model.predict(byName(flatOf(20, T), T))).logits, logits)
    const single = await model.predict(flatOf(20, T).subarray(7 * size * T, 8 * size * T))
    assert.equal(single.logits, logits.slice(21, 24))
    // So many take passes where there is one input.
    const large = await compiled({ frames, purpose: 'inference', batchSize: 4096 })
    large.loadStateDict(model.stateDict())
    const many = flatOf(4096, T)
    many.set(flatOf(20, T), 4000 * size * T)
    const found = (await large.predict(many)).logits
    assert.equal(found.slice(3 * 4000, 3 * 4020), logits, 'inference')
    assert.match(
      model.summary(),
      /; input image \[3, 4, 5\], state \[4\], series \[2, 6\], batch 6/,
    )
  }
})

test('data sets, threads that read ahead, files and streams', async () => {
  const data = dataOf(32)
  assert.equal([data.shape, data.inputs], [[size], input])
  const sample = new Float32Array(size)
  assert.is(data.read(5, sample), 2)
  assert.equal(sample, flatOf(32).slice(5 * size, 6 * size))
  const trained = async (options: api.FitOptions, threads = 1) => {
    const model = await compiled({ threads })
    await model.fit(data, { epochs: 2, dropLast: false, ...options })
    return model
  }
  const model = await trained({ numWorkers: 0 })
  expectSameBits('threads read', (await trained({ numWorkers: 2 })).stateDict(), model.stateDict())
  expectSameBits('threads', (await trained({}, 3)).stateDict(), model.stateDict())
  const found = await model.evaluate(data)
  const { classes } = await model.predict(flatOf(32))
  assert.is(found.accuracy, classes.filter((c, i) => c === i % 3).length / 32)
  // A batch that is not full is filled with repeats.
  const ten = await model.predict(flatOf(32).subarray(0, 10 * size))
  const losses = Array.from({ length: 10 }, (_, i) => {
    const own = ten.logits.subarray(3 * i, 3 * i + 3)
    return Math.log(own.reduce((sum, v) => sum + Math.exp(v), 0)) - own[i % 3]
  })
  const { loss } = await model.evaluate(api.subset(data, 10))
  assert.ok(Math.abs(loss - losses.reduce((a, b) => a + b, 0) / 10) < 1e-6)
  const loaded = await own(api.loadModel(await model.toBytes()))
  const { logits } = await model.predict(flatOf(6))
  assert.equal((await loaded.predict(byName(flatOf(6)))).logits, logits)
  assert.equal({ ...loaded.toJSON(), method: 0 }, { ...model.toJSON(), method: 0 })
  const again = await own(api.networkFromJSON(JSON.stringify(model)).compile({ input } as never))
  again.loadStateDict(model.stateDict())
  const still = { stepMode: 's', purpose: 'stream', batchSize: 2, timeSteps: 4 } as const
  const stream = await modelOf(mixed(), { input, ...still } as never)
  const whole = await modelOf(mixed(), { input, ...still, purpose: 'inference' } as never)
  for (const of of [stream, whole]) of.loadStateDict(model.stateDict())
  const x = flatOf(2)
  let last = await stream.step(x)
  for (let t = 1; t < 4; t++) last = await stream.step(byName(x))
  assert.equal(last.logits, (await whole.predict(x)).logits)
})

test('exported files have the bits of predict, and say where each input lies', async () => {
  const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0))
  for (const frames of [false, true]) {
    const T = frames ? 4 : 1
    const model = await compiled({ frames })
    for (const target of ['simd', 'scalar'] as const) {
      const bytes = (await exportWasm(model, { target })) as Uint8Array
      const net = await openNet(bytes)
      const x = flatOf(1, T)
      showSample(net, callsOf(net.info)[0], new Uint8Array(x.buffer))
      assert.is(differing(net.output, (await model.predict(x)).logits), 0, target)
      assert.equal(
        net.info.inputs?.map(({ name, offset }) => [name, offset]),
        Object.keys(input).map((name, i) => [name, T * offsets[i]]),
      )
      if (frames) continue
      assert.match(netHeader(bytes), /#define NET_INPUT_state 60 /)
      checkData(net, dataOf(3))
      const other = dataOf(3, { inputs: flatOf(3), shape: [size] })
      await expectRefusal(
        () => checkData(net, other),
        /must have the exported network's inputs, image, state, series, got one/,
      )
    }
  }
})

test('exported files learn with the bits of trainStep', async () => {
  for (const [batchSize, frames, target] of [
    [1, false, 'simd'],
    [3, false, 'simd'],
    [3, true, 'scalar'],
    [2, true, 'simd'],
  ] as const) {
    const model = await compiled({ batchSize, frames })
    await learnSame(model, testRandom(seed), 3, { target, title: `${batchSize} ${frames}` })
  }
})

test('vectors by name learn in an exported file, where nothing is to be turned', async () => {
  const sum = api.block(
    { a: api.linear(5, 4), b: api.linear(3, 4), fire: api.lif(), out: api.linear(4, 3) },
    (m, { x, y }: api.NamedValues, { add }) => m.out(m.fire(add(m.a(x), m.b(y)))),
  )
  for (const batchSize of [1, 4]) {
    const model = await modelOf(sum, { input: { x: [5], y: [3] }, batchSize } as never)
    await learnSame(model, testRandom(seed), 3, { title: `${batchSize}` })
  }
})

test('a network shares a layer between two inputs', async () => {
  const twins = api.block(
    { same: api.linear(5, 4), act: smooth(), out: api.linear(8, 2) },
    (m, { a, b }: api.NamedValues, { concat }) => m.out(concat(m.act(m.same(a)), m.act(m.same(b)))),
  )
  const model = await modelOf(twins, { input: { a: [5], b: [5] }, batchSize: 3 } as never)
  const [a, b] = [uniform(15, 1, 1), uniform(15, 1, 2)]
  await model.trainStep({ a, b }, [0, 1, 0], { update: false })
  const both = model.gradients()['same.bias'].data
  const { data, shape } = model.stateDict()['same.bias']
  for (const i of [0, 3]) {
    const at = async (by: number) => {
      const moved = data.map((v, j) => v + (j === i ? by : 0))
      model.loadStateDict({ ...model.stateDict(), 'same.bias': { shape, data: moved } })
      return (await model.trainStep({ a, b }, [0, 1, 0], { update: false })).loss
    }
    // The rate method divides gradients of parameters by T, as the paper does.
    const slope = ((await at(0.01)) - (await at(-0.01))) / 0.02 / model.timeSteps
    assert.ok(Math.abs(slope - both[i]) < 1e-3 * Math.max(...both.map(Math.abs)), `${i}`)
  }
})

// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those that types forbid
type Anything = any

test('mistakes with named inputs are told', async () => {
  const model = await compiled()
  const one = await modelOf(api.linear(4, 2), { input: [4], batchSize: 2 })
  const x = byName(flatOf(6))
  const y = [0, 1, 2, 0, 1, 2]
  const step = (of: Anything) => model.trainStep(of, y)
  const net = (input: Anything) => modelOf(mixed(), { input } as never)
  const data = (options: Anything) => dataOf(3, options)
  const text = JSON.stringify(model)
  const mistakes: readonly [() => unknown, string | RegExp][] = [
    [
      () => step({ ...x, extra: x.state }),
      'x must have an array for each of image, state, series, got image, state, series, extra',
    ],
    [
      () => step({ image: x.image }),
      'x must have an array for each of image, state, series, got image',
    ],
    [() => step({ ...x, state: [1] }), /^x\.state must be a Float32Array, got/],
    [
      () => step({ ...x, state: x.state.subarray(4) }),
      /as many samples of each input, \{ image: \[3, 4, 5\], state: \[4\], series: \[2, 6\] \}, got 6 of image, 5 of state, 6 of series/,
    ],
    [() => step({ ...x, state: x.state.map(() => Number.NaN) }), /^x/],
    [
      () => one.predict({ x: new Float32Array(4) } as Anything),
      /^x must be a Float32Array, since the model has one input/,
    ],
    [
      () => net({ image: [3, 4, 5], state: [4] }),
      /^network: concat|conv1 \(conv1d\) must be called with the value that it takes in, got undefined/,
    ],
    [
      () => net([size]),
      /conv \(conv2d\) must be called with the value that it takes in, got undefined/,
    ],
    [() => net({}), 'compile.input must name 1 to 1000 inputs, got 0'],
    [
      () => net({ 'a b': [1] }),
      `compile.input: an input's name must be of letters, digits and _, got "a b"`,
    ],
    [() => net({ a: [0] }), /^compile\.input\.a must be \[features\]/],
    [
      () => modelOf(api.linear(4, 2), { input: { a: [4] } } as never),
      /^network \(linear\) must be called with the value that it takes in, got .*; of several inputs a block takes one by its name/,
    ],
    [
      () => api.networkFromJSON(text).compile({ input: [size] }),
      /input must have sizes for image, state, series, got none for image/,
    ],
    [() => model.inputGradient(), /needs compile\(\{ inputGradient: true \}\)/],
    [
      () => model.evaluate(dataOf(6, { inputs: flatOf(6), shape: [size] })),
      /has samples of \[76\], the model was compiled for input \{ image/,
    ],
    [() => data({ inputs: flatOf(3) }), /inputs must have an array for each of image, state, ser/],
    [() => data({ labels: [0] }), /^arrays: inputs must have 1 labels × 76 = 76 values, got 228;/],
    [
      () => api.fromArrays({ images: flatOf(1), targets: flatOf(1), shape: [7] }),
      /: images must be samples of/,
    ],
    [
      () => data({ inputs: { ...byName(flatOf(3)), state: new Float32Array(8) } }),
      /as many samples of each, got 3 of image, 2 of state, 3 of series/,
    ],
    [() => data({ shape: { ...input, state: [0] } }), /shape\.state must be/],
    [() => api.encoders.rate(dataOf(3), { timeSteps: 2 }), /must have one input, got \{ image/],
    [
      async () => exportWasm(await compiled({ frames: true }), { mode: 'both' }),
      /^exportWasm: named inputs \(image, state, series\) are exported as float32/,
    ],
    [() => exportWasm(model, { inputType: 'u8' }), /inputType 'u8'/],
  ]
  for (const [call, message] of mistakes) await expectRefusal(async () => call(), message as string)
  const graded = await compiled({ inputGradient: true })
  await expectRefusal(
    () => graded.inputGradient('other'),
    'inputGradient: the model has no input "other"; there are image, state, series',
  )
})

test('in a slot inputs lie apart; a batch that is not full is filled with its samples in turn', () => {
  // Two inputs: 2 planes of 3 pixels, 1 plane of 2; 5 samples, of which 2 are there.
  const parts: SampleParts = [
    [2, 3],
    [1, 2],
  ]
  const slot = new Float32Array(5 * 8)
  const x = Float32Array.from({ length: 2 * 8 }, (_, i) => i + 1)
  for (const i of [0, 1]) layDown(slot, 5, i, x, i * 8, parts)
  repeatSamples(slot, 5, 2, parts)
  const first = (b: number) => [1, 4, 2, 5, 3, 6].map((v) => v + 8 * (b % 2))
  const second = (b: number) => [7, 8].map((v) => v + 8 * (b % 2))
  const all = [0, 1, 2, 3, 4]
  assert.equal(Array.from(slot), [...all.flatMap(first), ...all.flatMap(second)])
})

test.run()
