/**
 * Matrix products against sums in float64. Operands are small integers, whose sums float32 holds
 * exactly: results must be equal, whatever the order of the sums. Memory and scratch have exactly
 * the documented sizes.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestEngine, variants } from '../support/engine.js'
import { expectRounded, randomShapes } from '../support/ops.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const NAN = 0xff

const range = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, i) => low + i)

/**
 * Below, equal to, multiples of and just above the tiles: 4 × 8 of the micro kernel, 128 rows and a
 * depth of 256 of the packed panels.
 */
const SIDES = [...range(1, 20), ...range(127, 130)]
const DEPTHS = [...range(1, 20), ...range(127, 130), ...range(255, 260), 512, 513]

/** Strides of a and b in elements: a[i·ar + p·ac], b[p·br + j·bc]. */
const products = {
  NN: (_m: number, n: number, k: number) => ({ ar: k, ac: 1, br: n, bc: 1 }),
  NT: (_m: number, _n: number, k: number) => ({ ar: k, ac: 1, br: 1, bc: k }),
  TN: (m: number, n: number) => ({ ar: 1, ac: m, br: n, bc: 1 }),
}
type Product = keyof typeof products

function reference(
  product: Product,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
): Float64Array {
  const { ar, ac, br, bc } = products[product](m, n, k)
  const c = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * ar + p * ac] * b[p * br + j * bc]
      c[i * n + j] = sum
    }
  return c
}

function run(
  engine: TestEngine,
  product: Product,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
): Float32Array {
  engine.reset()
  const c = engine.alloc(m * n * 4, NAN)
  const scratch = engine.alloc(engine.exports.matmulScratch(n), NAN)
  const { ar, ac, br, bc } = products[product](m, n, k)
  const left = [engine.putFloats(a), 4 * ar, 4 * ac]
  const right = [engine.putFloats(b), 4 * br, 4 * bc]
  engine.exports.product(c, ...left, ...right, m, n, k, scratch, 0)
  engine.checkGuards(`${product} m=${m} n=${n} k=${k}`)
  return engine.floats(c, m * n).slice()
}

for (const variant of variants) {
  const engine = new TestEngine(variant)

  for (const product of Object.keys(products) as Product[]) {
    test(`${variant} ${product} equals the sums at and around every tile size (seed ${base})`, () => {
      const r = randomShapes(base + 1)
      const sizes = [
        ...SIDES.map((m) => [m, r.pick(SIDES), r.pick(DEPTHS)]),
        ...SIDES.map((n) => [r.pick(SIDES), n, r.pick(DEPTHS)]),
        ...DEPTHS.map((k) => [r.pick(SIDES), r.pick(SIDES), k]),
        [257, 17, 5],
        [130, 9, 513],
        [1, 1, 1],
      ]
      for (const [m, n, k] of sizes) {
        const a = Array.from({ length: m * k }, () => r.int(-8, 8))
        const b = Array.from({ length: k * n }, () => r.int(-8, 8))
        const expected = reference(product, a, b, m, n, k)
        const actual = run(engine, product, a, b, m, n, k)
        for (let i = 0; i < m * n; i++)
          if (actual[i] !== expected[i])
            assert.unreachable(
              `m=${m} n=${n} k=${k} row ${Math.floor(i / n)} column ${i % n}: got ` +
                `${actual[i]}, expected ${expected[i]}`,
            )
      }
    })

    test(`${variant} ${product} rounds as float32 sums do, and always the same way (seed ${base})`, () => {
      const r = randomShapes(base + 2)
      const [m, n, k] = [r.int(5, 40), r.int(9, 40), r.int(257, 700)]
      const a = r.floats(m * k, 0.5)
      const b = r.floats(k * n, 0.5)
      const actual = run(engine, product, a, b, m, n, k)
      const expected = reference(product, a, b, m, n, k)
      const size = reference(product, a.map(Math.abs), b.map(Math.abs), m, n, k)
      expectRounded(`m=${m} n=${n} k=${k}`, actual, expected, size)
      assert.equal(run(engine, product, a, b, m, n, k), actual)
    })
  }

  test(`${variant} matmulScratch holds the panels`, () => {
    for (const n of [1, 7, 8, 9, 130])
      assert.is(engine.exports.matmulScratch(n), 192 + 4 * 256 * (130 + Math.ceil(n / 8) * 8))
  })
}

test.run()
