/**
 * Sums of currents and pooled spikes written out as floats, and their time means, against float64.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { materialise, term } from '../../src/kernels/records/activity.js'
import { type Fields, f32, TestEngine, testRandom, variants } from '../support/engine.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 60
const NAN = 0xff

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]

interface Shape {
  images: number
  H: number
  W: number
  C: number
  /** Rows per pixel of one call: 1 for a time mean and in a loop over t outside. */
  T: number
  /**
   * each: a row for every step; loop: step t of a loop outside; mean: the time mean of all steps.
   */
  mode: 'each' | 'loop' | 'mean'
  totalSteps: number
  t: number
}

interface Window {
  sourceH: number
  sourceW: number
  kernel: [number, number]
  stride: [number, number]
  pad: [number, number]
}

/** A term as the test writes it: its words, and its value at a source pixel, step and channel. */
interface Term {
  window: Window
  scale: number
  words: Fields
  value(pixel: number, step: number, c: number): number
}

const out = (size: number, kernel: number, stride: number, pad: number): number =>
  Math.floor((size + 2 * pad - kernel) / stride) + 1

/** A pooling window that gives H × W, or none. */
function makeWindow(random: Random, { H, W }: Shape): Window {
  if (random() < 0.4) return { sourceH: H, sourceW: W, kernel: [1, 1], stride: [1, 1], pad: [0, 0] }
  for (;;) {
    const kernel: [number, number] = [integer(random, 1, 4), integer(random, 1, 4)]
    const stride: [number, number] = [integer(random, 1, 3), integer(random, 1, 3)]
    const pad: [number, number] = [integer(random, 0, 2), integer(random, 0, 2)]
    const sourceH = (H - 1) * stride[0] + kernel[0] - 2 * pad[0] + integer(random, 0, stride[0] - 1)
    const sourceW = (W - 1) * stride[1] + kernel[1] - 2 * pad[1] + integer(random, 0, stride[1] - 1)
    if (sourceH < 1 || sourceW < 1) continue
    assert.is(out(sourceH, kernel[0], stride[0], pad[0]), H)
    assert.is(out(sourceW, kernel[1], stride[1], pad[1]), W)
    return { sourceH, sourceW, kernel, stride, pad }
  }
}

function windowWords({ sourceH, sourceW, kernel, stride, pad }: Window, scale: number): Fields {
  return {
    scale: f32(scale),
    sourceH,
    sourceW,
    kernelH: kernel[0],
    kernelW: kernel[1],
    strideH: stride[0],
    strideW: stride[1],
    padH: pad[0],
    padW: pad[1],
  }
}

function makeSpikes(engine: TestEngine, random: Random, s: Shape): Term {
  const window = makeWindow(random, s)
  const scale = Math.fround(random() * 2 - 1)
  const neurons = s.images * window.sourceH * window.sourceW * s.C
  // A loop outside keeps the masks of its current call alone.
  const steps = s.mode === 'loop' ? s.T : s.totalSteps
  const planes = Math.ceil(steps / 8)
  const planeBytes = neurons + one(random, [0, 64])
  const masks = new Uint8Array((planes - 1) * planeBytes + neurons)
  const counts = new Uint8Array(neurons)
  const spike = (neuron: number, step: number): number =>
    (masks[(step >> 3) * planeBytes + neuron] >> (step & 7)) & 1
  for (let neuron = 0; neuron < neurons; neuron++)
    for (let step = 0; step < steps; step++)
      if (random() < 0.3) {
        masks[(step >> 3) * planeBytes + neuron] |= 1 << (step & 7)
        counts[neuron]++
      }
  return {
    window,
    scale,
    words: {
      ...windowWords(window, scale),
      kind: 1,
      address: engine.putBytes(masks),
      counts: engine.putBytes(counts),
      planeBytes,
      channels: s.C,
    },
    value: (pixel, step, c) => spike(pixel * s.C + c, step - s.t),
  }
}

function makeFloats(engine: TestEngine, random: Random, s: Shape): Term {
  const window = makeWindow(random, s)
  const scale = random() < 0.5 ? 1 : Math.fround(random() * 2 - 1)
  // The model's input has as many channels as it has, and sits behind a word.
  const input = random() < 0.4
  const channels = input ? integer(random, 1, s.C) : s.C
  // Of a loop outside the input has all steps, currents those of the call.
  const whole = s.mode !== 'loop' || input
  const steps = random() < 0.4 ? 1 : whole ? s.totalSteps : s.T
  const from = whole ? 0 : s.t
  const affine = !input && random() < 0.6
  const groups = affine && steps > 1 && random() < 0.5 ? steps : 1
  const floats = (length: number) => Float32Array.from({ length }, () => random() * 4 - 2)
  const data = floats(s.images * window.sourceH * window.sourceW * steps * channels)
  const [scales, shifts] = [floats(groups * channels), floats(groups * channels)]
  const address = engine.putFloats(data)
  return {
    window,
    scale,
    words: {
      ...windowWords(window, scale),
      kind: 0,
      address: input ? engine.putInts([address]) : address,
      indirect: input ? 1 : 0,
      pixelBytes: steps * channels * 4,
      stepBytes: steps > 1 ? channels * 4 : 0,
      loopBytes: s.mode === 'loop' && input && steps > 1 ? channels * 4 : 0,
      steps,
      scaleVector: affine ? engine.putFloats(scales) : 0,
      shiftVector: affine ? engine.putFloats(shifts) : 0,
      groupBytes: groups > 1 ? channels * 4 : 0,
      channels,
    },
    value: (pixel, step, c) => {
      if (c >= channels) return 0
      const own = step - from
      const x = data[(pixel * steps + (steps > 1 ? own : 0)) * channels + c]
      const group = (groups > 1 ? own : 0) * channels
      return affine ? x * scales[group + c] + shifts[group + c] : x
    },
  }
}

/** The sum at one output element and step, and the sum of its parts' sizes. */
function sumAt(
  terms: readonly Term[],
  b: number,
  y: number,
  x: number,
  step: number,
  c: number,
): [number, number] {
  let sum = 0
  let size = 0
  for (const { window, scale, value } of terms)
    for (let ky = 0; ky < window.kernel[0]; ky++)
      for (let kx = 0; kx < window.kernel[1]; kx++) {
        const sy = y * window.stride[0] - window.pad[0] + ky
        const sx = x * window.stride[1] - window.pad[1] + kx
        if (sy < 0 || sy >= window.sourceH || sx < 0 || sx >= window.sourceW) continue
        const part = scale * value((b * window.sourceH + sy) * window.sourceW + sx, step, c)
        sum += part
        size += Math.abs(part)
      }
  return [sum, size]
}

for (const variant of variants) {
  const engine = new TestEngine(variant)
  for (let seed = base; seed < base + CASES; seed++) {
    const random = testRandom(seed * 6247 + 5)
    const mode = (['each', 'loop', 'mean'] as const)[seed % 3]
    const totalSteps = one(random, [1, 2, 3, 4, 5, 8, 9, 17])
    const callSteps = mode === 'loop' ? integer(random, 1, totalSteps) : 1
    const shape: Shape = {
      images: integer(random, 1, 3),
      H: integer(random, 1, 5),
      W: integer(random, 1, 5),
      C: 4 * integer(random, 1, 6),
      T: mode === 'each' ? totalSteps : callSteps,
      mode,
      totalSteps,
      t: mode === 'loop' ? integer(random, 0, totalSteps - callSteps) : 0,
    }
    const count = integer(random, 1, 4)
    const kinds = Array.from({ length: count }, () => one(random, ['floats', 'spikes'] as const))
    const { images, H, W, C, T } = shape
    test(`${variant} materialise ${mode} ${images}×${H}×${W}×${C} T=${totalSteps} of ${kinds.join(' + ')} equals the sum (seed ${seed})`, () => {
      engine.reset()
      const terms = kinds.map((kind) =>
        (kind === 'spikes' ? makeSpikes : makeFloats)(engine, random, shape),
      )
      const table = engine.alloc(count * term.bytes, 0)
      for (const [i, { words }] of terms.entries())
        engine.writeFields(table + i * term.bytes, term.schema, words)
      const pixels = images * H * W
      const pixelsPerUnit = integer(random, 1, pixels)
      const result = engine.alloc(pixels * T * C * 4, NAN)
      const record = engine.record(materialise, Math.ceil(pixels / pixelsPerUnit), {
        out: result,
        images,
        height: H,
        width: W,
        channels: C,
        // A mean has one row per pixel whatever T says.
        steps: mode === 'mean' ? totalSteps : T,
        pixelsPerUnit,
        terms: table,
        termCount: count,
        mean: mode === 'mean' ? 1 : 0,
        totalSteps,
        mostCounted: one(random, [1, 3, 257]),
      })
      engine.run(record, engine.alloc(0), shape.t)
      const message = `${JSON.stringify(shape)} seed ${seed}`
      engine.checkGuards(message)
      const actual = engine.floats(result, pixels * T * C)
      for (let i = 0; i < actual.length; i++) {
        const c = i % C
        const row = Math.floor(i / C)
        const pixel = Math.floor(row / T)
        const [b, y, x] = [Math.floor(pixel / (H * W)), Math.floor(pixel / W) % H, pixel % W]
        const steps =
          mode === 'mean' ? Array.from({ length: totalSteps }, (_, t) => t) : [shape.t + (row % T)]
        let expected = 0
        let size = 0
        for (const step of steps) {
          const [sum, parts] = sumAt(terms, b, y, x, step, c)
          expected += sum / steps.length
          size += parts / steps.length
        }
        // Affine maps may cancel what they add: their size is not in `size`.
        if (!(Math.abs(actual[i] - expected) <= 2e-6 * (size + count)))
          assert.unreachable(`element ${i}: got ${actual[i]}, expected ${expected} (${message})`)
      }
    })
  }
}

for (const variant of variants)
  test(`${variant} materialise: means of the largest counts over windows of 255, 256, 257 and more neurons`, () => {
    for (const [h, w] of [
      [15, 17],
      [16, 16],
      [1, 257],
      [2, 129],
      [17, 16],
    ] as const)
      for (const C of [4, 8, 20]) {
        const engine = new TestEngine(variant)
        const counts = engine.putBytes(new Uint8Array(h * w * C).fill(255))
        const table = engine.table(term, [
          {
            kind: 1,
            counts,
            scale: f32(1 / (h * w)),
            sourceH: h,
            sourceW: w,
            kernelH: h,
            kernelW: w,
            strideH: h,
            strideW: w,
            channels: C,
          },
        ])
        const out = engine.alloc(C * 4, NAN)
        const words = {
          out,
          images: 1,
          height: 1,
          width: 1,
          channels: C,
          steps: 255,
          pixelsPerUnit: 1,
          terms: table,
          termCount: 1,
          mean: 1,
          totalSteps: 255,
          mostCounted: 257,
        }
        engine.run(engine.record(materialise, 1, words), engine.alloc(0))
        engine.checkGuards()
        for (const mean of engine.floats(out, C))
          assert.ok(Math.abs(mean - 1) < 1e-5, `${h}×${w}×${C}: ${mean}`)
      }
  })

test.run()
