/** Forward on spikes with weights of one byte, against a naive loop over integers: bit for bit. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kRowsOf, sizesOf } from '../../src/compile/convolution/geometry.js'
import { spikeListBytes } from '../../src/compile/convolution/spike-geometry.js'
import { byteGeometry, fitsBytes } from '../../src/compile/convolution/spikes.js'
import { spikeForwardBytes } from '../../src/kernels/records/spikes.js'
import { isFor, TestEngine, testRandom, type Variant, variants } from '../support/engine.js'
import { putRecord, scratchOf } from '../support/records.js'
import { type Case, linear, makeCase, visitField } from '../support/spikes.js'

type ByteGeometry = ReturnType<typeof byteGeometry>

/** How weights are drawn: any, or all of one value. */
type Weights = 'any' | 127 | -128

interface Inputs {
  readonly sources: Uint8Array[]
  /** [k][outC]. */
  readonly weight: Int8Array
  readonly scales: Float32Array
  readonly bias: Float32Array
}

function inputsOf(c: Case, random: () => number, weights: Weights): Inputs {
  const plane = c.images * c.sourceH * c.sourceW * c.inC
  const planes = Math.ceil(c.timeSteps / 8)
  // Bits of steps that do not exist are set as well: they must be cut off.
  const mask = (): number => (c.active === 1 ? 255 : Math.floor(random() * 256))
  const sources = Array.from({ length: c.sourceCount }, () =>
    Uint8Array.from({ length: planes * plane }, () => (random() < c.active ? mask() : 0)),
  )
  const K = c.kernelH * c.kernelW * c.inC
  const weight = Int8Array.from({ length: K * c.outC }, () =>
    weights === 'any' ? Math.floor(random() * 256) - 128 : weights,
  )
  const scales = Float32Array.from({ length: c.outC }, () => random() * 0.01)
  return { sources, weight, scales, bias: scales.map(() => random() - 0.5) }
}

/** Weights [k][outC] as they are stored, [outC / block][kRows][block]. */
function stored(c: Case, weight: Int8Array): Uint8Array {
  const kRows = kRowsOf(c)
  const bytes = new Int8Array(kRows * c.outC)
  for (const [i, q] of weight.entries()) {
    const n = i % c.outC
    const row = Math.floor(n / c.blockWidth) * kRows + Math.floor(i / c.outC)
    bytes[row * c.blockWidth + (n % c.blockWidth)] = q
  }
  return new Uint8Array(bytes.buffer)
}

/** Exact integers, then one product and one sum in float32. */
function expectedOf(c: Case, { sources, weight, scales, bias }: Inputs): Float32Array {
  const pixels = c.images * c.outH * c.outW
  const out = new Float32Array(pixels * c.timeSteps * c.outC)
  const factors = scales.map((scale) => scale * Math.fround(c.scale))
  const sums = new Float64Array(c.timeSteps * c.outC)
  for (let pixel = 0; pixel < pixels; pixel++) {
    sums.fill(0)
    visitField(c, sources, pixel, (k, mask) => {
      for (let t = 0; t < c.timeSteps; t++)
        if ((mask >> t) & 1)
          for (let n = 0; n < c.outC; n++) sums[t * c.outC + n] += weight[k * c.outC + n]
    })
    for (const [i, sum] of sums.entries()) {
      const n = i % c.outC
      const product = Math.fround(Math.fround(sum) * factors[n])
      out[pixel * sums.length + i] = product + (c.bias ? bias[n] : 0)
    }
  }
  return out
}

function checkBytes(
  variant: Variant,
  c: Case,
  seed: number,
  {
    weights = 'any',
    mostCounted = 256,
    ...geometry
  }: Partial<ByteGeometry> & { weights?: Weights; mostCounted?: number } = {},
): void {
  if (!isFor(variant, seed)) return
  const message = `seed ${seed} ${variant} ${JSON.stringify({ ...c, ...geometry, weights })}`
  assert.ok(fitsBytes(c), message)
  const inputs = inputsOf(c, testRandom(seed), weights)
  const engine = new TestEngine(variant, 400)
  const g = { ...byteGeometry(c), ...geometry }
  const { rowsPerUnit, blocksPerUnit, listBytes, pairLists, weightedLists } = g
  const expected = expectedOf(c, inputs)
  const out = engine.alloc(expected.length * 4)
  const table = new Int32Array(2 * c.sourceCount)
  for (const [i, masks] of inputs.sources.entries()) table[2 * i] = engine.putBytes(masks)
  const fields = {
    ...sizesOf(spikeForwardBytes, c, c.timeSteps),
    sources: engine.putInts(table),
    sourceCount: c.sourceCount,
    planeBytes: c.images * c.sourceH * c.sourceW * c.inC,
    sourceH: c.sourceH,
    sourceW: c.sourceW,
    poolKernelH: c.poolKernelH,
    poolKernelW: c.poolKernelW,
    poolStrideH: c.poolStrideH,
    poolStrideW: c.poolStrideW,
    poolPadH: c.poolPadH,
    poolPadW: c.poolPadW,
    listBytes,
    pairLists,
    weightedLists,
    rowsPerUnit,
    blocksPerUnit,
    weight: engine.putBytes(stored(c, inputs.weight)),
    weightScale: engine.putFloats(inputs.scales),
    bias: c.bias ? engine.putFloats(inputs.bias) : undefined,
    scale: c.scale,
    mostCounted,
    out,
  }
  const units = Math.ceil((c.images * c.outH) / rowsPerUnit)
  const scratchBytes = scratchOf(spikeForwardBytes, { ...fields, group: 0 })
  const scratch = engine.alloc(scratchBytes)
  let record = 0
  for (let group = 0; group < Math.ceil(c.timeSteps / 4); group++) {
    record = putRecord(engine, spikeForwardBytes, units, { ...fields, group })
    engine.run(record, scratch)
  }
  engine.checkGuards(message)
  // Lists seldom need all of their room, so that guards alone would not show a wrong layout.
  const blocks = Math.ceil((18 * 4 * c.blockWidth * blocksPerUnit) / 64) * 64
  const rows = rowsPerUnit * c.outW * (64 + listBytes)
  assert.is(scratchBytes, engine.exports.listScratch(record) + blocks + rows, message)
  const got = engine.floats(out, expected.length)
  for (const [i, value] of expected.entries())
    if (got[i] !== value) assert.unreachable(`element ${i}: ${got[i]}, not ${value}; ${message}`)
}

for (const variant of variants) {
  test(`bytes ${variant} kernels, strides and paddings`, () => {
    let seed = 100
    for (const kernel of [1, 2, 3, 5])
      for (const stride of [1, 2, 3])
        for (const pad of [0, 1, 2]) {
          const window = { kernelH: kernel, kernelW: kernel, strideH: stride, strideW: stride }
          checkBytes(variant, makeCase({ ...window, padH: pad, padW: pad }), seed++)
        }
  })

  test(`bytes ${variant} T = 1 … 9, every group`, () => {
    for (let T = 1; T <= 9; T++)
      for (const inC of [12, 80]) {
        const c = makeCase({ timeSteps: T, inH: 4, inW: 3, images: 1, inC, blockWidth: 8 })
        checkBytes(variant, c, 200 + T)
      }
  })

  test(`bytes ${variant} input channels and widths of blocks`, () => {
    let seed = 300
    for (const inC of [4, 12, 20, 48, 132])
      for (const blockWidth of [4, 8, 16, 32])
        for (const blocks of [1, 3]) {
          const sizes = { inC, blockWidth, outC: blocks * blockWidth, inH: 3, inW: 4 }
          checkBytes(variant, makeCase(sizes), seed++)
        }
  })

  test(`bytes ${variant} weighted lists: 7 and 15, blocks of every width`, () => {
    let seed = 400
    for (const blockWidth of [4, 8, 16, 32])
      for (const inC of [4, 20, 132]) {
        const sums = { sourceCount: 3, poolKernelW: 2, poolStrideW: 2, inC, scale: 0.3 }
        const c = makeCase({ ...sums, blockWidth, outC: 2 * blockWidth, timeSteps: 1 + (seed % 9) })
        assert.ok(byteGeometry(c).weightedLists)
        checkBytes(variant, c, seed++)
      }
  })

  test(`bytes ${variant} more rows of 127 and −128 than 16 bits can sum`, () => {
    for (const weights of [127, -128] as const)
      for (const blockWidth of [4, 8, 16, 32]) {
        const sizes = { blockWidth, outC: blockWidth, images: 1, active: 1, bias: false }
        // Pieces of 256 rows: as many, a few more, and two pieces and a rest.
        for (const inC of [256, 260, 512, 516, 1036])
          checkBytes(variant, linear({ ...sizes, inH: 1, inW: 1, inC }), 1, { weights })
        checkBytes(variant, makeCase({ ...sizes, inC: 116, inH: 3, inW: 3 }), 2, { weights })
      }
  })

  test(`bytes ${variant} factors up to 255, of 127 and −128`, () => {
    const sizes = { inH: 1, inW: 1, inC: 20, images: 1, active: 1, timeSteps: 5 }
    for (const weights of [127, -128] as const)
      for (const blockWidth of [4, 8, 16, 32])
        for (const [h, w] of [
          [1, 2],
          [7, 7],
          [16, 8],
          [1, 129],
          [10, 13],
          [15, 17],
        ]) {
          const window = { poolKernelH: h, poolKernelW: w, poolStrideH: h, poolStrideW: w }
          const c = linear({
            ...sizes,
            ...window,
            blockWidth,
            outC: blockWidth,
            scale: 1 / (h * w),
          })
          assert.ok(byteGeometry(c).weightedLists)
          checkBytes(variant, c, 1, { weights })
          checkBytes(variant, { ...c, active: 0.5 }, 2)
        }
    const larger = { poolKernelH: 16, poolKernelW: 16, poolStrideH: 16, poolStrideW: 16 }
    const plain = linear({ ...sizes, ...larger, blockWidth: 4, outC: 4 })
    assert.not.ok(byteGeometry(plain).weightedLists)
    checkBytes(variant, plain, 3, { weights: 127 })
  })

  test(`bytes ${variant} all silent`, () => {
    for (const options of [{}, { bias: false }, { timeSteps: 3 }, { sourceCount: 2 }])
      checkBytes(variant, makeCase({ ...options, active: 0 }), 500)
  })

  test(`bytes ${variant} random shapes and units`, () => {
    for (let seed = 700; seed < 740; seed++) {
      const random = testRandom(seed)
      const upTo = (n: number): number => 1 + Math.floor(random() * n)
      const blockWidth = 2 << upTo(4)
      const c = makeCase({
        images: upTo(3),
        timeSteps: upTo(9),
        inH: 4 + upTo(5),
        inW: 4 + upTo(5),
        inC: 4 * upTo(6),
        blockWidth,
        outC: blockWidth * upTo(3),
        kernelH: upTo(5),
        kernelW: upTo(5),
        strideH: upTo(3),
        strideW: upTo(3),
        padH: upTo(3) - 1,
        padW: upTo(3) - 1,
        sourceCount: upTo(2),
        active: random(),
        bias: random() < 0.5,
        scale: random(),
      })
      const rowsPerUnit = upTo(c.images * c.outH)
      const blocksPerUnit = upTo(3)
      const pairLists = random() < 0.5
      const listBytes = spikeListBytes(c, true)
      checkBytes(variant, c, seed, {
        rowsPerUnit,
        blocksPerUnit,
        pairLists,
        listBytes,
        mostCounted: [2, 6, 256][seed % 3],
      })
    }
  })
}

test('fitsBytes: entries in 16 bits, sums in 32', () => {
  const wide = linear({ inH: 1, inW: 1, inC: 65532, outC: 4, blockWidth: 4 })
  assert.ok(fitsBytes(wide))
  assert.not.ok(fitsBytes({ ...wide, inC: 65536 }))
  assert.ok(fitsBytes({ ...wide, poolKernelH: 15, poolKernelW: 17 }))
  assert.not.ok(fitsBytes({ ...wide, poolKernelH: 17, poolKernelW: 17 }))
})

/** Bytes of the lists of a unit of a layer of `size` pixels a row. */
const unitBytes = ({ rowsPerUnit, listBytes }: ByteGeometry, size: number): number =>
  rowsPerUnit * size * listBytes

test('byteGeometry: units of a few rows, of all that lists have room for where the weight is large', () => {
  const layer = (channels: number, size: number): ByteGeometry =>
    byteGeometry(
      makeCase({
        images: 1,
        inH: size,
        inW: size,
        inC: channels,
        outC: channels,
        blockWidth: 32,
      }),
    )
  assert.is(layer(64, 32).rowsPerUnit, 4)
  assert.is(layer(512, 4).rowsPerUnit, 4)
  assert.ok(unitBytes(layer(512, 4), 4) < 2 ** 21)
  const large = layer(256, 14)
  assert.ok(large.units < 14 && unitBytes(large, 14) < 2 ** 20, JSON.stringify(large))
})

test.run()
