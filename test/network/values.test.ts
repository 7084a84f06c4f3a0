/**
 * What forward functions do with values: the same function runs on float64 numbers, and slopes of
 * the loss there are the gradients of every method that can train it.
 */

import * as assert from 'uvu/assert'
import { traitsOf } from '../../src/compile/methods.js'
import {
  type Apply,
  block,
  type CompileOptions,
  conv1d,
  conv2d,
  flatten,
  type InputShape,
  type Layer,
  layer,
  lif,
  linear,
  loadModel,
  type Model,
  type Module,
  type Ops,
  type StateDict,
  sequential,
  timeMean,
  type Value,
} from '../../src/index.js'
import { imageShape } from '../../src/network/value.js'
import { expectRefusal } from '../files/temporary.js'
import { withBudgets } from '../support/budgets.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { expectAllClose, expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { expectNear } from '../support/ops.js'
import { small } from '../support/small-budgets.js'
import { methodModes } from '../support/tables.js'
import { filled, type Numbers, numericOps } from '../support/values.js'

const classes = 3

interface Net {
  readonly input: readonly number[]
  readonly layers: Readonly<Record<string, Layer>>
  /** Shapes of what is learnt beside layers. */
  readonly parameters?: Readonly<Record<string, InputShape>>
  readonly forward: (
    m: Record<string, Apply>,
    x: Value,
    ops: Ops,
    p: Readonly<Record<string, Value>>,
  ) => Value
}

/** The network; parameters begin anywhere. */
const networkOf = ({ layers, parameters, forward }: Net): Module =>
  parameters
    ? layer({
        layers,
        parameters: Object.fromEntries(
          Object.entries(parameters).map(([key, shape]) => [key, { shape, start: 0.5 }]),
        ),
        forward: (ops, x, p, m) => forward(m, x, ops, p),
      })
    : block(layers, (m, x, ops) => forward(m, x, ops, {}))

type Int = (least: number, most: number) => number

const tokens = (int: Int): { C: number; N: number; input: readonly number[] } => {
  const [C, N] = [int(1, 5), int(1, 14)]
  return { C, N, input: [C, N] }
}

/** `still`: one factor of each product is a mean over time. */
const nets: Readonly<Record<string, (int: Int, still: boolean) => Net>> = {
  attention(int, still) {
    const { C, N, input } = tokens(int)
    const [heads, size] = [int(1, 3), int(1, 4)]
    const d = heads * size
    const to = (): Layer => conv1d(C, d, 1)
    return {
      input,
      layers: {
        q: to(),
        k: to(),
        v: to(),
        mean: timeMean(),
        flat: flatten(),
        fc: linear(d * N, classes),
      },
      forward(m, x, { matmul, softmax, add, transpose }) {
        const rest = still ? m.mean(x) : x
        const scores = matmul(m.q(rest), m.k(rest), { transposeA: true, heads })
        const last = matmul(m.v(x), softmax(scores), { transposeB: true, heads })
        const twice = transpose(transpose(last), 1, -1)
        return m.fc(m.flat(add(last, twice)))
      },
    }
  },
  'matrices in all directions'(int, still) {
    const { C, N, input } = tokens(int)
    const d = int(1, 6)
    const size = d * d + N * N
    return {
      input,
      layers: {
        a: conv1d(C, d, 1),
        b: conv1d(C, d, 1),
        mean: timeMean(),
        flat: flatten(),
        fc: linear(size + d * N, classes),
      },
      forward(m, x, { matmul, transpose, concat }) {
        const [a, b] = [m.a(still ? m.mean(x) : x), m.b(x)]
        const outer = matmul(a, b, { transposeB: true })
        const inner = matmul(b, a, { transposeA: true })
        const both = matmul(transpose(b), a, { transposeA: true, transposeB: true })
        const chain = matmul(both, a)
        return m.fc(concat(m.flat(outer), m.flat(inner), m.flat(chain)))
      },
    }
  },
  'gates of channels and pixels'(int, still) {
    const [C, D, H, W] = [int(1, 3), int(1, 9), int(1, 5), int(1, 7)]
    return {
      input: [C, H, W],
      layers: {
        body: conv2d(C, D, 1),
        channels: conv2d(C, D, [H, W]),
        pixels: conv2d(C, 1, 1),
        mean: timeMean(),
        flat: flatten(),
        fc: linear(D * H * W, classes),
      },
      forward(m, x, { mul, add, slice }) {
        const rest = still ? m.mean(x) : x
        const [body, pixels] = [m.body(x), m.pixels(rest)]
        const gated = mul(mul(m.channels(rest), pixels), body)
        const column = slice(pixels, 0, 1, 3)
        return m.fc(m.flat(add(gated, mul(body, column), mul(gated, pixels))))
      },
    }
  },
  'softmax along each size'(int, still) {
    const [C, D, H, W] = [int(1, 3), int(1, 9), int(1, 5), int(1, 6)]
    return {
      input: [C, H, W],
      layers: {
        body: conv2d(C, D, 1),
        mean: timeMean(),
        flat: flatten(),
        fc: linear(D * H * W, classes),
      },
      forward(m, x, { softmax, add }) {
        const y = m.body(still ? m.mean(x) : x)
        return m.fc(m.flat(add(softmax(y, 1), softmax(y, 2), softmax(y, 3), softmax(y, -1))))
      },
    }
  },
  'a linear layer by hand'(int) {
    const [F, D] = [int(1, 30), int(1, 20)]
    return {
      input: [F],
      layers: { fc: linear(D, classes) },
      parameters: { weight: [D, F], bias: [D], row: [1, D], half: [1] },
      forward(m, x, { matmul, add, mul, reshape, transpose }, p) {
        const y = add(matmul(p.weight, x), p.bias)
        const column = mul(transpose(reshape(y, [1, D])), transpose(p.row))
        return m.fc(add(mul(p.half, reshape(column, [-1])), y))
      },
    }
  },
  'gates, scales and places that are learnt'(int) {
    const [C, D, H, W] = [int(1, 3), int(1, 9), int(1, 5), int(1, 7)]
    return {
      input: [C, H, W],
      layers: { body: conv2d(C, D, 1), flat: flatten(), fc: linear(D * H * W, classes) },
      parameters: {
        scale: [D, 1, 1],
        rows: [1, H, 1],
        place: [D, H, W],
        gate: [D, 1, W],
        one: [1],
      },
      forward(m, x, { mul, add, elementwise, expand }, p) {
        const y = add(m.body(x), p.place, p.rows, p.one)
        const open = elementwise('1 / (1 + exp(-x))', mul(p.gate, p.one))
        const all = expand(expand(p.scale, [-1, H, -1]), [D, -1, W])
        return m.fc(m.flat(add(mul(mul(y, p.scale), open), mul(all, p.place), y)))
      },
    }
  },
  'a product of two products'(int, still) {
    const { C, N, input } = tokens(int)
    const D = int(1, 6)
    return {
      input,
      layers: { mean: timeMean(), flat: flatten(), fc: linear(D * N, classes) },
      parameters: { value: [D, C], gate: [C, D], shift: [D, 1] },
      forward(m, x, { matmul, mul, add, elementwise }, p) {
        const gate = matmul(p.gate, still ? m.mean(x) : x, { transposeA: true })
        const open = elementwise('1 / (1 + exp(-x))', add(gate, p.shift))
        return m.fc(m.flat(mul(matmul(p.value, x), open)))
      },
    }
  },
  'parts, other orders and shapes'(int) {
    const [C, D, H, W] = [int(1, 3), int(2, 9), int(3, 5), int(2, 6)]
    const size = D * H * W
    return {
      input: [C, H, W],
      layers: { body: conv2d(C, D, 1), flat: flatten(), fc: linear(size, classes) },
      forward(m, x, { slice, permute, reshape, concat, transpose, add }) {
        const y = m.body(x)
        const at = 1 + (size % (D - 1 || 1))
        const joined = concat(slice(y, at), slice(y, 0, at))
        const rows = permute(joined, [2, 3, 1])
        const back = permute(rows, [-1, 1, 2])
        const matrix = transpose(reshape(back, [D * H, -1]))
        const flat = reshape(add(joined, reshape(matrix, [D, H, W])), [size])
        const ends = concat(slice(flat, -2), slice(m.flat(y), 0, -2))
        const inside = slice(slice(y, 1, -1, 2), 1, 3, 3)
        const less = reshape(inside, [-1])
        const pad = slice(m.flat(y), 0, size - less.shape[0])
        return m.fc(add(ends, concat(less, pad)))
      },
    }
  },
}

/** The children on numbers. */
function numericChildren(
  layers: Net['layers'],
  state: Readonly<Record<string, Float64Array>>,
  B: number,
) {
  const sum = (name: string, x: Numbers, places: number): Numbers => {
    const { [`${name}.weight`]: weight, [`${name}.bias`]: bias } = state
    const out = bias.length
    const depth = weight.length / out
    const each = places === 1 ? [x.shape[1], x.shape[2]] : [1, 1]
    const pixels = each[0] * each[1]
    const shape = [out, each[0], each[1]] as const
    return filled(x, B, shape, x.flat, (b, [n, y, p], t) => {
      const pixel = y * each[1] + p
      let total = bias[n]
      for (let k = 0; k < depth; k++)
        total += weight[n * depth + k] * x.steps[t][b * depth * pixels + k * pixels + pixel]
      return total
    })
  }
  return Object.fromEntries(
    Object.entries(layers).map(([name, { kind, ...layer }]) => [
      name,
      (x: Numbers): Numbers => {
        if (kind === 'flatten') return { ...x, flat: true }
        if (kind === 'timeMean') {
          const { steps } = x
          const mean = steps[0].map((_, i) => steps.reduce((s, v) => s + v[i], 0) / steps.length)
          return { ...x, steps: steps.map(() => mean) }
        }
        const isPixel =
          'kernelSize' in layer && [layer.kernelSize].flat().every((size) => size === 1)
        return sum(name, x, isPixel ? 1 : x.shape[1] * x.shape[2])
      },
    ]),
  )
}

/** Loss of the cross entropy: of the time mean, or the mean over steps of each step's. */
function lossOf(logits: Numbers, y: readonly number[], ofSteps: boolean): number {
  const { steps } = logits
  const mean = steps[0].map((_, i) => steps.reduce((s, v) => s + v[i], 0) / steps.length)
  const all = ofSteps ? steps : [mean]
  let sum = 0
  for (const step of all)
    y.forEach((label, b) => {
      const row = step.subarray(b * classes, (b + 1) * classes)
      sum += Math.log(row.reduce((s, v) => s + Math.exp(v), 0)) - row[label]
    })
  return sum / y.length / all.length
}

/** Weights of method ottt read spikes alone. */
const modes = methodModes(({ presynaptic }) => presynaptic !== 'trace')

for (const [name, make] of Object.entries(nets))
  for (const [j, [method, stepMode]] of modes.entries())
    for (let seed = 1; seed <= ofLong(2, 34); seed++)
      test(`${name} by ${method} ${stepMode}, seed ${seed}`, async () => {
        const random = testRandom(1000 * seed + 10 * j + name.length)
        const int: Int = (least, most) => least + Math.floor(random() * (most - least + 1))
        const traits = traitsOf({ method, stepMode })
        // Where gradients have one row, the still factor is a mean, or the whole input is.
        const oneRow = traits.rows === 'one'
        const mayMean = oneRow && stepMode === 'm'
        const still = oneRow && !mayMean && !name.startsWith('parts') && !name.includes('learnt')
        const net = make(int, mayMean)
        const { input, layers, forward, parameters = {} } = net
        const [B, T] = [int(1, 3), int(2, 10)]
        const frames = !still
        const options = {
          input,
          method,
          stepMode,
          frames,
          timeSteps: T,
          batchSize: B,
          seed,
          ...(traits.backward === 'everyCall' ? { mseWeight: 0 } : {}),
        } as unknown as CompileOptions
        const model = await withBudgets(seed % 2 === 0 ? small : {}, () =>
          modelOf(networkOf(net), { ...options, threads: 1 + (seed % 2) }),
        )
        const size = input.reduce((a, b) => a * b, 1)
        const x = uniform(B * (frames ? T : 1) * size, 1.5, seed)
        const y = labels(B, classes, seed)
        const start = model.stateDict()
        for (const { data } of Object.values(start))
          for (let i = 0; i < data.length; i++) data[i] = 2 * random() - 1
        const [c, h, w] = imageShape(input as unknown as InputShape)
        const state = Object.fromEntries(
          Object.entries(start).map(([key, { data }]) => [key, Float64Array.from(data)]),
        )
        const steps = Array.from({ length: T }, (_, t) =>
          Float64Array.from({ length: B * size }, (_, i) => {
            const [b, n] = [Math.floor(i / size), i % size]
            return x[frames ? (b * T + t) * size + n : i]
          }),
        )
        const value: Numbers = {
          shape: [c, h, w],
          flat: input.length === 1,
          series: input.length === 2,
          node: 0,
          steps,
        }
        const children = numericChildren(layers, state, B) as unknown as Record<string, Apply>
        const ops = { ...numericOps(B), concat: numericConcat(B) as never }
        const learnt = (): Readonly<Record<string, Value>> =>
          Object.fromEntries(
            Object.entries(parameters).map(([key, of]) => {
              const [flat, series] = [of.length === 1, of.length === 2]
              const all = Array.from({ length: B }, () => [...state[key]]).flat()
              const same = steps.map(() => Float64Array.from(all))
              return [key, { shape: imageShape(of), flat, series, node: 1, steps: same }]
            }),
          )
        const logits = (): Numbers => forward(children, value, ops, learnt()) as Numbers
        // Where outputs are large, one class has all of the softmax, and no gradient is left.
        const high = Math.max(4, ...logits().steps.flatMap((step) => Array.from(step, Math.abs)))
        for (const key of ['fc.weight', 'fc.bias']) {
          const { data } = start[key]
          data.set(data.map((v) => (4 * v) / high))
          state[key].set(data)
        }
        model.loadStateDict(start)
        await model.trainStep(x, y, { update: false })
        const ofSteps = traits.backward === 'everyCall'
        const mean = logits().steps.reduce<number[]>(
          (sum, step) => Array.from(step, (v, i) => (sum[i] ?? 0) + v / T),
          [],
        )
        expectNear('output', model.output(), mean)
        const scale = traits.lossOver === 'imagesAndSteps' && !ofSteps ? 1 / T : 1
        const gradients = model.gradients()
        const most = Object.values(gradients).reduce(
          (a, { data }) => data.reduce((m, v) => Math.max(m, Math.abs(v)), a),
          0,
        )
        // Some numbers of each parameter: each costs two losses.
        for (const [key, values] of Object.entries(state))
          for (let i = int(0, 2); i < values.length; i += 1 + (values.length >> 2)) {
            const [v, { data }] = [values[i], gradients[key]]
            const [up, down] = [1e-5, -1e-5].map((step) => {
              values[i] = v + step
              return lossOf(logits(), y, ofSteps)
            })
            values[i] = v
            const slope = (scale * (up - down)) / 2e-5
            if (!(Math.abs(data[i] - slope) <= 1e-5 * most))
              throw new Error(`${key}[${i}] is ${data[i]}, ${slope} expected of at most ${most}`)
          }
        assert.ok(Object.keys(state).length >= 2)
      })

/** Flat values, or channels. */
const numericConcat =
  (B: number) =>
  (...values: Numbers[]): Numbers => {
    const [{ shape, flat }] = values
    const sizes = values.map(({ shape: [c, h, w] }) => (flat ? c * h * w : c))
    const pixels = flat ? 1 : shape[1] * shape[2]
    const all = sizes.reduce((a, b) => a + b, 0)
    const to = flat ? ([all, 1, 1] as const) : ([all, shape[1], shape[2]] as const)
    return filled(values[0], B, to, flat, (b, [c, h, w], t) => {
      let [i, n] = [0, c]
      while (n >= sizes[i]) n -= sizes[i++]
      const at = (b * sizes[i] + n) * pixels + (flat ? 0 : h * shape[2] + w)
      return values[i].steps[t][at]
    })
  }

const input = [3, 7] as const
const options = { input, timeSteps: 9, batchSize: 3, seed: 5 } as const
const x = uniform(3 * 9 * 21, 2, 4)
const y = labels(3, classes, 4)

/** Gradients of a step, from the same parameters. */
async function gradientsOf(
  network: Module,
  more: Partial<CompileOptions>,
  state?: StateDict,
): Promise<Model> {
  const model = await modelOf(network, { ...options, ...more })
  if (state) model.loadStateDict(state)
  await model.trainStep(x.subarray(0, more.frames ? x.length : 63), y, { update: false })
  return model
}

/** Spikes that go through other orders and parts, and come out as they were; or that do not. */
const roundabout = (isTurned: boolean): Module =>
  block(
    {
      stem: conv1d(3, 20, 1),
      fire: lif({ vThreshold: 0.3 }),
      next: conv1d(20, 6, 3),
      end: sequential(lif({ vThreshold: 0.3 }), flatten(), linear(6 * 5, classes)),
    },
    (m, x, { slice, permute, reshape, transpose, concat }) => {
      const spikes = m.fire(m.stem(x))
      if (!isTurned) return m.end(m.next(spikes))
      const rows = transpose(spikes)
      const parts = concat(slice(rows, 0, 3), slice(rows, 3))
      const cube = permute(reshape(parts, [7, 4, 5]), [2, 3, 1])
      return m.end(m.next(reshape(cube, [20, 7])))
    },
  )

for (const [method, stepMode] of methodModes())
  test(`spikes that are put elsewhere stay spikes: ${method} ${stepMode}`, async () => {
    for (const frames of [false, true]) {
      const more = { method, stepMode, frames, threads: 2 }
      const plain = await gradientsOf(roundabout(false), more)
      const turned = await gradientsOf(roundabout(true), more, plain.stateDict())
      expectSameBits('gradients', turned.gradients(), plain.gradients())
      assert.equal(turned.output(), plain.output())
      assert.ok(turned.firingRates().fire > 0.05)
    }
  })

/** Spikes times what is the same at all steps. */
const gated = (): Module =>
  block(
    {
      fire: sequential(conv1d(3, 5, 1), lif({ vThreshold: 0.3 })),
      still: conv1d(3, 5, 1),
      flat: flatten(),
      end: sequential(lif({ vThreshold: 0.3 }), linear(95, classes)),
    },
    (m, x, { mul, matmul, concat, softmax }) => {
      const [spikes, gate] = [m.fire(x), softmax(m.still(x))]
      const products = matmul(spikes, gate, { transposeB: true })
      const all = [mul(spikes, gate), mul(gate, spikes), products]
      return m.end(concat(all.map((value) => m.flat(value))))
    },
  )

test('rate m and rate s have the same gradients where one factor is still', async () => {
  const m = await gradientsOf(gated(), { method: 'rate' })
  const s = await gradientsOf(gated(), { method: 'rate', stepMode: 's' }, m.stateDict())
  expectAllClose('s', s.gradients(), m.gradients(), 1e-4)
  for (const [key, { data }] of Object.entries(m.gradients())) assert.ok(data.some(Boolean), key)
})

test('gradientCheckpoint changes no bit of products, softmax and other orders', async () => {
  for (const stepMode of ['m', 's'] as const) {
    const more = { method: 'bptt', stepMode, frames: true } as const
    const plain = await gradientsOf(gated(), more)
    const again = { ...more, gradientCheckpoint: 'layers' } as const
    const model = await gradientsOf(gated(), again, plain.stateDict())
    expectSameBits('gradients', model.gradients(), plain.gradients())
  }
})

test('one image, a batch, a stream and a file have the same outputs', async () => {
  const model = await gradientsOf(gated(), { method: 'bptt', frames: true })
  const samples = x.slice(0, 3 * 9 * 21)
  const { logits } = await model.predict(samples)
  const bytes = await model.toBytes()
  const loaded = await own(loadModel(bytes, { purpose: 'inference', batchSize: 1 }))
  assert.equal((await loaded.predict(samples)).logits, logits)
  assert.match(model.summary(), /matmul +\[5, 5\]/)
  const stream = await own(loadModel(bytes, { purpose: 'stream', batchSize: 3 }))
  let found: Float32Array | undefined
  for (let t = 0; t < 9; t++) {
    const at = (i: number): number => (Math.floor(i / 21) * 9 + t) * 21 + (i % 21)
    found = (await stream.step(Float32Array.from({ length: 63 }, (_, i) => samples[at(i)]))).logits
  }
  expectNear('stream', found ?? [], logits)
})

const varying = (forward: Net['forward'], method: Partial<CompileOptions>, message: RegExp) =>
  expectRefusal(
    () =>
      modelOf(
        block(
          { fire: sequential(conv1d(3, 5, 1), lif()), end: sequential(flatten(), linear(35, 3)) },
          (m, x, ops) => m.end(ops.reshape(forward(m, m.fire(x), ops, {}), [5, 7])),
        ),
        { ...options, ...method },
      ),
    message,
  )

test('method rate refuses by name what one gradient for all steps cannot say', async () => {
  const rate = { method: 'rate' } as const
  await varying(
    (_, x, { mul }) => mul(x, x),
    rate,
    /^mul \(mul\): both factors change .* method 'rate' .*; use 'bptt' or 'ottt' or 'sltt' or 'os', or timeMean\(\)/,
  )
  await varying(
    (_, x, { matmul }) => matmul(x, matmul(x, x, { transposeA: true })),
    rate,
    /^matmul \(matmul\): both factors/,
  )
  await varying(
    (_, x, { softmax }) => softmax(x),
    rate,
    /^softmax \(softmax\): its input changes .*timeMean/,
  )
  await varying(
    (_, x, { softmax }) => softmax(x),
    { method: 'ottt' },
    /\(linear\): method 'ottt' traces the spikes/,
  )
  // What does not train, has no gradient.
  const net = block({ fire: lif(), end: sequential(flatten(), linear(21, 3)) }, (m, x, { mul }) => {
    const spikes = m.fire(x)
    return m.end(mul(spikes, spikes))
  })
  const model = await modelOf(net, { ...options, method: 'rate', purpose: 'inference' })
  assert.is((await model.predict(x.subarray(0, 63))).logits.length, 9)
})

test.run()
