/**
 * Event-driven convolution against a naive loop: the lists entry by entry, the currents by value.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sizesOf } from '../../src/compile/convolution/geometry.js'
import {
  spikeForwardGeometry,
  spikeGeometry,
  spikeListsFit,
} from '../../src/compile/convolution/spike-geometry.js'
import { spikeConv, spikeForward, spikeLists } from '../../src/kernels/records/spikes.js'
import { isFor, TestEngine, testRandom, type Variant, variants } from '../support/engine.js'
import { type Addressed, putRecord, scratchOf } from '../support/records.js'
import { type Case, linear, makeCase, visitField } from '../support/spikes.js'

type SpikeGeometry = ReturnType<typeof spikeGeometry>

type RowFields = Omit<Addressed<typeof spikeForward.schema>, 'group' | 'out' | 'momentPixels'>

/** The plain lists that a pattern stands in. */
function listsOf(pattern: number, pairs: boolean): number[] {
  if (!pairs || pattern === 15) return pattern === 0 ? [] : [pattern]
  return [pattern & 3, pattern & 12].filter((part) => part !== 0)
}

/**
 * Steps of 4 that each input's entries count at, per k, after a look at how many entries it has:
 * patterns of a list are its steps.
 */
function countsOfLists(
  u16: Uint16Array,
  pointers: Uint32Array,
  weighted: boolean,
  zeroRow: number,
): Map<number, { counts: number[]; entries: number }> {
  const inputs = new Map<number, { counts: number[]; entries: number }>()
  for (let p = 1; p < 16; p++)
    for (let at = pointers[p - 1] / 2; at < pointers[p] / 2; at += weighted ? 2 : 1) {
      const k = u16[at]
      if (k === zeroRow) continue
      const input = inputs.get(k) ?? { counts: [0, 0, 0, 0], entries: 0 }
      inputs.set(k, input)
      input.entries++
      for (let t = 0; t < 4; t++) if ((p >> t) & 1) input.counts[t] += weighted ? u16[at + 1] : 1
    }
  return inputs
}

function checkLists(
  engine: TestEngine,
  c: Case,
  g: SpikeGeometry,
  sources: Uint8Array[],
  group: number,
  at: number,
  lists: number,
  message: string,
): void {
  const steps = (1 << Math.min(4, c.timeSteps - 4 * group)) - 1
  const zeroRow = c.kernelH * c.kernelW * c.inC
  const u16 = new Uint16Array(engine.memory.buffer)
  const perUnit = g.rowsPerUnit * c.outW
  for (let pixel = 0; pixel < c.images * c.outH * c.outW; pixel++) {
    const pointers = new Uint32Array(engine.memory.buffer, at + pixel * 64, 16)
    // A unit's lists follow each other.
    const start =
      pixel % perUnit === 0
        ? lists + pixel * g.listBytes
        : new Uint32Array(engine.memory.buffer, at + pixel * 64 - 4, 1)[0]
    assert.is(pointers[0], start, `start of pixel ${pixel}, ${message}`)
    assert.ok(pointers[15] <= start + g.listBytes, `end of pixel ${pixel}, ${message}`)
    if (g.weightedLists) {
      const want = new Map<number, number[]>()
      visitField(c, sources, pixel, (k, mask) => {
        const pattern = (mask >> (4 * group)) & steps
        if (pattern === 0) return
        const counts = want.get(k) ?? [0, 0, 0, 0]
        want.set(k, counts)
        for (let t = 0; t < 4; t++) counts[t] += (pattern >> t) & 1
      })
      const got = countsOfLists(u16, pointers, true, zeroRow)
      assert.is(got.size, want.size, `inputs of pixel ${pixel}, ${message}`)
      for (const [k, counts] of want) {
        assert.equal(got.get(k)?.counts, counts, `input ${k} of pixel ${pixel}, ${message}`)
        // As few entries as there are different counts (15 lists), or at most two a pair of steps
        // (7 lists).
        const different = new Set(counts.filter((n) => n > 0)).size
        assert.ok(
          got.get(k)!.entries <= (g.pairLists ? 4 : different),
          `entries of input ${k} of pixel ${pixel}, ${message}`,
        )
      }
      for (let p = 1; p < 16; p++)
        assert.is(
          (pointers[p] - pointers[p - 1]) % 8,
          0,
          `length of list ${p} of pixel ${pixel}, ${message}`,
        )
      continue
    }
    const want: number[][] = Array.from({ length: 16 }, () => [])
    visitField(c, sources, pixel, (k, mask) => {
      for (const p of listsOf((mask >> (4 * group)) & steps, g.pairLists)) want[p].push(k)
    })
    for (let p = 1; p < 16; p++) {
      const got = Array.from(u16.subarray(pointers[p - 1] / 2, pointers[p] / 2))
      assert.is(got.length % 2, 0, `length of list ${p} of pixel ${pixel}, ${message}`)
      if (want[p].length % 2 === 1)
        assert.is(got.pop(), zeroRow, `padding of list ${p} of pixel ${pixel}, ${message}`)
      const sorted = want[p].sort((a, b) => a - b)
      assert.equal(
        got.sort((a, b) => a - b),
        sorted,
        `list ${p} of pixel ${pixel}, ${message}`,
      )
    }
  }
}

/** Moments of each slot against sums in float64 over the output. */
function checkMoments(
  c: Case,
  g: SpikeGeometry,
  out: Float32Array,
  moments: Float32Array,
  message: string,
): void {
  const pixels = c.images * c.outH * c.outW
  const perGroup = Math.ceil(pixels / g.momentPixels)
  for (let slot = 0; slot < g.momentSlots; slot++) {
    const firstStep = 4 * Math.floor(slot / perGroup)
    const firstPixel = (slot % perGroup) * g.momentPixels
    const lastPixel = Math.min(pixels, firstPixel + g.momentPixels)
    const steps = Math.min(4, c.timeSteps - firstStep)
    for (let n = 0; n < c.outC; n++) {
      const [rows, base, sum, squares] = [0, 1, 2, 3].map(
        (row) => moments[(slot * 4 + row) * c.outC + n]!,
      )
      const first = out[(firstPixel * c.timeSteps + firstStep) * c.outC + n]
      let [wantSum, wantSquares, size] = [0, 0, 0]
      for (let pixel = firstPixel; pixel < lastPixel; pixel++)
        for (let t = firstStep; t < firstStep + steps; t++) {
          const d = out[(pixel * c.timeSteps + t) * c.outC + n]! - first!
          wantSum += d
          size += Math.abs(d)
          wantSquares += d * d
        }
      assert.is(
        rows,
        (lastPixel - firstPixel) * steps,
        `rows of slot ${slot} channel ${n}, ${message}`,
      )
      assert.is(base, first, `row of slot ${slot} channel ${n}, ${message}`)
      assert.ok(
        Math.abs(sum! - wantSum) <= 1e-5 * size,
        `sum of slot ${slot} channel ${n}: ${sum}, ${wantSum}, ${message}`,
      )
      assert.ok(
        Math.abs(squares! - wantSquares) <= 1e-5 * wantSquares,
        `squares of slot ${slot} channel ${n}, ${message}`,
      )
    }
  }
}

/** Runs both operations for every group and compares them with the naive loop. */
function checkCase(
  variant: Variant,
  c: Case,
  seed: number,
  geometry: Partial<SpikeGeometry> = {},
): void {
  if (!isFor(variant, seed)) return
  const message = `seed ${seed} ${variant} ${JSON.stringify({ ...c, ...geometry })}`
  const random = testRandom(seed)
  const engine = new TestEngine(variant, 400)
  const g = { ...spikeGeometry(c), ...geometry }
  const pixels = c.images * c.outH * c.outW
  const planeBytes = c.images * c.sourceH * c.sourceW * c.inC
  const planes = Math.ceil(c.timeSteps / 8)
  // Bits of steps that do not exist are set as well: they must be cut off.
  const sources = Array.from({ length: c.sourceCount }, () =>
    Uint8Array.from({ length: planes * planeBytes }, () =>
      random() < c.active ? (c.active === 1 ? 255 : Math.floor(random() * 256)) : 0,
    ),
  )
  // Multiples of 1/4 in a small range: sums are exact in any order, and a wrong row cannot hide in
  // a tolerance.
  const value = (): number => Math.floor(random() * 65 - 32) / 4
  const K = c.kernelH * c.kernelW * c.inC
  const kRows = Math.ceil((K + 1) / 4) * 4
  const weight = new Float32Array(kRows * c.outC)
  const weightAt = (k: number, n: number): number =>
    (Math.floor(n / c.blockWidth) * kRows + k) * c.blockWidth + (n % c.blockWidth)
  for (let k = 0; k < K; k++) for (let n = 0; n < c.outC; n++) weight[weightAt(k, n)] = value()
  const bias = Float32Array.from({ length: c.outC }, value)

  const table = new Int32Array(2 * c.sourceCount)
  for (const [i, masks] of sources.entries()) table[2 * i] = engine.putBytes(masks)
  const out = engine.alloc(pixels * c.timeSteps * c.outC * 4)
  const lists = engine.alloc(g.listsBytes)
  const pointers = engine.alloc(g.listPointersBytes)
  const moments = engine.alloc(g.momentSlots * 4 * c.outC * 4)
  const { listBytes, pairLists, weightedLists, rowsPerUnit, blocksPerUnit, pixelsPerUnit } = g
  const listing = {
    ...sizesOf(spikeLists, c, c.timeSteps),
    sources: engine.putInts(table),
    sourceCount: c.sourceCount,
    planeBytes,
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
  }
  const summing = {
    ...sizesOf(spikeConv, c, c.timeSteps),
    weight: engine.putFloats(weight),
    bias: c.bias ? engine.putFloats(bias) : undefined,
    scale: c.scale,
    pairLists,
    weightedLists,
    blocksPerUnit,
    moments: seed % 3 === 0 ? undefined : moments,
  }
  const shared = { lists, listPointers: pointers }
  const listScratch = engine.alloc(scratchOf(spikeLists, { ...listing, ...shared, group: 0 }))
  const convScratch = engine.alloc(17 * 4 * c.blockWidth * blocksPerUnit)
  for (let group = 0; group < Math.ceil(c.timeSteps / 4); group++) {
    engine.run(
      putRecord(engine, spikeLists, g.listUnits, { ...listing, ...shared, group }),
      listScratch,
    )
    checkLists(engine, c, g, sources, group, pointers, lists, message)
    const { momentPixels } = g
    const sums = { ...summing, ...shared, group, out, pixelsPerUnit, momentPixels }
    engine.run(putRecord(engine, spikeConv, g.convUnits, sums), convScratch)
  }
  engine.checkGuards(message)

  const got = engine.floats(out, pixels * c.timeSteps * c.outC)
  if (seed % 3 !== 0)
    checkMoments(c, g, got, engine.floats(moments, g.momentSlots * 4 * c.outC), message)
  checkRowWise(engine, c, g, { ...listing, ...summing }, got, message)
  const want = new Float64Array(c.timeSteps * c.outC)
  for (let pixel = 0; pixel < pixels; pixel++) {
    want.fill(0)
    visitField(c, sources, pixel, (k, mask) => {
      for (let t = 0; t < c.timeSteps; t++)
        if ((mask >> t) & 1)
          for (let n = 0; n < c.outC; n++) want[t * c.outC + n] += weight[weightAt(k, n)]
    })
    for (const [i, sum] of want.entries())
      assert.is(
        got[pixel * want.length + i],
        Math.fround(sum * c.scale + (c.bias ? bias[i % c.outC] : 0)),
        `pixel ${pixel} t·N + n ${i}, ${message}`,
      )
  }
}

/** The same by Op.SpikeForward, bit for bit; moments of slots that divide its units. */
function checkRowWise(
  engine: TestEngine,
  c: Case,
  g: SpikeGeometry,
  fields: RowFields,
  expected: Float32Array,
  message: string,
): void {
  const pixels = c.images * c.outH * c.outW
  const out = engine.alloc(expected.length * 4)
  const momentPixels = [4, 3, 2, 1].find((size) => (g.rowsPerUnit * c.outW) % size === 0)!
  const momentSlots = Math.ceil(c.timeSteps / 4) * Math.ceil(pixels / momentPixels)
  const moments = engine.alloc(momentSlots * 4 * c.outC * 4)
  const scratchBytes = scratchOf(spikeForward, { ...fields, group: 0, out })
  const scratch = engine.alloc(scratchBytes)
  for (let group = 0; group < Math.ceil(c.timeSteps / 4); group++)
    engine.run(
      putRecord(engine, spikeForward, g.listUnits, {
        ...fields,
        group,
        out,
        moments: fields.moments && moments,
        momentPixels,
      }),
      scratch,
    )
  engine.checkGuards(`by rows, ${message}`)
  // Lists seldom need all of their room, so that guard bytes alone would not show an error in the
  // layout of the scratch.
  const lists = engine.exports.listScratch(
    putRecord(engine, spikeForward, 1, { ...fields, group: 0, out, momentPixels }),
  )
  const sums = Math.ceil((17 * 4 * c.blockWidth * g.blocksPerUnit) / 64) * 64
  const rows = g.rowsPerUnit * c.outW * (64 + g.listBytes)
  assert.is(scratchBytes, lists + sums + rows, `scratch by rows, ${message}`)
  assert.equal(engine.floats(out, expected.length), expected, `by rows, ${message}`)
  if (fields.moments)
    checkMoments(
      c,
      { ...g, momentPixels, momentSlots },
      expected,
      engine.floats(moments, momentSlots * 4 * c.outC),
      `by rows, ${message}`,
    )
}

for (const variant of variants) {
  test(`spikes ${variant} kernels, strides and paddings`, () => {
    let seed = 100
    for (const kernel of [1, 2, 3, 4, 5])
      for (const stride of [1, 2, 3])
        for (const pad of [0, 1, 2])
          checkCase(
            variant,
            makeCase({
              kernelH: kernel,
              kernelW: kernel,
              strideH: stride,
              strideW: stride,
              padH: pad,
              padW: pad,
            }),
            seed++,
          )
  })

  test(`spikes ${variant} kernels that are not square`, () => {
    checkCase(
      variant,
      makeCase({ kernelH: 1, kernelW: 4, strideH: 2, strideW: 1, padH: 0, padW: 2 }),
      151,
    )
    checkCase(
      variant,
      makeCase({ kernelH: 5, kernelW: 2, strideH: 1, strideW: 3, padH: 2, padW: 0 }),
      152,
    )
  })

  test(`spikes ${variant} T = 1 … 16, every group`, () => {
    for (let T = 1; T <= 16; T++)
      for (const pairLists of [true, false])
        checkCase(
          variant,
          makeCase({ timeSteps: T, inH: 4, inW: 3, images: 1, inC: pairLists ? 12 : 48 }),
          200 + T,
        )
  })

  test(`spikes ${variant} input channels and widths of blocks`, () => {
    let seed = 300
    for (const inC of [4, 8, 12, 16, 20, 32, 48, 64, 84, 132])
      for (const blockWidth of [4, 8, 16, 32])
        for (const blocks of [1, 3])
          checkCase(
            variant,
            makeCase({ inC, blockWidth, outC: blocks * blockWidth, inH: 3, inW: 4 }),
            seed++,
          )
  })

  test(`spikes ${variant} linear layers`, () => {
    checkCase(variant, linear({ inH: 1, inW: 1, inC: 36, outC: 12, blockWidth: 4, images: 7 }), 401)
    checkCase(
      variant,
      linear({ inH: 7, inW: 7, inC: 32, outC: 32, blockWidth: 32, images: 5 }),
      402,
    )
    checkCase(
      variant,
      linear({ inH: 3, inW: 5, inC: 20, outC: 16, blockWidth: 8, images: 70, timeSteps: 2 }),
      403,
    )
  })

  test(`spikes ${variant} the longest field that 16 bits can number`, () => {
    const c = linear({ inH: 2, inW: 3, inC: 10920, outC: 4, blockWidth: 4, images: 1, active: 0.2 })
    assert.ok(spikeListsFit(c))
    // 65,534 rows and the zero row.
    const point = { ...c, kernelH: 1, kernelW: 1 }
    assert.ok(spikeListsFit({ ...point, inC: 65534 }))
    assert.not.ok(spikeListsFit({ ...point, inC: 65535 }))
    assert.not.ok(spikeListsFit({ ...c, inC: 10924 }))
    checkCase(variant, c, 451)
  })

  test(`spikes ${variant} pooling and sums of sources`, () => {
    let seed = 500
    const half = { poolKernelH: 2, poolKernelW: 2, poolStrideH: 2, poolStrideW: 2, scale: 0.25 }
    const overlapping = { poolKernelH: 3, poolKernelW: 3, poolStrideH: 2, poolStrideW: 2 }
    const padded = { ...overlapping, poolPadH: 1, poolPadW: 1 }
    const uneven = {
      poolKernelH: 1,
      poolKernelW: 3,
      poolStrideH: 2,
      poolStrideW: 1,
      poolPadH: 0,
      poolPadW: 1,
      scale: 0.5,
    }
    for (const pool of [half, overlapping, padded, uneven, {}])
      for (const sourceCount of [1, 2, 3])
        for (const inC of [4, 12, 32])
          checkCase(
            variant,
            makeCase({ ...pool, sourceCount, inC, inH: 3, inW: 4, timeSteps: 5 }),
            seed++,
          )
    checkCase(variant, linear({ ...half, inH: 3, inW: 3, inC: 8, sourceCount: 2 }), seed)
  })

  test(`spikes ${variant} sums of up to 255 spikes are weighted, of more are plain`, () => {
    const wide = { inH: 1, inW: 1, inC: 4, outC: 4, blockWidth: 4, images: 1, timeSteps: 6 }
    const window = (h: number, w: number) => ({
      poolKernelH: h,
      poolKernelW: w,
      poolStrideH: h,
      poolStrideW: w,
    })
    for (const active of [1, 0.6]) {
      const largest = linear({ ...wide, ...window(17, 15), active })
      assert.ok(spikeGeometry(largest).weightedLists)
      checkCase(variant, largest, 561)
      const larger = linear({ ...wide, ...window(16, 16), active })
      assert.not.ok(spikeGeometry(larger).weightedLists)
      checkCase(variant, larger, 562)
    }
    assert.not.ok(spikeGeometry(makeCase({})).weightedLists)
  })

  test(`spikes ${variant} weighted lists: 7 and 15, blocks of every width`, () => {
    let seed = 570
    for (const pairLists of [true, false])
      for (const blockWidth of [4, 8, 16, 32])
        for (const inC of [4, 20, 32]) {
          const c = makeCase({
            sourceCount: 3,
            poolKernelW: 2,
            poolStrideW: 2,
            inC,
            blockWidth,
            outC: 2 * blockWidth,
            timeSteps: 1 + (seed % 9),
          })
          checkCase(variant, c, seed++, { pairLists })
        }
  })

  test(`spikes ${variant} all silent, all firing`, () => {
    for (const active of [0, 1])
      for (const options of [
        { inC: 12 },
        { inC: 48 },
        { inC: 4, sourceCount: 3, timeSteps: 7 },
        { inC: 20, bias: false, scale: 0.5 },
      ])
        checkCase(variant, makeCase({ ...options, active }), 600)
  })

  test(`spikes ${variant} random shapes and units`, () => {
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
        scale: 2 ** -upTo(2),
      })
      const rowsPerUnit = upTo(c.images * c.outH)
      const pixels = c.images * c.outH * c.outW
      const momentPixels = upTo(Math.min(6, pixels))
      const pixelsPerUnit = Math.min(pixels, momentPixels * upTo(Math.ceil(pixels / momentPixels)))
      const blocksPerUnit = upTo(3)
      checkCase(variant, c, seed, {
        rowsPerUnit,
        listUnits: Math.ceil((c.images * c.outH) / rowsPerUnit),
        pixelsPerUnit,
        momentPixels,
        momentSlots: Math.ceil(c.timeSteps / 4) * Math.ceil(pixels / momentPixels),
        blocksPerUnit,
        convUnits:
          Math.ceil(pixels / pixelsPerUnit) * Math.ceil(c.outC / c.blockWidth / blocksPerUnit),
      })
    }
  })
}

test('spikeGeometry: units of whole slots of moments', () => {
  for (const [images, inH] of [
    [1, 3],
    [7, 5],
    [3, 14],
    [16, 32],
    [33, 19],
  ] as const) {
    const c = makeCase({ images, inH, inW: inH })
    const { pixelsPerUnit, momentPixels, momentSlots, convUnits } = spikeGeometry(c)
    const pixels = images * inH * inH
    assert.ok(
      momentPixels <= 64 && (pixelsPerUnit % momentPixels === 0 || convUnits === 1),
      JSON.stringify(c),
    )
    assert.is(momentSlots, Math.ceil(pixels / momentPixels))
  }
})

test('spikeForwardGeometry: whole slots of moments, and only where the weight is small and the units are many', () => {
  const shape = (options: Partial<Case>): Case =>
    makeCase({ images: 16, inH: 32, inW: 32, inC: 64, outC: 64, blockWidth: 32, ...options })
  for (const [images, inH, inW] of [
    [16, 32, 32],
    [64, 14, 14],
    [5, 17, 23],
    [9, 40, 96],
  ] as const) {
    const geometry = spikeForwardGeometry(shape({ images, inH, inW }))
    assert.ok(geometry, `${images} ${inH} ${inW}`)
    assert.ok(
      geometry.momentPixels <= 64 && (geometry.rowsPerUnit * inW) % geometry.momentPixels === 0,
    )
    assert.ok(
      geometry.units * geometry.rowsPerUnit >= images * inH &&
        (geometry.units - 1) * geometry.rowsPerUnit < images * inH,
    )
    assert.is(geometry.momentSlots, Math.ceil((images * inH * inW) / geometry.momentPixels))
  }
  for (const images of [16, 32, 64, 96])
    for (const inH of [7, 11, 13, 14, 16])
      assert.ok(spikeForwardGeometry(shape({ images, inH, inW: inH })))
  const rows = [64, 256, 1024].map(
    (images) =>
      spikeForwardGeometry(shape({ images, poolKernelH: 2, poolKernelW: 2 }))!.rowsPerUnit,
  )
  assert.ok(
    rows[0]! < 16 && rows[1] === rows[0] && rows[2] === rows[0],
    `does not grow with the batch: ${rows}`,
  )
  assert.not.ok(spikeForwardGeometry(shape({ inC: 256, outC: 256 })), 'a large weight')
  assert.not.ok(spikeForwardGeometry(shape({ images: 1 })), 'few rows')
  assert.not.ok(spikeForwardGeometry(shape({ images: 9, inW: 97 })), 'no slots of moments')
})

test('spikeGeometry: a large layer has enough units for 16 workers, a small one no empty ones', () => {
  const large = spikeGeometry(
    makeCase({ images: 16, inH: 32, inW: 32, inC: 64, outC: 64, blockWidth: 32 }),
  )
  assert.ok(large.listUnits >= 32 && large.convUnits >= 64, JSON.stringify(large))
  const small = spikeGeometry(linear({ inH: 1, inW: 1, inC: 4, outC: 4, blockWidth: 4, images: 1 }))
  assert.is(small.listUnits, 1)
  assert.is(small.convUnits, 1)
})

test.run()
