/**
 * Layers between neurons against loops over plain arrays: constants, adaptive pooling,
 * normalisation of samples, delays, channels side by side. What only copies must be equal.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { groupNormBackScratch, groupNormScratch } from '../../src/layers/sample-norm.js'
import { groupNorm, groupNormBackward } from '../../src/plan/records/group-norm.js'
import { adaptivePool, adaptivePoolBackward } from '../../src/plan/records/pool.js'
import {
  delay,
  delaySpikes,
  join,
  joinSpikes,
  scaled,
  spikePart,
  split,
} from '../../src/plan/records/signals.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { putRecord } from '../support/records.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 30

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]
const list = <V>(count: number, make: (i: number) => V): V[] =>
  Array.from({ length: count }, (_, i) => make(i))
/** Small integers, whose sums are exact. */
const integers = (random: Random, count: number): number[] =>
  list(count, () => integer(random, -6, 6))
const numbers = (random: Random, count: number): Float32Array =>
  Float32Array.from(list(count, () => 4 * random() - 2))

/** Throws unless all numbers are as near as that, of the largest. */
function expectClose(
  what: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  limit: number,
): void {
  assert.is(got.length, expected.length, what)
  const largest = Array.from(expected).reduce((a, b) => Math.max(a, Math.abs(b)), 1)
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - expected[i]) <= limit * largest))
      throw new Error(`${what}, number ${i}: got ${got[i]}, expected ${expected[i]}`)
}

/** Runs a body over random cases in every build of the engine; checks the guards behind each. */
function each(name: string, body: (random: Random, engine: TestEngine, what: string) => void) {
  for (const variant of variants)
    test(`${name} (${variant})`, () => {
      const engine = new TestEngine(variant, 64)
      for (let n = 0; n < CASES; n++) {
        engine.reset()
        const what = `case ${n}, seed ${base}`
        body(testRandom(base * 7919 + n), engine, what)
        engine.checkGuards(what)
      }
    })
}

each('times constants', (random, engine, what) => {
  const [C, T, per] = [4 * integer(random, 1, 5), integer(random, 1, 6), integer(random, 1, 7)]
  const imagePixels = integer(random, 1, 9)
  const pixels = imagePixels * integer(random, 1, 3)
  const factorPixels = one(random, [1, imagePixels])
  const [x, factor] = [numbers(random, pixels * T * C), numbers(random, factorPixels * C)]
  const input = engine.putFloats(x)
  const out = random() < 0.5 ? input : engine.alloc(x.length * 4)
  const record = putRecord(engine, scaled, Math.ceil(pixels / per), {
    in: input,
    out,
    factor: engine.putFloats(factor),
    factorPixels,
    pixels,
    channels: C,
    steps: T,
    pixelsPerUnit: per,
  })
  engine.run(record, 0)
  const expected = x.map(
    (v, i) => v * factor[(Math.floor(i / (T * C)) % factorPixels) * C + (i % C)],
  )
  assert.equal(engine.floats(out, x.length).slice(), expected, what)
})

each('adaptive pooling, both ways', (random, engine, what) => {
  const [images, C, T] = [integer(random, 1, 3), 4 * integer(random, 1, 4), integer(random, 1, 3)]
  const [inH, inW] = [integer(random, 1, 7), integer(random, 1, 7)]
  const [outH, outW] = [integer(random, 1, 9), integer(random, 1, 9)]
  const per = integer(random, 1, 11)
  const row = T * C
  const x = integers(random, images * inH * inW * row)
  const delta = integers(random, images * outH * outW * row)
  const expected = new Float64Array(delta.length)
  const back = new Float64Array(x.length)
  for (let image = 0; image < images; image++)
    for (let oy = 0; oy < outH; oy++)
      for (let ox = 0; ox < outW; ox++) {
        const [y0, y1] = [Math.floor((oy * inH) / outH), Math.ceil(((oy + 1) * inH) / outH)]
        const [x0, x1] = [Math.floor((ox * inW) / outW), Math.ceil(((ox + 1) * inW) / outW)]
        const size = (y1 - y0) * (x1 - x0)
        const to = ((image * outH + oy) * outW + ox) * row
        for (let y = y0; y < y1; y++)
          for (let col = x0; col < x1; col++) {
            const from = ((image * inH + y) * inW + col) * row
            for (let k = 0; k < row; k++) {
              expected[to + k] += x[from + k] / size
              back[from + k] += delta[to + k] / size
            }
          }
      }
  const sizes = { images, inH, inW, outH, outW, channels: C, steps: T, pixelsPerUnit: per }
  for (const [kind, from, to] of [
    [adaptivePool, x, expected],
    [adaptivePoolBackward, delta, back],
  ] as const) {
    const out = engine.alloc(to.length * 4)
    const units = Math.ceil(to.length / row / per)
    engine.run(putRecord(engine, kind, units, { in: engine.putFloats(from), out, ...sizes }), 0)
    expectClose(what, engine.floats(out, to.length), to, 1e-6)
  }
})

/** Channels of an image in groups, runs of whose pixels are normalised apart. */
function makeNorm(random: Random) {
  const groups = integer(random, 1, 4)
  const channels = groups * integer(random, 1, 4)
  const C = 4 * Math.ceil(channels / 4) + one(random, [0, 4])
  const pixels = integer(random, 1, 6)
  const affine = one(random, ['none', 'channel', 'neuron', 'pixel'] as const)
  const affinePixels = { none: 1, channel: 1, neuron: pixels, pixel: 8 }[affine]
  const [images, T] = [integer(random, 1, 3), integer(random, 1, 4)]
  const epsilon = 0.25
  /** Index of a number's parameter as stored. */
  const own = (pixel: number, c: number): number =>
    affine === 'pixel' ? pixel : (affine === 'neuron' ? pixel : 0) * C + c
  return { groups, channels, C, pixels, affine, affinePixels, images, T, epsilon, own }
}

each('normalisation of groups, both ways', (random, engine, what) => {
  const n = makeNorm(random)
  const { groups, channels, C, pixels, affine, affinePixels, images, T, epsilon, own } = n
  const stored = images * pixels * T * C
  const at = (image: number, pixel: number, t: number, c: number): number =>
    ((image * pixels + pixel) * T + t) * C + c
  const padded = (make: () => number): Float32Array =>
    Float32Array.from(list(stored, (i) => (i % C < channels ? make() : 0)))
  const x = padded(() => 4 * random() - 2)
  const delta = padded(() => 2 * random() - 1)
  const parameters = affinePixels * (affine === 'pixel' ? 1 : C)
  const of = (): Float32Array =>
    Float32Array.from(
      list(parameters, (i) => (affine === 'pixel' || i % C < channels ? 1 + random() : 0)),
    )
  const [weight, bias] = [of(), of()]
  const each = channels / groups
  const count = each * pixels
  const expected = {
    out: new Float64Array(stored),
    input: new Float64Array(stored),
    xhat: new Float64Array(images * pixels * C),
    meanInvStd: new Float64Array(images * groups),
    weight: new Float64Array(images * parameters),
    bias: new Float64Array(images * parameters),
  }
  for (let image = 0; image < images; image++)
    for (let t = 0; t < T; t++)
      for (let g = 0; g < groups; g++) {
        const places = list(count, (i) => [Math.floor(i / each), g * each + (i % each)] as const)
        const value = (p: number, c: number): number => x[at(image, p, t, c)]
        const mean = places.reduce((sum, [p, c]) => sum + value(p, c), 0) / count
        const square = places.reduce((sum, [p, c]) => sum + (value(p, c) - mean) ** 2, 0) / count
        const invStd = 1 / Math.sqrt(square + epsilon)
        const normal = (p: number, c: number): number => (value(p, c) - mean) * invStd
        const w = (p: number, c: number): number => (affine === 'none' ? 1 : weight[own(p, c)])
        const d = (p: number, c: number): number => delta[at(image, p, t, c)] * w(p, c)
        const mean1 = places.reduce((sum, [p, c]) => sum + d(p, c), 0) / count
        const mean2 = places.reduce((sum, [p, c]) => sum + d(p, c) * normal(p, c), 0) / count
        expected.meanInvStd[image * groups + g] += invStd / T
        for (const [p, c] of places) {
          const to = at(image, p, t, c)
          const added = affine === 'none' ? 0 : bias[own(p, c)]
          expected.out[to] = normal(p, c) * w(p, c) + added
          expected.input[to] = invStd * (d(p, c) - mean1 - normal(p, c) * mean2)
          expected.xhat[(image * pixels + p) * C + c] += normal(p, c) / T
          if (affine === 'none') continue
          expected.weight[image * parameters + own(p, c)] += delta[to] * normal(p, c)
          expected.bias[image * parameters + own(p, c)] += delta[to]
        }
      }
  const isAffine = affine !== 'none'
  const sizes = {
    weight: isAffine ? engine.putFloats(weight) : undefined,
    ...{ affinePixels, perPixel: affine === 'pixel', pixels, stored: C, channels, groups },
    steps: T,
  }
  const input = engine.putFloats(x)
  const [mean, invStd] = [0, 0].map(() => engine.alloc(images * T * groups * 4))
  const meanInvStd = engine.alloc(images * groups * 4)
  const xhat = engine.alloc(images * pixels * C * 4)
  const out = engine.alloc(stored * 4)
  const forward = putRecord(engine, groupNorm, images, {
    ...sizes,
    ...{ in: input, out, bias: isAffine ? engine.putFloats(bias) : undefined, epsilon },
    ...{ share: 1 / T, mean, invStd, xhat, meanInvStd },
  })
  engine.run(forward, engine.alloc(groupNormScratch(C)))
  expectClose(`${what} out`, engine.floats(out, stored), expected.out, 1e-5)
  expectClose(`${what} x̂`, engine.floats(xhat, images * pixels * C), expected.xhat, 1e-5)
  const inverse = engine.floats(meanInvStd, images * groups)
  expectClose(`${what} 1/σ`, inverse, expected.meanInvStd, 1e-5)
  const [dWeight, dBias] = [0, 0].map(() => engine.alloc(images * parameters * 4))
  const gradient = engine.alloc(stored * 4)
  const places = {
    ...{ delta: engine.putFloats(delta), out: gradient, in: input, mean, invStd },
    weightPartial: isAffine ? dWeight : undefined,
    biasPartial: isAffine ? dBias : undefined,
  }
  const backward = putRecord(engine, groupNormBackward, images, { ...sizes, ...places })
  engine.run(backward, engine.alloc(groupNormBackScratch(C)))
  expectClose(`${what} δ`, engine.floats(gradient, stored), expected.input, 1e-4)
  if (isAffine) {
    const size = images * parameters
    expectClose(`${what} weight`, engine.floats(dWeight, size), expected.weight, 1e-4)
    expectClose(`${what} bias`, engine.floats(dBias, size), expected.bias, 1e-4)
  }
  if (T > 1) return
  // By the means, which of a single step are its own.
  const again = engine.alloc(stored * 4)
  const byMeans = { ...places, out: again, in: undefined, mean: undefined, invStd: undefined }
  const record = { ...sizes, ...byMeans, xhat, meanInvStd }
  engine.run(
    putRecord(engine, groupNormBackward, images, record),
    engine.alloc(groupNormBackScratch(C)),
  )
  expectClose(`${what} δ by means`, engine.floats(again, stored), expected.input, 1e-4)
})

/** Calls of a loop over t outside, and what each channel waits. */
function makeDelay(random: Random) {
  const [C, pixels, per] = [4 * integer(random, 1, 4), integer(random, 1, 7), integer(random, 1, 4)]
  const calls = one(random, [1, 1, 3])
  const T = integer(random, 1, calls > 1 ? 4 : 17)
  const by = integer(random, 0, 11)
  const delays = random() < 0.5 ? list(C, () => integer(random, 0, 11)) : undefined
  const of = (c: number): number => delays?.[c] ?? by
  const most = Math.max(1, by, ...(delays ?? []))
  return { C, pixels, per, calls, T, by, delays, of, most }
}

each('delays of floats, there and back', (random, engine, what) => {
  const { C, pixels, per, calls, T, by, delays, of, most } = makeDelay(random)
  const still = calls === 1 && random() < 0.2
  const back = calls === 1 && random() < 0.4
  const rows = still ? 1 : T
  const history = calls > 1 ? engine.alloc(pixels * most * C * 4) : undefined
  const signal = list(calls, () => numbers(random, pixels * rows * C))
  const value = (p: number, t: number, c: number): number =>
    t < 0 || t >= calls * T
      ? 0
      : signal[Math.floor(t / T)][(p * rows + (still ? 0 : t % T)) * C + c]
  for (let call = 0; call < calls; call++) {
    const out = engine.alloc(pixels * T * C * 4)
    const record = putRecord(engine, delay, Math.ceil(pixels / per), {
      ...{ in: engine.putFloats(signal[call]), out, inRows: rows, most, history },
      by: delays ? undefined : by,
      delays: delays && engine.putInts(delays),
      ...{ pixels, channels: C, steps: T, pixelsPerUnit: per, back },
    })
    engine.run(record, 0, call * T)
    const expected = Float32Array.from(
      list(pixels * T * C, (i) => {
        const [c, t] = [i % C, call * T + (Math.floor(i / C) % T)]
        return value(Math.floor(i / (T * C)), t + (back ? of(c) : -of(c)), c)
      }),
    )
    assert.equal(engine.floats(out, expected.length).slice(), expected, `${what}, call ${call}`)
  }
})

/** Masks [plane][P][C] of so many steps, of a spike at each. */
function masksOf(T: number, size: number, spike: (i: number, t: number) => boolean): Uint8Array {
  const masks = new Uint8Array(Math.ceil(T / 8) * size)
  for (let t = 0; t < T; t++)
    for (let i = 0; i < size; i++) if (spike(i, t)) masks[(t >> 3) * size + i] |= 1 << (t & 7)
  return masks
}

each('delays of spikes', (random, engine, what) => {
  const { C, pixels, per, calls, T, by, delays, of, most } = makeDelay(random)
  const size = pixels * C
  const history = calls > 1 ? engine.alloc(size * Math.ceil(most / 8)) : undefined
  const signal = list(calls * T, () => list(size, () => random() < 0.4))
  const counts = engine.alloc(size)
  const total = new Uint8Array(size)
  for (let call = 0; call < calls; call++) {
    const planes = Math.ceil(T / 8)
    const out = engine.alloc(planes * size)
    const input = masksOf(T, size, (i, t) => signal[call * T + t][i])
    const record = putRecord(engine, delaySpikes, Math.ceil(pixels / per), {
      ...{ in: engine.putBytes(input), out, most, history, counts },
      by: delays ? undefined : by,
      delays: delays && engine.putInts(delays),
      ...{ pixels, channels: C, steps: T, pixelsPerUnit: per },
      ...{ planeBytes: size, inPlaneBytes: size },
    })
    engine.run(record, 0, call * T)
    const spike = (i: number, t: number): boolean => signal[call * T + t - of(i % C)]?.[i] ?? false
    const expected = masksOf(T, size, spike)
    for (let t = 0; t < T; t++) for (let i = 0; i < size; i++) if (spike(i, t)) total[i]++
    assert.equal(engine.bytes(out, expected.length).slice(), expected, `${what}, call ${call}`)
    assert.equal(engine.bytes(counts, size).slice(), total, `${what}, counts of call ${call}`)
  }
})

/** Tensors side by side; flat where one pixel of Out takes all of a part's. */
function makeJoin(random: Random) {
  const [images, T] = [integer(random, 1, 3), integer(random, 1, 11)]
  const flat = random() < 0.5
  const pixels = flat ? 1 : integer(random, 1, 6)
  let offset = 0
  const parts = list(integer(random, 1, 4), () => {
    const channels = integer(random, 1, 6)
    const partPixels = flat ? integer(random, 1, 5) : pixels
    const stored = 4 * Math.ceil(channels / 4)
    const rows = one(random, [T, T, 1])
    const part = { channels, pixels: partPixels, stored, rows, offset }
    offset += channels * (flat ? partPixels : 1)
    return part
  })
  const C = 4 * Math.ceil(offset / 4) + one(random, [0, 4])
  /** Which part and place a channel of Out has; undefined behind the last. */
  const place = (pixel: number, c: number) => {
    const index = parts.findLastIndex((part) => part.offset <= c)
    const { offset: first, channels, pixels: own } = parts[index]
    const each = flat ? own : 1
    const channel = Math.floor((c - first) / each)
    if (channel >= channels) return undefined
    return { index, channel, pixel: flat ? (c - first) % each : pixel }
  }
  return { images, T, pixels, parts, C, place }
}

each('floats side by side, and apart again', (random, engine, what) => {
  const { images, T, pixels, parts, C, place } = makeJoin(random)
  const tensors = parts.map((p) => numbers(random, images * p.pixels * p.rows * p.stored))
  const table = engine.alloc(parts.length * spikePart.bytes)
  for (const [i, { channels, pixels, stored, rows, offset }] of parts.entries())
    engine.writeFields(table + i * spikePart.bytes, spikePart.schema, {
      from: engine.putFloats(tensors[i]),
      pixels,
      stored,
      channels,
      rows,
      offset,
    })
  const size = images * pixels * T * C
  const out = engine.alloc(size * 4)
  const sizes = { count: parts.length, pixels, channels: C, steps: T }
  engine.run(putRecord(engine, join, images, { out, tensors: table, ...sizes }), 0)
  const expected = new Float32Array(size).map((_, i) => {
    const [c, t, all] = [i % C, Math.floor(i / C) % T, Math.floor(i / (C * T))]
    const found = place(all % pixels, c)
    if (!found) return 0
    const { pixels: own, rows, stored } = parts[found.index]
    const row = (Math.floor(all / pixels) * own + found.pixel) * rows + (rows === 1 ? 0 : t)
    return tensors[found.index][row * stored + found.channel]
  })
  assert.equal(engine.floats(out, size).slice(), expected, what)
  for (const [i, { channels, pixels: own, stored, rows, offset }] of parts.entries()) {
    if (rows !== T) continue
    const back = engine.alloc(images * own * T * stored * 4)
    const record = putRecord(engine, split, images, {
      ...{ in: out, out: back, inPixels: pixels, inChannels: C, pixels: own, stored, channels },
      ...{ offset, steps: T },
    })
    engine.run(record, 0)
    const own0 = tensors[i].map((v, k) => (k % stored < channels ? v : 0))
    assert.equal(engine.floats(back, own0.length).slice(), own0, `${what}, part ${i}`)
  }
})

each('spikes side by side', (random, engine, what) => {
  const { images, T, pixels, parts, C, place } = makeJoin(random)
  const planes = Math.ceil(T / 8)
  const tensors = parts.map(({ pixels: own, stored }) => {
    const size = images * own * stored
    const bytes = (count: number): Uint8Array =>
      Uint8Array.from(list(count, () => integer(random, 0, 255)))
    return { size, masks: bytes(planes * size), counts: bytes(size) }
  })
  const table = engine.alloc(parts.length * spikePart.bytes)
  for (const [i, { channels, pixels, stored, offset }] of parts.entries())
    engine.writeFields(table + i * spikePart.bytes, spikePart.schema, {
      from: engine.putBytes(tensors[i].masks),
      pixels,
      stored,
      channels,
      rows: T,
      offset,
      planeBytes: tensors[i].size,
      counts: engine.putBytes(tensors[i].counts),
    })
  const size = images * pixels * C
  const out = engine.alloc(planes * size)
  const counts = engine.alloc(size)
  const sizes = { count: parts.length, pixels, channels: C, steps: T, planeBytes: size }
  const record = { out, parts: table, counts, ...sizes }
  engine.run(putRecord(engine, joinSpikes, images, record), 0)
  const from = (bytes: 'masks' | 'counts', plane: number): Uint8Array =>
    new Uint8Array(size).map((_, i) => {
      const all = Math.floor(i / C)
      const found = place(all % pixels, i % C)
      if (!found) return 0
      const { pixels: own, stored } = parts[found.index]
      const at = (Math.floor(all / pixels) * own + found.pixel) * stored + found.channel
      return tensors[found.index][bytes][plane * tensors[found.index].size + at]
    })
  for (let plane = 0; plane < planes; plane++)
    assert.equal(
      engine.bytes(out + plane * size, size).slice(),
      from('masks', plane),
      `${what}, plane ${plane}`,
    )
  assert.equal(engine.bytes(counts, size).slice(), from('counts', 0), `${what}, counts`)
})

test.run()
