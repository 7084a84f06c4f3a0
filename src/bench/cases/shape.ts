/** Shapes of kernels, as names of benchmarks and `--shape` write them. */
import { fail } from '../../base/errors.js'

/** Images and time steps of kernels. */
export const [IMAGES, STEPS] = [4, 4]

type Sizes<Kind extends string, Size extends string> = { readonly kind: Kind } & {
  readonly [size in Size]: number
}

/** A convolution: `64x32x32-128k3s2`. */
export type ConvolutionShape = Sizes<
  'convolution',
  'C' | 'H' | 'W' | 'N' | 'kernel' | 'stride' | 'padding' | 'groups'
>
/** A tensor that layers hand on: `64x32x32`. */
export type TensorShape = Sizes<'tensor', 'C' | 'H' | 'W'>
/** A linear layer: `512-10`. */
export type LinearShape = Sizes<'linear', 'C' | 'N'>
/** A product of matrices [m][k] · [k][n]: `m128n256k512`. */
export type MatmulShape = Sizes<'matmul', 'm' | 'n' | 'k'>

export type KernelShape = ConvolutionShape | TensorShape | LinearShape | MatmulShape

export const convolution = (
  [C, H, W]: readonly [number, number, number],
  N: number,
  kernel = 3,
  stride = 1,
  groups = 1,
  padding = (kernel - 1) >> 1,
): ConvolutionShape => ({ kind: 'convolution', C, H, W, N, kernel, stride, padding, groups })

/** As names of benchmarks have it: `64x32x32-128 k3s2`, `64x32x32`, `512-10`, `m8n8k8`. */
export function nameOf(shape: KernelShape): string {
  switch (shape.kind) {
    case 'convolution': {
      const { C, H, W, N, kernel, stride, padding, groups } = shape
      const p = padding === (kernel - 1) >> 1 ? '' : `p${padding}`
      const [s, g] = [stride > 1 ? `s${stride}` : '', groups > 1 ? `g${groups}` : '']
      return `${C}x${H}x${W}-${N} k${kernel}${s}${p}${g}`
    }
    case 'tensor':
      return `${shape.C}x${shape.H}x${shape.W}`
    case 'linear':
      return `${shape.C}-${shape.N}`
    case 'matmul':
      return `m${shape.m}n${shape.n}k${shape.k}`
  }
}

/** Output height and width. */
export const outputOf = ({ H, W, kernel, stride, padding }: ConvolutionShape): [number, number] => [
  Math.floor((H + 2 * padding - kernel) / stride) + 1,
  Math.floor((W + 2 * padding - kernel) / stride) + 1,
]

/** Bytes of a tensor, and multiplications and additions in 1e9, that one call may have. */
const [MOST_BYTES, MOST_GFLOP] = [2 ** 30, 200]
/** A linear layer gets so many times the images of other kernels. */
export const LINEAR_ROWS = 16

/** Numbers of the largest tensor of a kernel, and products of a pass over it. */
function sizesOf(shape: KernelShape, images: number): [numbers: number, products: number] {
  if (shape.kind === 'tensor') return [images * shape.C * shape.H * shape.W, 0]
  if (shape.kind === 'convolution') {
    const { C, H, W, N, kernel, groups } = shape
    const [h, w] = outputOf(shape)
    const [outputs, taps] = [images * N * h * w, (C * kernel ** 2) / groups]
    return [Math.max(images * C * H * W, outputs, N * taps), outputs * taps]
  }
  const isLinear = shape.kind === 'linear'
  const [m, n, k] = isLinear
    ? [LINEAR_ROWS * images, shape.N, shape.C]
    : [shape.m, shape.n, shape.k]
  return [Math.max(m * n, n * k, m * k), m * n * k]
}

/**
 * @param images of all time steps
 * @param option what chose the size
 * @throws SpikewasmError for a shape whose calls need too much memory or time
 */
export function checkSize(
  shape: KernelShape,
  images: number,
  option: 'shape' | 'batchSize' = 'shape',
): void {
  const [numbers, products] = sizesOf(shape, images)
  const [bytes, gflop] = [4 * numbers, (2 * products) / 1e9]
  if (!(bytes <= MOST_BYTES && gflop <= MOST_GFLOP))
    fail(
      `bench.${option} must give tensors of at most ${MOST_BYTES / 2 ** 30} GiB and ` +
        `${MOST_GFLOP} GFLOP a call, got "${nameOf(shape)}" with ${images} images of all time ` +
        `steps: ${Math.ceil(bytes / 2 ** 30)} GiB and ${Math.ceil(gflop)} GFLOP; ` +
        'choose a smaller shape, --batch-size or --time-steps',
    )
}

const PIXELS = String.raw`(?<C>\d+)x(?<H>\d+)x(?<W>\d+)`
const WINDOW = String.raw`(?: ?k(?<k>\d+))?(?:s(?<s>\d+))?(?:p(?<p>\d+))?(?:g(?<g>\d+))?`
const forms: Readonly<Record<KernelShape['kind'], RegExp>> = {
  convolution: new RegExp(String.raw`^${PIXELS}-(?<N>\d+)${WINDOW}$`),
  tensor: new RegExp(`^${PIXELS}$`),
  linear: /^(?<C>\d+)-(?<N>\d+)$/,
  matmul: /^m(?<m>\d+)n(?<n>\d+)k(?<k>\d+)$/,
}
/** No size of a paper's network is near it; beyond, memory ends anyway. */
const LARGEST = 65536

const FORMS =
  '64x32x32-128k3s2 (a convolution: channels x height x width - channels out, kernel k, ' +
  'stride s, padding p, groups g), 64x32x32 (a tensor), 512-10 (a linear layer) or ' +
  'm128n256k512 (a product of matrices)'

/** @throws SpikewasmError for a text that is no shape, or a shape that cannot be */
export function parseShape(text: string): KernelShape {
  const must = (holds: boolean, why: string): void => {
    if (!holds) fail(`bench.shape must be like ${FORMS}; got ${JSON.stringify(text)}${why}`)
  }
  for (const digits of text.match(/\d+/g) ?? [])
    must(Number(digits) <= LARGEST, `, where ${digits} is above ${LARGEST}`)
  must(!/(^|[^\dp])0+(?!\d)/.test(text), ', where a size is 0')
  const kinds = Object.keys(forms) as KernelShape['kind'][]
  const kind = kinds.find((one) => forms[one].test(text))
  must(kind !== undefined, '')
  const sizes: Record<string, number> = {}
  for (const [size, digits] of Object.entries(forms[kind!].exec(text)!.groups!))
    if (digits !== undefined) sizes[size] = Number(digits)
  if (kind !== 'convolution') return { kind, ...sizes } as KernelShape
  const { C, H, W, N, k, s, g, p } = sizes
  const shape = convolution([C, H, W], N, k, s, g, p)
  must(
    outputOf(shape).every((size) => size >= 1),
    ', whose kernel is larger than the padded input',
  )
  must(shape.padding < shape.kernel, ', whose padding is not below its kernel')
  must(
    C % shape.groups === 0 && N % shape.groups === 0,
    ', whose groups do not divide its channels',
  )
  return shape
}
