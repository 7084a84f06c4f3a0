/** Pooling and sums, of values and of gradients, against float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { placeOf, stillOf, sumOverTime } from '../support/frames.js'
import { expectNear, expectSameBits, forShapes, type RandomShapes } from '../support/ops.js'
import { eachWindow, type Window, windowsAlong } from '../support/ops-convolution.js'
import { runStrictly } from '../support/strict.js'

const channels = [1, 2, 3, 4, 5, 8, 9, 16, 17, 33] as const

const noWindow: Window = { kernelSize: [1, 1], stride: [1, 1], padding: [0, 0] }

function randomWindow(r: RandomShapes): Window {
  const k = [r.int(1, 4), r.int(1, 4)] as const
  const padding = [r.int(0, k[0] >> 1), r.int(0, k[1] >> 1)] as const
  return { kernelSize: k, stride: [r.int(1, 3), r.int(1, 3)], padding }
}

/** A size of an image that has so many windows along an axis. */
const sourceSize = (r: RandomShapes, of: Window, axis: 0 | 1, windows: number): number => {
  const [k, s, p] = [of.kernelSize[axis], of.stride[axis], of.padding[axis]]
  return Math.max(1, (windows - 1) * s + k - 2 * p + r.int(0, s - 1))
}

function randomImages(r: RandomShapes) {
  const timed = r.chance(0.7)
  const T = timed ? r.pick([1, 2, 4, 8, 9, 17]) : 1
  const [B, C] = [r.int(1, 2), r.pick(channels)]
  const window = randomWindow(r)
  const [H, W] = [sourceSize(r, window, 0, r.int(1, 3)), sourceSize(r, window, 1, r.int(1, 3))]
  const [h, w] = [windowsAlong(window, 0, H), windowsAlong(window, 1, W)]
  const lead = [B, ...(timed ? [T] : []), C]
  return { timed, T, B, C, H, W, h, w, window, input: [...lead, H, W], BC: B * C }
}
type Images = ReturnType<typeof randomImages>

const optionsOf = ({ input, window }: Images) => ({ input, ...window })

/** Largest value of each window, and its place: at each step, or that of the sum over time. */
function largest({ T, BC, C, H, W, h, w, window }: Images, x: ArrayLike<number>, perStep: boolean) {
  const planeAt = placeOf(T, C)
  const output = new Float32Array(T * BC * h * w)
  const choice = new Uint8Array((perStep ? T : 1) * BC * h * w)
  for (let plane = 0; plane < BC; plane++)
    eachWindow(window, [H, W], (number, places) => {
      const valueAt = (t: number, at: number): number => x[planeAt(t, plane) * H * W + at]
      const chosenBy = (of: (at: number) => number): number =>
        places.reduce((best, other) => (of(other.at) > of(best.at) ? other : best)).place
      for (let t = 0; t < T; t++) {
        const to = planeAt(t, plane) * h * w + number
        output[to] = Math.max(...places.map(({ at }) => valueAt(t, at)))
        if (perStep) choice[to] = chosenBy((at) => valueAt(t, at))
      }
      if (perStep) return
      choice[plane * h * w + number] = chosenBy((at) => {
        let sum = 0
        for (let t = 0; t < T; t++) sum += valueAt(t, at)
        return sum
      })
    })
  return { output, choice }
}

/** Floats whose sums are exact, some of them equal. */
const eighths = (r: RandomShapes, count: number): Float32Array =>
  Float32Array.from(r.bytes(count, 40), (v) => (v - 20) / 8)

for (const spikes of [false, true])
  test(`maxPool2d of ${spikes ? 'spikes' : 'floats'}, by rate and by step`, () => {
    const seen = new Set<string>()
    forShapes(220, (r) => {
      const e = randomImages(r)
      const choice = r.pick(['rate', 'step'] as const)
      const options = { ...optionsOf(e), spikes, choice, engine: r.engine }
      const count = e.T * e.BC * e.H * e.W
      const x = spikes ? r.spikes(count) : eighths(r, count)
      const outputs = ['output', 'choice', ...(spikes ? (['counts'] as const) : [])] as const
      const byRate = !spikes && choice === 'rate' && e.T > 1
      const y = runStrictly<Record<string, Uint8Array>>(
        r,
        () => ops.maxPool2d.plan({ ...options, outputs }),
        [x],
        spikes ? 'MaxPool' : byRate ? 'TimeSum MaxPoolFloats' : 'MaxPoolFloats',
      )
      seen.add(`${choice} ${e.timed} ${e.T > 8}`)
      const expected = largest(e, x, choice === 'step')
      expectNear('output', y.output, expected.output, 0)
      expectNear('choice', y.choice, expected.choice, 0)
      if (spikes)
        expectNear('counts', y.counts, sumOverTime(expected.output, e.T, e.C * e.h * e.w), 0)
      expectSameBits('output alone', ops.maxPool2d(options, x), y.output)
      return { options }
    })
    assert.is(seen.size, 6)
  })

test('maxPool2dBackward, by rate and by step', () => {
  forShapes(220, (r) => {
    const e = randomImages(r)
    const choice = r.pick(['rate', 'step'] as const)
    const options = { ...optionsOf(e), choice, engine: r.engine }
    const { T, C, BC, H, W, h, w } = e
    const still = stillOf(T, C)
    const values = r.floats(T * BC * H * W)
    const chosen = largest(e, values, choice === 'step').choice
    const delta = r.floats(T * BC * h * w)
    const make = () => ops.maxPool2dBackward.plan(options)
    const y = runStrictly(r, make, [delta, chosen], 'MaxPoolBackward')
    const expected = new Float64Array(T * BC * H * W)
    for (let plane = 0; plane < T * BC; plane++)
      eachWindow(e.window, [H, W], (number, places) => {
        const from = plane * h * w + number
        const place = chosen[choice === 'step' ? from : still(plane) * h * w + number]
        const at = places.find((of) => of.place === place)?.at ?? Number.NaN
        expected[plane * H * W + at] += delta[from]
      })
    expectNear('inputGradient', y, expected)
    return { options }
  })
})

/** A term of a sum with its arrays, and its value at each place of the sum. */
function randomTerm(
  r: RandomShapes,
  e: { readonly T: number; readonly B: number; readonly C: number; h: number; w: number },
  isFlat: boolean,
  mayBeImage: boolean,
) {
  const { B, C, h, w } = e
  const kind = r.pick([
    'floats',
    'spikes',
    'affine',
    'steps',
    ...(mayBeImage ? ['image'] : []),
  ] as const)
  const timed = r.chance(0.6) || kind === 'spikes'
  const T = timed ? e.T : 1
  const window = !isFlat && r.chance(0.5) ? randomWindow(r) : noWindow
  const [H, W] = [sourceSize(r, window, 0, h), sourceSize(r, window, 1, w)]
  const fits = windowsAlong(window, 0, H) === h && windowsAlong(window, 1, W) === w
  const used = fits ? window : noWindow
  const [sh, sw] = fits ? [H, W] : [h, w]
  const scale = r.chance(0.5) ? r.pick([0.5, -2, 3]) : 1
  const count = T * B * C * sh * sw
  const x = kind === 'spikes' ? r.spikes(count) : r.floats(count)
  const groups = kind === 'steps' ? T : 1
  const map = kind === 'affine' || kind === 'steps' ? [0, 1].map(() => r.floats(groups * C)) : []
  const term = {
    input: [B, ...(timed ? [T] : []), C, ...(isFlat ? [] : [sh, sw])],
    ...(kind === 'spikes' && { spikes: true }),
    ...(kind === 'image' && { image: true }),
    ...(map.length > 0 && { affine: kind === 'steps' ? ('steps' as const) : true }),
    ...(scale !== 1 && { scale }),
    ...(used !== noWindow && used),
  }
  const factor = scale / (used.kernelSize[0] * used.kernelSize[1])
  const value = new Float64Array(e.T * B * C * h * w)
  for (let t = 0; t < e.T; t++)
    for (let bc = 0; bc < B * C; bc++)
      eachWindow(used, [sh, sw], (number, places) => {
        const step = timed ? t : 0
        const at = (groups > 1 ? step * C : 0) + (bc % C)
        for (const place of places) {
          const v = x[placeOf(T, C)(step, bc) * sh * sw + place.at]
          value[placeOf(e.T, C)(t, bc) * h * w + number] +=
            factor * (map.length > 0 ? map[0][at] * v + map[1][at] : v)
        }
      })
  return { term, timed, arrays: [x, ...map], value, kind }
}

test('add: floats, spikes, scaled, pooled, normalised, of one step or all, and their time mean', () => {
  const seen = new Set<string>()
  forShapes(300, (r) => {
    const isFlat = r.chance(0.2)
    const e = {
      T: r.pick([1, 2, 5, 9]),
      B: r.int(1, 2),
      C: r.pick(channels),
      h: isFlat ? 1 : r.int(1, 3),
      w: isFlat ? 1 : r.int(1, 3),
    }
    let image = false
    const terms = Array.from({ length: r.int(1, 3) }, () => {
      const term = randomTerm(r, e, isFlat, !image)
      image ||= term.kind === 'image'
      seen.add(`${term.kind} ${term.timed}`)
      return term
    })
    const timed = terms.some((of) => of.timed)
    const mean = r.chance(0.4)
    const options = { terms: terms.map(({ term }) => term), mean, engine: r.engine }
    const given = terms.flatMap(({ arrays }) => arrays)
    const y = runStrictly(r, () => ops.add.plan(options), given, 'Materialise')
    const all = terms[0].value.map((_, i) => terms.reduce((sum, { value }) => sum + value[i], 0))
    // Without time axes the numbers of all steps are the same.
    const isStill = mean || !timed
    const expected = isStill ? sumOverTime(all, e.T, e.C * e.h * e.w, 1 / e.T) : all
    const most = Math.max(1, ...expected.map(Math.abs))
    expectNear('output', [...y, most], [...expected, most])
    return { options }
  })
  assert.is(seen.size, 9, [...seen].join(', '))
})

test('avgPool2d of floats and spikes, and its gradient', () => {
  forShapes(220, (r) => {
    const e = randomImages(r)
    const { T, C, BC, H, W, h, w, window } = e
    const spikes = r.chance(0.5)
    const options = { ...optionsOf(e), engine: r.engine }
    const count = T * BC * H * W
    const x = spikes ? r.spikes(count) : r.floats(count)
    const y = runStrictly(r, () => ops.avgPool2d.plan({ ...options, spikes }), [x], 'Materialise')
    const delta = r.floats(T * BC * h * w)
    const dx = runStrictly(r, () => ops.avgPool2dBackward.plan(options), [delta], 'GradientSum')
    const [output, inputGradient] = [new Float64Array(delta.length), new Float64Array(count)]
    const factor = 1 / (window.kernelSize[0] * window.kernelSize[1])
    for (let plane = 0; plane < T * BC; plane++)
      eachWindow(window, [H, W], (number, places) => {
        const to = plane * h * w + number
        for (const { at } of places) {
          output[to] += factor * x[plane * H * W + at]
          inputGradient[plane * H * W + at] += factor * delta[to]
        }
      })
    expectNear('output', [...y, 1], [...output, 1])
    expectNear('inputGradient', [...dx, 1], [...inputGradient, 1])
    const rates = ops.avgPool2d({ ...options, spikes, mean: true }, x)
    expectNear('mean', [...rates, 1], [...sumOverTime(output, T, C * h * w, 1 / T), 1])
    return { options }
  })
})

test('avgPool2d: means of the most spikes over windows of 255, 256, 257 and more neurons', () => {
  for (const [h, w] of [
    [15, 17],
    [16, 16],
    [1, 257],
    [2, 129],
    [17, 16],
  ])
    for (const C of [4, 8, 20]) {
      const options = { input: [1, 255, C, h, w], kernelSize: [h, w], spikes: true } as const
      const spikes = new Uint8Array(255 * C * h * w).fill(1)
      const y = ops.avgPool2d({ ...options, mean: true }, spikes)
      expectNear(`${h}×${w}×${C}`, y, new Float32Array(C).fill(1))
    }
})

test('gradientSum: scaled, through windows, of one step or all', () => {
  const seen = new Set<string>()
  forShapes(260, (r) => {
    const isFlat = r.chance(0.2)
    const isTimed = r.chance(0.6)
    const T = isTimed ? r.pick([1, 2, 5, 9]) : 1
    const [B, C] = [r.int(1, 2), r.pick(channels)]
    const [H, W] = isFlat ? [1, 1] : [r.int(1, 6), r.int(1, 6)]
    const input = [B, ...(isTimed ? [T] : []), C, ...(isFlat ? [] : [H, W])]
    const still = stillOf(T, C)
    const expected = new Float64Array(T * B * C * H * W)
    const arrays: Float32Array[] = []
    const terms = Array.from({ length: r.int(1, 4) }, () => {
      const random = randomWindow(r)
      const fits = windowsAlong(random, 0, H) > 0 && windowsAlong(random, 1, W) > 0
      const window = !isFlat && fits && r.chance(0.5) ? random : noWindow
      const [h, w] = [windowsAlong(window, 0, H), windowsAlong(window, 1, W)]
      const timed = isTimed && r.chance(0.7)
      const scale = r.pick([1, 1, 0.5, -2])
      const delta = r.floats((timed ? T : 1) * B * C * h * w)
      arrays.push(delta)
      seen.add(`${timed} ${window !== noWindow} ${scale !== 1}`)
      const factor = scale / (window.kernelSize[0] * window.kernelSize[1])
      for (let plane = 0; plane < T * B * C; plane++)
        eachWindow(window, [H, W], (number, places) => {
          const from = (timed ? plane : still(plane)) * h * w + number
          for (const { at } of places) expected[plane * H * W + at] += factor * delta[from]
        })
      return {
        ...(isTimed && !timed && { still: true }),
        ...(scale !== 1 && { scale }),
        ...(window !== noWindow && window),
      }
    })
    const options = { input, terms, engine: r.engine }
    const y = runStrictly(r, () => ops.gradientSum.plan(options), arrays, 'GradientSum')
    expectNear('inputGradient', [...y, 1], [...expected, 1])
    return { options }
  })
  assert.is(seen.size, 8)
})

test('floats that are not numbers are passed over', () => {
  const windows = { input: [1, 1, 2, 2], kernelSize: 2, stride: 1, padding: 1 } as const
  const pool = ops.maxPool2d.plan(windows)
  const low = Number.NEGATIVE_INFINITY
  const output = pool.run(Float32Array.of(Number.NaN, 2, 3, 1))
  assert.equal([...output], [low, 2, 2, 3, 3, 2, 3, 3, 1])
})

test('choices behind the last place of a window are refused', () => {
  const windows = { input: [1, 3, 1, 4, 6], kernelSize: [2, 3] } as const
  const delta = new Float32Array(12).fill(1)
  const message = /choice must hold places of a window of 2×3, 0 to 5, got 6$/
  const byRate = Uint8Array.of(5, 0, 5, 6)
  assert.throws(() => ops.maxPool2dBackward(windows, delta, byRate), message)
  const back = ops.maxPool2dBackward.plan({ ...windows, choice: 'step' })
  const sum = (all: Float32Array): number => all.reduce((a, b) => a + b, 0)
  assert.is(sum(back.run(delta, new Uint8Array(12).fill(5))), 12)
  back.choice[back.choice.length - 4] = 6
  assert.throws(() => back.run(), message)
  back.choice[back.choice.length - 4] = 5
  assert.is(sum(back.run()), 12)
  // All bytes are places of 256.
  const large = { input: [1, 1, 16, 16], kernelSize: 16 } as const
  assert.is(ops.maxPool2dBackward(large, Float32Array.of(2), Uint8Array.of(255))[255], 2)
})

test.run()
