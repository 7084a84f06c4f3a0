/** Shapes of kernels, as names of benchmarks and `--shape` write them. */
import { expect } from '../../errors.js'

/** Images and time steps of kernels. */
export const [IMAGES, STEPS] = [4, 4]

/** A convolution: `64x32x32-128k3s2`. */
export interface ConvolutionShape {
  readonly kind: 'convolution'
  readonly C: number
  readonly H: number
  readonly W: number
  readonly N: number
  readonly kernel: number
  readonly stride: number
  readonly padding: number
  readonly groups: number
}

/** A tensor that layers hand on: `64x32x32`. */
export interface TensorShape {
  readonly kind: 'tensor'
  readonly C: number
  readonly H: number
  readonly W: number
}

/** A linear layer: `512-10`. */
export interface LinearShape {
  readonly kind: 'linear'
  readonly C: number
  readonly N: number
}

/** A product of matrices [m][k] · [k][n]: `m128n256k512`. */
export interface MatmulShape {
  readonly kind: 'matmul'
  readonly m: number
  readonly n: number
  readonly k: number
}

export type KernelShape = ConvolutionShape | TensorShape | LinearShape | MatmulShape

export const convolution = (
  [C, H, W]: readonly [number, number, number],
  N: number,
  kernel = 3,
  stride = 1,
  groups = 1,
): ConvolutionShape => ({
  kind: 'convolution',
  C,
  H,
  W,
  N,
  kernel,
  stride,
  padding: Math.floor((kernel - 1) / 2),
  groups,
})

export const tensor = (C: number, H: number, W = H): TensorShape => ({ kind: 'tensor', C, H, W })

/** As names of benchmarks have it: `64x32x32-128 k3s2`, `64x32x32`, `512-10`, `m8n8k8`. */
export function nameOf(shape: KernelShape): string {
  switch (shape.kind) {
    case 'convolution': {
      const { C, H, W, N, kernel, stride, padding, groups } = shape
      const s = stride > 1 ? `s${stride}` : ''
      const p = padding === Math.floor((kernel - 1) / 2) ? '' : `p${padding}`
      const g = groups > 1 ? `g${groups}` : ''
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
export function outputOf({ H, W, kernel, stride, padding }: ConvolutionShape): [number, number] {
  const out = (size: number): number => Math.floor((size + 2 * padding - kernel) / stride) + 1
  return [out(H), out(W)]
}

/** Of one call: bytes of a tensor, and multiplications and additions in 1e9. */
const [MOST_BYTES, MOST_GFLOP] = [2 ** 30, 200]
/** A linear layer gets so many times the images of other kernels. */
export const LINEAR_ROWS = 16

/** Numbers of the largest tensor of a kernel, and products of a pass over it. */
function sizesOf(shape: KernelShape, images: number): { numbers: number; products: number } {
  switch (shape.kind) {
    case 'convolution': {
      const { C, H, W, N, kernel, groups } = shape
      const outputs = images * N * outputOf(shape).reduce((a, b) => a * b, 1)
      const weights = (N * C * kernel ** 2) / groups
      return {
        numbers: Math.max(images * C * H * W, outputs, weights),
        products: (outputs * C * kernel ** 2) / groups,
      }
    }
    case 'tensor':
      return { numbers: images * shape.C * shape.H * shape.W, products: 0 }
    case 'linear': {
      const { C, N } = shape
      const rows = LINEAR_ROWS * images
      return { numbers: Math.max(C * N, rows * C, rows * N), products: rows * C * N }
    }
    case 'matmul': {
      const { m, n, k } = shape
      return { numbers: Math.max(m * n, n * k, m * k), products: m * n * k }
    }
  }
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
  const { numbers, products } = sizesOf(shape, images)
  const [bytes, gflop] = [4 * numbers, (2 * products) / 1e9]
  expect(
    bytes <= MOST_BYTES && gflop <= MOST_GFLOP,
    () =>
      `bench.${option} must give tensors of at most ${MOST_BYTES / 2 ** 30} GiB and ` +
      `${MOST_GFLOP} GFLOP a call, got "${nameOf(shape)}" with ${images} images of all time ` +
      `steps: ${Math.ceil(bytes / 2 ** 30)} GiB and ${Math.ceil(gflop)} GFLOP; ` +
      'choose a smaller shape, --batch-size or --time-steps',
  )
}

const CONVOLUTION = /^(\d+)x(\d+)x(\d+)-(\d+)(?: ?k(\d+))?(?:s(\d+))?(?:p(\d+))?(?:g(\d+))?$/
const TENSOR = /^(\d+)x(\d+)x(\d+)$/
const LINEAR = /^(\d+)-(\d+)$/
const MATMUL = /^m(\d+)n(\d+)k(\d+)$/
/** No size of a paper's network is near it; beyond, memory ends anyway. */
const LARGEST = 65536

const FORMS =
  '64x32x32-128k3s2 (a convolution: channels x height x width - channels out, kernel k, ' +
  'stride s, padding p, groups g), 64x32x32 (a tensor), 512-10 (a linear layer) or ' +
  'm128n256k512 (a product of matrices)'

/** @throws SpikewasmError for a text that is no shape, or a shape that cannot be */
export function parseShape(text: string): KernelShape {
  const wrong = (what: string): string =>
    `bench.shape must be like ${FORMS}; got ${JSON.stringify(text)}${what}`
  const numbers = (match: RegExpExecArray): (number | undefined)[] =>
    match.slice(1).map((digits) => (digits === undefined ? undefined : Number(digits)))
  for (const digits of text.match(/\d+/g) ?? [])
    expect(Number(digits) <= LARGEST, () => wrong(`, where ${digits} is above ${LARGEST}`))
  for (const digits of text.replace(/p\d+/, '').match(/\d+/g) ?? [])
    expect(Number(digits) >= 1, () => wrong(', where a size is 0'))
  const found = {
    convolution: CONVOLUTION.exec(text),
    tensor: TENSOR.exec(text),
    linear: LINEAR.exec(text),
    matmul: MATMUL.exec(text),
  }
  if (found.convolution) {
    const [C, H, W, N, kernel = 3, stride, padding, groups] = numbers(found.convolution)
    const base = convolution([C!, H!, W!], N!, kernel, stride, groups)
    const shape = padding === undefined ? base : { ...base, padding }
    expect(
      outputOf(shape).every((size) => size >= 1),
      () => wrong(`, whose kernel is larger than the padded input`),
    )
    expect(shape.padding < kernel, () => wrong(`, whose padding is not below its kernel`))
    expect(C! % shape.groups === 0 && N! % shape.groups === 0, () =>
      wrong(`, whose groups do not divide its channels`),
    )
    return shape
  }
  const [a, b, c] = numbers(found.tensor ?? found.linear ?? found.matmul ?? /()/.exec('')!)
  if (found.tensor) return tensor(a!, b!, c)
  if (found.linear) return { kind: 'linear', C: a!, N: b! }
  expect(found.matmul !== null, () => wrong(''))
  return { kind: 'matmul', m: a!, n: b!, k: c! }
}
