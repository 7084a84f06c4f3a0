/**
 * Winograd's input gradient of stride 2 against a sum in float64, with scratch of exactly the
 * planned size and units in any order.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Geometry, kRowsOf } from '../../src/compile/convolution/geometry.js'
import {
  emitStrideGradient,
  strideApplies,
  stridePays,
  stridePlan,
  winogradStride,
} from '../../src/compile/convolution/winograd.js'
import { ref } from '../../src/kernels/records/words.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { ascending, EnginePrograms, type Order } from '../support/records.js'

const TOLERANCE = 5e-6
const seed = Number(process.env.SPIKEWASM_TEST_SEED ?? 1)

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))

interface Shape {
  readonly images: number
  readonly steps: number
  readonly inH: number
  readonly inW: number
  readonly inC: number
  readonly outC: number
  readonly blockWidth: number
}

const geometryOf = ({ images, inH, inW, inC, outC, blockWidth }: Shape): Geometry => ({
  images,
  inH,
  inW,
  inC,
  outH: Math.ceil(inH / 2),
  outW: Math.ceil(inW / 2),
  outC,
  blockWidth,
  kernelH: 3,
  kernelW: 3,
  strideH: 2,
  strideW: 2,
  padH: 1,
  padW: 1,
})

/** One pixel; even and odd sizes; more blocks and chunks of channels than one; then random ones. */
function shapes(random: Random): Shape[] {
  const list: Shape[] = [
    { images: 1, steps: 1, inH: 1, inW: 1, inC: 4, outC: 4, blockWidth: 4 },
    { images: 3, steps: 4, inH: 8, inW: 8, inC: 12, outC: 8, blockWidth: 8 },
    { images: 2, steps: 3, inH: 9, inW: 7, inC: 44, outC: 12, blockWidth: 4 },
    { images: 2, steps: 5, inH: 16, inW: 18, inC: 36, outC: 160, blockWidth: 32 },
    { images: 3, steps: 2, inH: 5, inW: 10, inC: 20, outC: 132, blockWidth: 4 },
    { images: 1, steps: 9, inH: 33, inW: 31, inC: 8, outC: 16, blockWidth: 16 },
  ]
  for (let i = 0; i < 10; i++) {
    const blockWidth = [4, 8, 16, 32][integer(random, 0, 3)]!
    list.push({
      images: integer(random, 1, 4),
      steps: integer(random, 1, 9),
      inH: integer(random, 1, 21),
      inW: integer(random, 1, 21),
      inC: 4 * integer(random, 1, 11),
      outC: blockWidth * integer(random, 1, Math.max(1, 44 / blockWidth)),
      blockWidth,
    })
  }
  return list
}

/** Index of W[n][c][tap] in the weight's layout. */
const weightIndex = (g: Geometry, n: number, c: number, tap: number): number =>
  (Math.floor(n / g.blockWidth) * kRowsOf(g) + tap * g.inC + c) * g.blockWidth + (n % g.blockWidth)

function reference(g: Geometry, steps: number, delta: Float32Array, weight: Float32Array) {
  const { inC, outC } = g
  const out = new Float64Array(g.images * g.inH * g.inW * steps * inC)
  /** W of [tap][n][c]: to look for it in the loops takes most of their time. */
  const plain = Float64Array.from({ length: 9 * outC * inC }, (_, i) => {
    const tap = Math.floor(i / (inC * outC))
    return weight[weightIndex(g, Math.floor(i / inC) % outC, i % inC, tap)]!
  })
  for (let b = 0; b < g.images; b++)
    for (let oy = 0; oy < g.outH; oy++)
      for (let ox = 0; ox < g.outW; ox++)
        for (let tap = 0; tap < 9; tap++) {
          const y = 2 * oy + Math.floor(tap / 3) - 1
          const x = 2 * ox + (tap % 3) - 1
          if (y < 0 || y >= g.inH || x < 0 || x >= g.inW) continue
          const from = ((b * g.outH + oy) * g.outW + ox) * steps
          const to = ((b * g.inH + y) * g.inW + x) * steps
          for (let t = 0; t < steps; t++)
            for (let n = 0; n < outC; n++) {
              const d = delta[(from + t) * outC + n]!
              const row = (tap * outC + n) * inC
              for (let c = 0; c < inC; c++) out[(to + t) * inC + c]! += d * plain[row + c]!
            }
        }
  return out
}

function relativeError(got: Float32Array, expected: Float64Array): number {
  let error = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    error += (got[i]! - expected[i]!) ** 2
    size += expected[i]! ** 2
  }
  return Math.sqrt(error / (size || 1))
}

const reversed: Order = (units) => ascending(units).reverse()

for (const variant of variants)
  test(`${variant}: input gradient of stride 2 equals the sum in float64 (seed ${seed})`, () => {
    const random = testRandom(seed)
    const engine = new TestEngine(variant)
    for (const shape of shapes(random)) {
      const name = `${JSON.stringify(shape)} seed=${seed}`
      const g = geometryOf(shape)
      assert.ok(strideApplies(g), name)
      const { images, steps } = shape
      const deltas = Float32Array.from(
        { length: images * g.outH * g.outW * steps * g.outC },
        () => random() + random() - 1,
      )
      const weights = new Float32Array(g.outC * kRowsOf(g))
      for (let n = 0; n < g.outC; n++)
        for (let c = 0; c < g.inC; c++)
          for (let tap = 0; tap < 9; tap++)
            weights[weightIndex(g, n, c, tap)] = random() + random() - 1
      const expected = reference(g, steps, deltas, weights)
      const run = (order: Order): Float32Array => {
        engine.reset()
        const b = new EnginePrograms(engine)
        const [delta, weight] = [b.put('delta', deltas), b.put('weight', weights)]
        const out = b.buffer('out', expected.length * 4)
        const job = { name: 'test', g, steps, delta, weight: ref(weight), out, zeros: out }
        emitStrideGradient(b, job, stridePlan(g, steps))
        b.run(order)
        engine.checkGuards(name)
        assert.equal(engine.floats(delta.address, deltas.length), deltas, `δ is only read, ${name}`)
        return engine.floats(out.address, expected.length).slice()
      }
      const got = run(ascending)
      const error = relativeError(got, expected)
      assert.ok(error < TOLERANCE, `relative error ${error}, ${name}`)
      assert.equal(run(reversed), got, `bits do not depend on the order of units, ${name}`)
    }
  })

test('stride 2: for 3×3 kernels with a row for each step, enough channels and whole tiles', () => {
  const g = geometryOf({
    images: 16,
    steps: 4,
    inH: 32,
    inW: 32,
    inC: 64,
    outC: 128,
    blockWidth: 32,
  })
  assert.ok(winogradStride.fits({ g, steps: 4 }))
  assert.not(winogradStride.fits({ g, steps: 1 }), 'one row per pixel')
  for (const other of [
    { kernelH: 1, kernelW: 1, padH: 0, padW: 0 },
    { strideW: 1 },
    { padH: 0 },
    { inC: 3 },
  ])
    assert.not(strideApplies({ ...g, ...other }), JSON.stringify(other))
  assert.not(stridePays({ ...g, inC: 4 }), 'few channels')
  assert.not(stridePays({ ...g, outH: 5, outW: 5 }), 'tiles that are mostly margin')
})

test.run()
