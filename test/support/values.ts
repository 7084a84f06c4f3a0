/** What forward functions of blocks do with values, in float64 and by its definition. */

import type { Ops, Value } from '../../src/index.js'

/** A value: of each step [B][C][H][W]. */
export interface Numbers extends Value {
  readonly steps: readonly Float64Array[]
}

type Sizes = readonly [number, number, number]
type Place = readonly [c: number, h: number, w: number]

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1)

/** A value whose numbers follow from their places. */
export function filled(
  { steps, series }: Pick<Numbers, 'steps' | 'series'>,
  images: number,
  shape: Sizes,
  flat: boolean,
  numberAt: (image: number, place: Place, step: number) => number,
): Numbers {
  const [c, h, w] = shape
  const size = c * h * w
  const made = steps.map((_, t) =>
    Float64Array.from({ length: images * size }, (_, i) => {
      const n = i % size
      const place = [Math.floor(n / (h * w)), Math.floor(n / w) % h, n % w] as const
      return numberAt(Math.floor(i / size), place, t)
    }),
  )
  return { shape, flat, series, node: 1, steps: made }
}

/** Sizes as a person counts them. */
const ranked = ({ shape: [c, h, w], flat, series }: Numbers): number[] =>
  flat ? [c * h * w] : series ? [c, w] : [c, h, w]

/** The operations for so many images. */
export function numericOps(images: number): Ops {
  const at = ({ shape: [c, h, w], steps }: Numbers, image: number, [i, y, x]: Place, t: number) =>
    steps[t][((image * c + i) * h + y) * w + x]
  /** Where the numbers of a value lie by its own sizes. */
  const own = (of: Numbers, image: number, index: readonly number[], t: number): number => {
    const n = ranked(of).reduce((sum, size, i) => sum * size + index[i], 0)
    return of.steps[t][image * product(of.shape) + n]
  }
  const shaped = (of: Numbers, sizes: readonly number[]): Sizes =>
    sizes.length === 3
      ? (sizes as unknown as Sizes)
      : sizes.length === 2
        ? [sizes[0], 1, sizes[1]]
        : [of.flat ? sizes[0] : sizes[0], 1, 1]
  /** A value of these sizes, whose numbers another one has at other places. */
  const moved = (
    of: Numbers,
    sizes: readonly number[],
    from: (index: readonly number[]) => readonly number[],
  ): Numbers =>
    filled(of, images, shaped(of, sizes), of.flat, (image, [c, h, w], t) => {
      const index = sizes.length === 3 ? [c, h, w] : sizes.length === 2 ? [c, w] : [c]
      return own(of, image, from(index), t)
    })
  const axis = (of: Numbers, dim: number): number => (dim < 0 ? ranked(of).length + dim : dim - 1)
  /** Values of one shape, or with sizes of 1 for as many as others have, put together. */
  const together = (values: readonly Numbers[], of: (a: number, b: number) => number): Numbers => {
    const [c, h, w] = [0, 1, 2].map((i) => Math.max(...values.map(({ shape }) => shape[i])))
    const largest = values.find(({ shape }) => product(shape) > 1) ?? values[0]
    return filled(largest, images, [c, h, w], largest.flat, (image, place, t) =>
      values
        .map((value) => {
          const [i, y, x] = place.map((n, axis) => (value.shape[axis] === 1 ? 0 : n))
          return at(value, image, [i, y, x], t)
        })
        .reduce(of),
    )
  }
  const ops = {
    add: (...values: Numbers[]) => together(values, (a, b) => a + b),
    mul: (a: Numbers, b: Numbers) => together([a, b], (x, y) => x * y),
    expand(x: Numbers, shape: readonly number[]) {
      const [flat, series] = [shape.length === 1, shape.length === 2]
      const sizes = shape.map((n, i) => (n === -1 ? ranked(x)[i] : n))
      const like = filled({ ...x, series }, images, shaped(x, sizes), flat, () => 0)
      return { ...together([like, x], (a, b) => a + b), flat, series }
    },
    /** Texts that JavaScript reads too. */
    elementwise(text: string, x: Numbers) {
      const run = new Function('x', `const { exp, tanh, abs } = Math; return ${text}`)
      return { ...x, steps: x.steps.map((step) => step.map((value) => run(value))) }
    },
    matmul(a: Numbers, b: Numbers, { transposeA = false, transposeB = false, heads = 1 } = {}) {
      const matrix = (of: Numbers, transposed: boolean) => {
        const [rows, columns] = [of.shape[0] / heads, of.shape[2]]
        const number = (image: number, head: number, i: number, j: number, t: number): number =>
          at(of, image, [head * rows + (transposed ? j : i), 0, transposed ? i : j], t)
        return { sizes: transposed ? [columns, rows] : [rows, columns], number }
      }
      const [left, right] = [matrix(a, transposeA), matrix(b, transposeB)]
      const [rows, depth] = left.sizes
      const sizes = [heads * rows, 1, right.sizes[1]] as const
      const out = filled(a, images, sizes, false, (image, [c, , j], t) => {
        const head = Math.floor(c / rows)
        let sum = 0
        for (let k = 0; k < depth; k++)
          sum += left.number(image, head, c % rows, k, t) * right.number(image, head, k, j, t)
        return sum
      })
      const flat = b.flat && !transposeB
      return { ...out, flat, series: !flat }
    },
    softmax(x: Numbers, dim = -1) {
      const sizes = ranked(x)
      const along = axis(x, dim)
      const powers = { ...x, steps: x.steps.map((step) => step.map(Math.exp)) }
      const sums = moved(powers, sizes, (index) => index)
      return moved(
        {
          ...sums,
          steps: sums.steps.map((step, t) =>
            step.map((power, i) => {
              const before = product(sizes.slice(along + 1))
              const first = i - (Math.floor(i / before) % sizes[along]) * before
              let sum = 0
              for (let k = 0; k < sizes[along]; k++) sum += powers.steps[t][first + k * before]
              return power / sum
            }),
          ),
        },
        sizes,
        (index) => index,
      )
    },
    slice(x: Numbers, from: number, to = Number.POSITIVE_INFINITY, dim = 1) {
      const sizes = ranked(x)
      const along = axis(x, dim)
      const places = Array.from({ length: sizes[along] }, (_, i) => i).slice(from, to)
      const kept = sizes.map((n, i) => (i === along ? places.length : n))
      return moved(x, kept, (index) => index.map((n, i) => (i === along ? places[n] : n)))
    },
    permute(x: Numbers, dims: readonly number[]) {
      const axes = dims.map((dim) => axis(x, dim))
      const sizes = axes.map((one) => ranked(x)[one])
      return moved(x, sizes, (index) => axes.map((_, i) => index[axes.indexOf(i)]))
    },
    transpose(x: Numbers, dim0 = -2, dim1 = -1) {
      const dims = ranked(x).map((_, i) => i + 1)
      const [a, b] = [axis(x, dim0), axis(x, dim1)]
      ;[dims[a], dims[b]] = [dims[b], dims[a]]
      return ops.permute(x, dims)
    },
    reshape(x: Numbers, shape: readonly number[]) {
      const known = shape.reduce((n, size) => (size < 0 ? n : n * size), 1)
      const sizes = shape.map((size) => (size < 0 ? product(x.shape) / known : size))
      const [flat, series] = [sizes.length === 1, sizes.length === 2]
      return { ...x, shape: shaped(x, sizes), flat, series }
    },
  }
  return ops as unknown as Ops
}
