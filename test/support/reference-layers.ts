/** Layers of `reference.ts` between neurons, in float64. */
import type { Delay, Layer, Scale, Upsample } from '../../src/index.js'

type Tensor = Float64Array
type Shape = readonly [number, number, number]
type Pair = readonly [number, number]

/** The windows of a layer that has such; those of a series are of one row. */
export function windowOf(layer: Layer) {
  if (!('kernelSize' in layer)) return undefined
  const { kernelSize, stride, padding } = layer
  const both = (n: number | Pair, row: number): Pair => (typeof n === 'number' ? [row, n] : n)
  const dilation = 'dilation' in layer ? layer.dilation : undefined
  return {
    kernelSize: both(kernelSize, 1),
    stride: both(stride, 1),
    padding: both(padding, 0),
    dilation: both(dilation ?? [1, 1], 1),
    outputPadding: both('outputPadding' in layer ? layer.outputPadding : [0, 0], 0),
  }
}

/** Shape of the output of a layer without windows. */
export function shapeOf(layer: Layer, [c, h, w]: Shape): Shape {
  if (layer.kind === 'adaptiveAvgPool1d') return [c, 1, layer.outputSize]
  if (layer.kind === 'adaptiveAvgPool2d') return [c, ...layer.outputSize]
  if (layer.kind === 'upsample') return [c, ...upsampledSize(layer, [h, w])]
  return [c, h, w]
}

/** What each output of adaptive pooling reads, with its share. */
export function adaptiveTaps([, h, w]: Shape, [, oh, ow]: Shape) {
  const taps: { out: number; input: number; share: number }[] = []
  const places = (i: number, size: number, windows: number): number[] => {
    const first = Math.floor((i * size) / windows)
    const end = Math.ceil(((i + 1) * size) / windows)
    return Array.from({ length: end - first }, (_, k) => first + k)
  }
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++) {
      const [ys, xs] = [places(oy, h, oh), places(ox, w, ow)]
      for (const y of ys)
        for (const x of xs)
          taps.push({ out: oy * ow + ox, input: y * w + x, share: 1 / (ys.length * xs.length) })
    }
  return taps
}

/** Height and width behind it; an image of one row stands for a series, which has one size. */
function upsampledSize({ size, scale }: Upsample, [h, w]: Pair): Pair {
  if (typeof size === 'number') return [h === 1 ? 1 : size, size]
  if (size) return [size[0], size[1]]
  const [down, across] = [scale as Pair | number].flat()
  return [
    h === 1 && across === undefined ? 1 : Math.floor(h * down),
    Math.floor(w * (across ?? down)),
  ]
}

/** What each output of an upsampling reads, with its share: a tent about its place. */
export function upsampleTaps(layer: Upsample, [, h, w]: Shape, [, oh, ow]: Shape) {
  const axis = (from: number, to: number, scale: number | undefined): number[][] =>
    Array.from({ length: to }, (_, o) => {
      const step = scale === undefined || to === from ? from / to : 1 / scale
      const between = layer.alignCorners ? (o * (from - 1)) / (to - 1 || 1) : (o + 0.5) * step - 0.5
      const isNear = layer.mode === 'nearest'
      const place = isNear ? Math.floor(o * step + 1e-9) : Math.max(0, between)
      const at = Math.min(from - 1, place)
      return Array.from({ length: from }, (_, i) => Math.max(0, 1 - Math.abs(at - i)))
    })
  const scales = layer.scale === undefined ? [] : [layer.scale].flat()
  const [rows, columns] = [axis(h, oh, scales[0]), axis(w, ow, scales[1] ?? scales[0])]
  return rows.flatMap((ofRow, oy) =>
    columns.flatMap((ofColumn, ox) =>
      ofRow.flatMap((a, y) =>
        ofColumn.map((b, x) => ({ out: oy * ow + ox, input: y * w + x, share: a * b })),
      ),
    ),
  )
}

/** The factor of an element [B][C][H][W]. */
export function factorOf({ factor }: Scale, [c, h, w]: Shape, i: number): number {
  if (typeof factor === 'number') return factor
  return factor.length === c ? factor[Math.floor(i / (h * w)) % c] : factor[i % (c * h * w)]
}

const delayOf = ({ steps }: Delay, [c, h, w]: Shape, i: number): number =>
  typeof steps === 'number' ? steps : steps[Math.floor(i / (h * w)) % c]

/** Each step of the signal some steps later. */
export const delayed = (layer: Delay, shape: Shape, steps: readonly Tensor[]): Tensor[] =>
  steps.map((x, t) => x.map((_, i) => steps[t - delayOf(layer, shape, i)]?.[i] ?? 0))

/** Its gradient at each step; that of a time mean by the share of the steps that arrive. */
export const delayBack = (
  layer: Delay,
  shape: Shape,
  deltas: readonly Tensor[],
  T: number,
  segment = T,
): Tensor[] =>
  deltas.length === T && T > 1
    ? deltas.map((d, t) =>
        d.map((_, i) => {
          const to = t + delayOf(layer, shape, i)
          const isSame = Math.floor(to / segment) === Math.floor(t / segment)
          return isSame ? (deltas[to]?.[i] ?? 0) : 0
        }),
      )
    : deltas.map((d) => d.map((v, i) => (v * Math.max(0, T - delayOf(layer, shape, i))) / T))

interface Affine {
  readonly weight?: Tensor
  readonly bias?: Tensor
}

/** Numbers of the last sizes of a layer normalisation. */
const lastSizes = (layer: Layer): number =>
  layer.kind === 'layerNorm' ? layer.shape.reduce((a, b) => a * b, 1) : 1

/** The group of an element, so that elements of a sample and group are one statistic. */
function groupOf(layer: Layer, [c, h, w]: Shape, i: number): number {
  if (layer.kind === 'layerNorm') return Math.floor(i / lastSizes(layer))
  const groups = layer.kind === 'groupNorm' ? layer.groups : 1
  const sample = Math.floor(i / (c * h * w))
  const channel = Math.floor(i / (h * w)) % c
  return sample * groups + Math.floor(channel / (c / groups))
}

/** The parameter of an element: of its channel, or its own. */
const parameterOf = (layer: Layer, [c, h, w]: Shape, i: number): number =>
  layer.kind === 'groupNorm' ? Math.floor(i / (h * w)) % c : i % lastSizes(layer)

/** Means of the groups of each sample. */
function groupMeans(layer: Layer, shape: Shape, x: Tensor): Tensor {
  const sums: number[] = []
  const counts: number[] = []
  x.forEach((v, i) => {
    const g = groupOf(layer, shape, i)
    sums[g] = (sums[g] ?? 0) + v
    counts[g] = (counts[g] ?? 0) + 1
  })
  return Float64Array.from(sums, (sum, g) => sum / counts[g])
}

export function sampleNormForward(layer: Layer, shape: Shape, x: Tensor, affine: Affine) {
  const group = (i: number): number => groupOf(layer, shape, i)
  const own = (i: number): number => parameterOf(layer, shape, i)
  const mu = groupMeans(layer, shape, x)
  const squares = x.map((v, i) => (v - mu[group(i)]) ** 2)
  const eps = 'eps' in layer ? layer.eps : 0
  const invStd = groupMeans(layer, shape, squares).map((v) => 1 / Math.sqrt(v + eps))
  const xhat = x.map((v, i) => (v - mu[group(i)]) * invStd[group(i)])
  const { weight, bias } = affine
  const out = xhat.map((v, i) => v * (weight?.[own(i)] ?? 1) + (bias?.[own(i)] ?? 0))
  return { out, xhat, invStd }
}

export function sampleNormBackward(
  layer: Layer,
  shape: Shape,
  { xhat, invStd, delta }: { xhat: Tensor; invStd: Tensor; delta: Tensor },
  { weight }: Affine,
): { input: Tensor; weight: Tensor; bias: Tensor } {
  const group = (i: number): number => groupOf(layer, shape, i)
  const own = (i: number): number => parameterOf(layer, shape, i)
  const size = weight?.length ?? 0
  const [dWeight, dBias] = [new Float64Array(size), new Float64Array(size)]
  if (weight)
    delta.forEach((d, i) => {
      dWeight[own(i)] += d * xhat[i]
      dBias[own(i)] += d
    })
  const scaled = delta.map((d, i) => d * (weight?.[own(i)] ?? 1))
  const means = groupMeans(layer, shape, scaled)
  const along = groupMeans(
    layer,
    shape,
    scaled.map((d, i) => d * xhat[i]),
  )
  const input = scaled.map(
    (d, i) => invStd[group(i)] * (d - means[group(i)] - xhat[i] * along[group(i)]),
  )
  return { input, weight: dWeight, bias: dBias }
}
