/** Convolutions in float64 over PyTorch's order, one product after the other. */
import type { RandomShapes } from './ops.js'

/** A convolution; a linear layer over an image has a kernel of the image's size. */
export interface ConvCase {
  readonly T: number
  /** Whether shapes have T. */
  readonly timed: boolean
  readonly B: number
  readonly C: number
  readonly H: number
  readonly W: number
  readonly N: number
  readonly kernel: readonly [number, number]
  readonly stride: readonly [number, number]
  readonly padding: readonly [number, number]
  readonly dilation?: readonly [number, number]
  readonly groups: number
  /** Height and width of the output, where it has fewer than fit. */
  readonly out?: readonly [number, number]
}

/** From … to, in steps of 1 or of a third number. */
type Range = readonly [number, number, number?]

/** What a random convolution may be; numbers are from … to. */
export interface ConvLimits {
  readonly T?: Range
  readonly B?: Range
  readonly C?: Range
  readonly N?: Range
  readonly H?: Range
  readonly W?: Range
  readonly kernel?: Range
  readonly stride?: Range
  readonly dilation?: Range
  /** Padding kernel / 2, rounded down, instead of any. */
  readonly same?: boolean
  /** How many, and the channels of each, instead of C and N. */
  readonly groups?: { readonly count: Range; readonly C: Range; readonly N: Range }
}

export const outSize = (size: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1

export function randomConv(r: RandomShapes, limits: ConvLimits = {}): ConvCase {
  const { int } = r
  const from = ([a, b, step = 1]: Range): number => a + step * int(0, Math.floor((b - a) / step))
  const { B = [1, 3], C = [1, 9], N = [1, 9], H = [1, 6], W = [1, 6], kernel = [1, 3] } = limits
  const timed = limits.T !== undefined
  const groups = limits.groups ? from(limits.groups.count) : 1
  const image = [from(H), from(W)] as const
  const axis = (size: number) => {
    const taps = from(kernel)
    const dilation = limits.dilation ? from(limits.dilation) : 1
    const k = (taps - 1) * dilation + 1
    const least = Math.max(0, Math.ceil((k - size) / 2))
    const padding = limits.same ? Math.floor(k / 2) : int(Math.min(least, k - 1), k - 1)
    return [taps, from(limits.stride ?? [1, 2]), padding, dilation]
  }
  const [down, across] = [axis(image[0]), axis(image[1])]
  const pair = (i: number): [number, number] => [down[i], across[i]]
  const dilation = pair(3)
  const padding = pair(2).map((p, i) => Math.min(p, (pair(0)[i] - 1) * dilation[i])) as [
    number,
    number,
  ]
  return {
    T: limits.T ? from(limits.T) : 1,
    timed,
    B: from(B),
    C: groups * from(limits.groups?.C ?? C),
    N: groups * from(limits.groups?.N ?? N),
    H: image[0],
    W: image[1],
    kernel: pair(0),
    stride: pair(1),
    padding,
    ...(limits.dilation && { dilation }),
    groups,
  }
}

/** A linear layer, flat or over an image, as the convolution that it is. */
export function linearCase(r: RandomShapes, mostSteps: number) {
  const isImage = r.chance(0.5)
  const [H, W] = isImage ? [r.int(1, 4), r.int(1, 4)] : [1, 1]
  const [T, B, C, N] = [r.int(1, mostSteps), r.int(1, 5), r.int(1, 30), r.int(1, 36)]
  const timed = r.chance(0.5) || T > 1
  const sizes = { T, timed, B, C, H, W, N, groups: 1 }
  const c: ConvCase = { ...sizes, kernel: [H, W], stride: [1, 1], padding: [0, 0] }
  const input = [B, ...(timed ? [T] : []), C, ...(isImage ? [H, W] : [])]
  return { c, shapes: { input, weight: [N, C * H * W] } }
}

const outSizes = ({ H, W, kernel, stride, padding, dilation = [1, 1], out }: ConvCase): Pair => {
  if (out) return out
  const span = (i: 0 | 1): number => (kernel[i] - 1) * dilation[i] + 1
  return [outSize(H, span(0), stride[0], padding[0]), outSize(W, span(1), stride[1], padding[1])]
}

/** What sizes follow from a case, and its options. */
export function shapesOf(c: ConvCase) {
  const { T, timed, B, C, H, W, N, kernel, stride, padding, dilation, groups } = c
  const [outH, outW] = outSizes(c)
  const time = timed ? [T] : []
  return {
    outH,
    outW,
    options: {
      input: [B, ...time, C, H, W],
      weight: [N, C / groups, ...kernel],
      stride,
      padding,
      ...(dilation && { dilation }),
      groups,
    },
    output: [B, ...time, N, outH, outW],
    inputs: T * B * C * H * W,
    outputs: T * B * N * outH * outW,
    weights: (N * C * kernel[0] * kernel[1]) / groups,
  }
}

/**
 * Calls back for each run of products, along a row of the kernel or through the channels, whichever
 * is longer: the index of the output, of the first weight and of the first input, how many there
 * are, and how far weights and inputs lie apart.
 *
 * @param want skips outputs of which nothing is wanted
 */
function eachRun(
  of: ConvCase,
  visit: (y: number, w: number, x: number, count: number, nextW: number, nextX: number) => void,
  want: (y: number) => boolean = () => true,
): void {
  const { T, B, C, H, W, N, kernel, stride, padding, dilation = [1, 1], groups } = of
  const [kH, kW] = kernel
  const [outH, outW] = outSizes(of)
  const [taps, plane, apart] = [kH * kW, H * W, dilation[1]]
  const [groupIn, groupOut] = [C / groups, N / groups]
  let y = 0
  for (let bt = 0; bt < B * T; bt++)
    for (let n = 0; n < N; n++) {
      const firstChannel = bt * C + Math.floor(n / groupOut) * groupIn
      for (let i = 0; i < outH; i++)
        for (let j = 0; j < outW; j++, y++) {
          if (!want(y)) continue
          // Outside of the image are zeros.
          const column = j * stride[1] - padding[1]
          const first = Math.ceil(Math.max(0, -column) / apart)
          const end = Math.min(kW, Math.ceil((W - column) / apart))
          for (let p = 0; p < kH; p++) {
            const row = i * stride[0] + p * dilation[0] - padding[0]
            if (row < 0 || row >= H) continue
            const w = n * groupIn * taps + p * kW
            const x = firstChannel * plane + row * W + column
            if (groupIn > kW)
              for (let q = first; q < end; q++) visit(y, w + q, x + q * apart, groupIn, taps, plane)
            else if (first < end)
              for (let c = 0; c < groupIn; c++)
                visit(y, w + c * taps + first, x + c * plane + first * apart, end - first, 1, apart)
          }
        }
    }
}

type Numbers = ArrayLike<number>

/** One kind of array for the loops: they are many times as fast. */
const doubles = (values: Numbers): Float64Array => new Float64Array(values)

/** y = bias + Σ w · x. */
export function forwardReference(c: ConvCase, x: Numbers, w: Numbers, bias?: Numbers) {
  const { outH, outW, outputs } = shapesOf(c)
  const y = new Float64Array(outputs)
  if (bias) for (let i = 0; i < outputs; i++) y[i] = bias[Math.floor(i / (outH * outW)) % c.N]
  const [weights, inputs] = [doubles(w), doubles(x)]
  eachRun(c, (at, k, from, count, nextW, nextX) => {
    let sum = y[at]
    for (let q = 0; q < count; q++) sum += weights[k + q * nextW] * inputs[from + q * nextX]
    y[at] = sum
  })
  return y
}

/** Σ of the sizes of the terms of y: how far rounding may take it. */
export const forwardSizes = (c: ConvCase, x: Numbers, w: Numbers, bias?: Numbers): Float64Array =>
  forwardReference(c, sizesOf(x), sizesOf(w), bias && sizesOf(bias))

const sizesOf = (values: Numbers): Float64Array => Float64Array.from(values, Math.abs)

/** dx = Σ w · dy. */
export function inputGradientReference(c: ConvCase, w: Numbers, dy: Numbers) {
  const dx = new Float64Array(shapesOf(c).inputs)
  const weights = doubles(w)
  eachRun(
    c,
    (at, k, to, count, nextW, nextX) => {
      const gradient = dy[at]
      for (let q = 0; q < count; q++) dx[to + q * nextX] += weights[k + q * nextW] * gradient
    },
    (y) => dy[y] !== 0,
  )
  return dx
}

/** dw = before + Σ x · dy. */
export function weightGradientReference(c: ConvCase, x: Numbers, dy: Numbers, before?: Numbers) {
  const dw = new Float64Array(shapesOf(c).weights)
  if (before) for (let i = 0; i < dw.length; i++) dw[i] = before[i]
  const inputs = doubles(x)
  eachRun(
    c,
    (at, k, from, count, nextW, nextX) => {
      const gradient = dy[at]
      for (let q = 0; q < count; q++) dw[k + q * nextW] += inputs[from + q * nextX] * gradient
    },
    (y) => dy[y] !== 0,
  )
  return dw
}

type Pair = readonly [number, number]

/** Windows over images, as options say them. */
export interface Window {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: Pair
}

export const windowsAlong = (of: Window, axis: 0 | 1, size: number): number =>
  outSize(size, of.kernelSize[axis], of.stride[axis], of.padding[axis])

/** Calls back with the places of each window: their numbers, and indices in a plane of H·W. */
export function eachWindow(
  window: Window,
  [H, W]: Pair,
  visit: (window: number, places: { place: number; at: number }[]) => void,
): void {
  const { kernelSize: k, stride: s, padding: p } = window
  const [h, w] = [windowsAlong(window, 0, H), windowsAlong(window, 1, W)]
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const places = []
      for (let a = 0; a < k[0]; a++)
        for (let b = 0; b < k[1]; b++) {
          const [y, x] = [i * s[0] + a - p[0], j * s[1] + b - p[1]]
          if (y >= 0 && y < H && x >= 0 && x < W)
            places.push({ place: a * k[1] + b, at: y * W + x })
        }
      visit(i * w + j, places)
    }
}

/** Means over windows of images [planes, H, W], padded zeros included. */
export function averages(planes: number, [H, W]: Pair, x: Numbers, window: Window): Float64Array {
  const size = windowsAlong(window, 0, H) * windowsAlong(window, 1, W)
  const [kH, kW] = window.kernelSize
  const y = new Float64Array(planes * size)
  eachWindow(window, [H, W], (number, places) => {
    for (let plane = 0; plane < planes; plane++)
      for (const { at } of places) y[plane * size + number] += x[plane * H * W + at] / (kH * kW)
  })
  return y
}

/** Fails unless a plan calls these kernels, each once or more, in this order. */
export function expectKernels(plan: { readonly kernels: readonly string[] }, wanted: string): void {
  const called = plan.kernels.filter((name, i, all) => all.indexOf(name) === i).join(' ')
  if (called !== wanted) throw new Error(`kernels ${called}, expected ${wanted}`)
}

/** Runs a plan with arguments whose number its options say. */
export const runWith = <Result = Float32Array>(plan: object, given: readonly unknown[]): Result =>
  (plan as { run(...given: readonly unknown[]): Result }).run(...given)

export const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)) === 0

/** What a convolution reads, as arguments and options, and as its reference sees it. */
export interface Read {
  readonly given: readonly (Float32Array | Uint8Array)[]
  readonly seen: ArrayLike<number>
  readonly options: { readonly [name: string]: unknown; readonly input: readonly number[] }
}

/**
 * Bytes that a convolution reads: of one tensor, or where `summed` the sum of several or means over
 * windows. Undefined where no image has such windows.
 *
 * @param summed or how many tensors at least and at most, without windows
 * @param scale what a byte counts
 */
export function readBytes(
  r: RandomShapes,
  c: ConvCase,
  summed: boolean | readonly [number, number],
  draw: (count: number) => Uint8Array,
  scale = 1,
): Read | undefined {
  const isSum = typeof summed === 'object'
  const many = isSum ? r.int(...summed) : summed && r.chance(0.5) ? r.int(2, 3) : 1
  const pooled = summed === true && (many === 1 || r.chance(0.5))
  const kernelSize = [r.int(1, 3), r.int(1, 3)] as const
  const stride = [r.int(1, 2), r.int(1, 2)] as const
  const padding = [r.int(0, kernelSize[0] >> 1), r.int(0, kernelSize[1] >> 1)] as const
  // The smallest image of which the windows make c's.
  const source = (axis: 0 | 1): number =>
    ([c.H, c.W][axis] - 1) * stride[axis] + kernelSize[axis] - 2 * padding[axis]
  const [H, W] = pooled ? [source(0), source(1)] : [c.H, c.W]
  if (H < 1 || W < 1) return undefined
  const planes = c.T * c.B * c.C
  const given = Array.from({ length: many }, () => draw(planes * H * W))
  const sum = Float64Array.from(given[0], (_, i) => given.reduce((s, one) => s + scale * one[i], 0))
  return {
    given,
    seen: pooled ? averages(planes, [H, W], sum, { kernelSize, stride, padding }) : sum,
    options: {
      input: [c.B, ...(c.timed ? [c.T] : []), c.C, H, W],
      ...(many > 1 && { sources: many }),
      ...(pooled && { pool: { kernelSize, stride, padding } }),
    },
  }
}

export type Reader = (r: RandomShapes, c: ConvCase) => Read | undefined

export const readFloats: Reader = (r, c) => {
  const x = r.floats(shapesOf(c).inputs)
  return { given: [x], seen: x, options: { input: shapesOf(c).options.input } }
}

const spikesBy =
  (summed: boolean | readonly [number, number]): Reader =>
  (r, c) => {
    const rate = r.pick([0, 0.1, 0.3, 0.7, 1])
    const read = readBytes(r, c, summed, (count) => r.spikes(count, rate))
    return read && { ...read, options: { ...read.options, spikes: true } }
  }
/** Spikes of each step. */
export const readSpikes = spikesBy(false)
/** Their sums, or means over windows. */
export const readSummed = spikesBy(true)
/** Sums of so few that they are sorted, where there are steps enough; and of more. */
export const readSorted = spikesBy([2, 8])
export const readMany = spikesBy([9, 12])
