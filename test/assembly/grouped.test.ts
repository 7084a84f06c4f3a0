/**
 * Convolutions by groups against sums in float64. Values are small integers, whose sums float32
 * holds exactly: results must be equal, whatever the order of the sums. Memory and scratch have
 * exactly the documented sizes and start as NaN.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  groupedExpand,
  groupedExtract,
  groupedForward,
  groupedInputGradient,
  groupedSpikes,
  groupedTranspose,
  groupedWeightGradient,
} from '../../src/plan/records/grouped.js'
import type { RecordKind } from '../../src/plan/records/schema.js'
import { type Fields, f32, isFor, TestEngine, testRandom, variants } from '../support/engine.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 80
const NAN = 0xff

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))
const one = <V>(random: Random, values: readonly V[]): V =>
  values[integer(random, 0, values.length - 1)]
const up = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple

interface Shape {
  images: number
  T: number
  /** Whether In is the same at every step of a call. */
  fixed: boolean
  /** Steps of a loop outside that In holds, and the one that runs. */
  loops: number
  t: number
  indirect: boolean
  inH: number
  inW: number
  /** Channels as stored: at least groups·groupIn, groups·groupOut. */
  inC: number
  outH: number
  outW: number
  outC: number
  kernelH: number
  kernelW: number
  strideH: number
  strideW: number
  padH: number
  padW: number
  groups: number
  groupIn: number
  groupOut: number
  depthwise: boolean
  bias: boolean
  rowsPerUnit: number
  splits: number
  accumulate: boolean
  rate: number
}

const taps = (s: Shape): number => s.kernelH * s.kernelW
const outRows = (s: Shape): number => s.images * s.outH * s.outW * s.T
const inputSteps = (s: Shape): number => (s.fixed ? 1 : s.T)
const inFloats = (s: Shape): number => s.images * s.inH * s.inW * s.loops * inputSteps(s) * s.inC
const weightFloats = (s: Shape): number =>
  s.depthwise ? taps(s) * s.outC : s.groups * taps(s) * s.groupIn * up(s.groupOut, 4)
/** Place of the weight from channel c to channel n of a group. */
const weightIndex = (s: Shape, g: number, tap: number, c: number, n: number): number =>
  s.depthwise ? tap * s.outC + g : ((g * taps(s) + tap) * s.groupIn + c) * up(s.groupOut, 4) + n

function makeShape(random: Random, seed: number): Shape {
  for (;;) {
    const depthwise = seed % 3 === 0
    const groups = depthwise ? integer(random, 1, 40) : integer(random, 1, 7)
    const [groupIn, groupOut] = depthwise
      ? [1, 1]
      : [one(random, [1, 2, 3, 4, 5, 8]), one(random, [1, 2, 3, 4, 6, 8, 9, 16])]
    const [inH, inW] = [integer(random, 1, 11), integer(random, 1, 11)]
    const [kernelH, kernelW] = [integer(random, 1, 5), integer(random, 1, 5)]
    const [strideH, strideW] = [integer(random, 1, 3), integer(random, 1, 3)]
    const [padH, padW] = [integer(random, 0, 2), integer(random, 0, 2)]
    const loops = one(random, [1, 1, 3])
    const width = one(random, [4, 8])
    const padded = up(groups, groups > 4 ? width : 4)
    const shape: Shape = {
      images: integer(random, 1, 3),
      // Nine steps have two planes of masks.
      T: random() < 0.2 ? 9 : integer(random, 1, 8),
      fixed: random() < 0.2,
      loops,
      t: integer(random, 0, loops - 1),
      indirect: random() < 0.5,
      inH,
      inW,
      inC: depthwise ? padded : groups * groupIn + one(random, [0, 0, 1, 5]),
      outH: Math.floor((inH + 2 * padH - kernelH) / strideH) + 1,
      outW: Math.floor((inW + 2 * padW - kernelW) / strideW) + 1,
      outC: depthwise ? padded : up(groups * groupOut, 4) + one(random, [0, 0, 4, 8]),
      kernelH,
      kernelW,
      strideH,
      strideW,
      padH,
      padW,
      groups,
      groupIn,
      groupOut,
      depthwise,
      bias: random() < 0.5,
      rowsPerUnit: integer(random, 1, 5),
      splits: one(random, [1, 1, 2, 3, 7]),
      accumulate: random() < 0.3,
      rate: one(random, [0.05, 0.2, 0.5]),
    }
    if (shape.outH > 0 && shape.outW > 0) return shape
  }
}

const describe = (s: Shape): string =>
  `${s.images}×${s.inH}×${s.inW}×${s.inC} → ${s.outH}×${s.outW}×${s.outC} kernel ` +
  `${s.kernelH}×${s.kernelW}` +
  ` groups ${s.groups} of ${s.groupIn} → ${s.groupOut}${s.depthwise ? ' depthwise' : ''} T=${s.T}`

interface Data {
  input: Float32Array
  masks: Uint8Array
  weight: Float32Array
  bias: Float32Array
  delta: Float32Array
  before: Float32Array
}

/** Padded channels hold zeros, as everywhere; integers, or fractions. */
function makeData(s: Shape, random: Random, fractions: boolean): Data {
  const value = (size: number): number =>
    fractions ? (random() - 0.5) * size : integer(random, -size, size)
  const values = (length: number, stored: number, real: number, size: number) =>
    Float32Array.from({ length }, (_, i) => (i % stored < real ? value(size) : 0))
  const [realIn, realOut] = [s.groups * s.groupIn, s.groups * s.groupOut]
  const weight = new Float32Array(weightFloats(s))
  for (let g = 0; g < s.groups; g++)
    for (let tap = 0; tap < taps(s); tap++)
      for (let c = 0; c < s.groupIn; c++)
        for (let n = 0; n < s.groupOut; n++) weight[weightIndex(s, g, tap, c, n)] = value(4)
  const plane = s.images * s.inH * s.inW * s.inC
  const masks = new Uint8Array(Math.ceil(s.T / 8) * plane)
  for (let step = 0; step < s.T; step++)
    for (let i = 0; i < plane; i++)
      if (i % s.inC < realIn && random() < s.rate) masks[(step >> 3) * plane + i] |= 1 << (step & 7)
  return {
    input: values(inFloats(s), s.inC, realIn, 4),
    masks,
    weight,
    bias: values(s.outC, s.outC, realOut, 9),
    delta: values(outRows(s) * s.outC, s.outC, realOut, 4),
    before: weight.map((w) => (w === 0 ? 0 : value(9))),
  }
}

/**
 * Calls back for every product: element of Out, place in In, element of the gradient of In, spike
 * (or 0), place of the weight.
 */
function eachProduct(
  s: Shape,
  { masks }: Data,
  visit: (out: number, input: number, gradient: number, spike: number, weight: number) => void,
): void {
  const steps = inputSteps(s)
  const plane = s.images * s.inH * s.inW * s.inC
  for (let b = 0; b < s.images; b++)
    for (let oy = 0; oy < s.outH; oy++)
      for (let ox = 0; ox < s.outW; ox++)
        for (let tap = 0; tap < taps(s); tap++) {
          const y = oy * s.strideH - s.padH + Math.floor(tap / s.kernelW)
          const x = ox * s.strideW - s.padW + (tap % s.kernelW)
          if (y < 0 || y >= s.inH || x < 0 || x >= s.inW) continue
          const pixel = (b * s.inH + y) * s.inW + x
          for (let step = 0; step < s.T; step++) {
            const from = ((pixel * s.loops + s.t) * steps + (s.fixed ? 0 : step)) * s.inC
            const to = (((b * s.outH + oy) * s.outW + ox) * s.T + step) * s.outC
            for (let g = 0; g < s.groups; g++)
              for (let c = g * s.groupIn; c < (g + 1) * s.groupIn; c++) {
                const mask = masks[(step >> 3) * plane + pixel * s.inC + c]
                for (let n = g * s.groupOut; n < (g + 1) * s.groupOut; n++)
                  visit(
                    to + n,
                    from + c,
                    (pixel * s.T + step) * s.inC + c,
                    (mask >> (step & 7)) & 1,
                    weightIndex(s, g, tap, c - g * s.groupIn, n - g * s.groupOut),
                  )
              }
          }
        }
}

const startOf = (s: Shape, { bias }: Data): Float64Array =>
  Float64Array.from({ length: outRows(s) * s.outC }, (_, i) => (s.bias ? bias[i % s.outC] : 0))

function forwardReference(s: Shape, data: Data): Float64Array {
  const out = startOf(s, data)
  eachProduct(s, data, (to, from, _gradient, _spike, w) => {
    out[to] += data.input[from] * data.weight[w]
  })
  return out
}

function spikesReference(s: Shape, data: Data): Float64Array {
  const out = startOf(s, data)
  eachProduct(s, data, (to, _from, _gradient, spike, w) => {
    out[to] += spike * data.weight[w]
  })
  return out
}

function inputGradientReference(s: Shape, data: Data): Float64Array {
  const out = new Float64Array(s.images * s.inH * s.inW * s.T * s.inC)
  eachProduct(s, data, (to, _from, gradient, _spike, w) => {
    out[gradient] += data.delta[to] * data.weight[w]
  })
  return out
}

const GRADIENT_SCALE = 0.5

function weightGradientReference(s: Shape, data: Data): Float64Array {
  const out = Float64Array.from(data.before, (x) => (s.accumulate ? x : 0))
  // Several splits are added by another operation, which does not run here.
  if (s.splits > 1) out.fill(0)
  eachProduct(s, data, (to, from, _gradient, _spike, w) => {
    out[w] += GRADIENT_SCALE * data.input[from] * data.delta[to]
  })
  return out
}

function shapeWords(s: Shape): Fields {
  return {
    images: s.images,
    steps: s.T,
    inH: s.inH,
    inW: s.inW,
    inC: s.inC,
    outH: s.outH,
    outW: s.outW,
    outC: s.outC,
    kernelH: s.kernelH,
    kernelW: s.kernelW,
    strideH: s.strideH,
    strideW: s.strideW,
    padH: s.padH,
    padW: s.padW,
    groups: s.groups,
    groupIn: s.groupIn,
    groupOut: s.groupOut,
    depthwise: s.depthwise ? 1 : 0,
    rowsPerUnit: s.rowsPerUnit,
  }
}

function inputWords(engine: TestEngine, s: Shape, data: Data): Fields {
  const row = s.inC * 4
  const address = engine.putFloats(data.input)
  return {
    in: s.indirect ? engine.putInts([address]) : address,
    inIndirect: s.indirect ? 1 : 0,
    inPixelBytes: s.loops * inputSteps(s) * row,
    inStepBytes: s.fixed ? 0 : row,
    inLoopBytes: s.loops > 1 ? inputSteps(s) * row : 0,
  }
}

type Order = (units: number) => number[]
const ascending: Order = (units) => Array.from({ length: units }, (_, i) => i)
const shuffled =
  (random: Random): Order =>
  (units) => {
    const order = ascending(units)
    for (let i = units - 1; i > 0; i--) {
      const j = integer(random, 0, i)
      ;[order[i], order[j]] = [order[j], order[i]]
    }
    return order
  }

/** Runs every unit of a record with scratch that holds garbage. */
function execute(
  engine: TestEngine,
  kind: RecordKind,
  units: number,
  words: Fields,
  scratchBytes: number,
  order: Order,
  t = 0,
): void {
  const record = engine.recordOf(kind, units, words)
  const scratch = engine.alloc(scratchBytes, NAN)
  for (const unit of order(units)) {
    engine.bytes(scratch, scratchBytes).fill(NAN)
    engine.exports.execute(record, unit, t, scratch)
  }
}

type Run = (engine: TestEngine, s: Shape, data: Data, order: Order) => Float32Array

const putBias = (engine: TestEngine, s: Shape, data: Data): number =>
  s.bias ? engine.putFloats(data.bias) : 0

const runForward: Run = (engine, s, data, order) => {
  const count = outRows(s) * s.outC
  const out = engine.alloc(count * 4, NAN)
  const words = {
    ...shapeWords(s),
    ...inputWords(engine, s, data),
    out,
    weight: engine.putFloats(data.weight),
    bias: putBias(engine, s, data),
  }
  const units = s.images * Math.ceil(s.outH / s.rowsPerUnit)
  execute(engine, groupedForward, units, words, 192 + 8 * taps(s) * s.groupIn, order, s.t)
  return engine.floats(out, count)
}

const runSpikes: Run = (engine, s, data, order) => {
  const count = outRows(s) * s.outC
  const out = engine.alloc(count * 4, NAN)
  const words = {
    ...shapeWords(s),
    masks: engine.putBytes(data.masks),
    planeBytes: s.images * s.inH * s.inW * s.inC,
    out,
    weight: engine.putFloats(data.weight),
    bias: putBias(engine, s, data),
  }
  const units = s.images * Math.ceil(s.outH / s.rowsPerUnit)
  execute(engine, groupedSpikes, units, words, 1216 + 16 * taps(s) * s.groupIn, order)
  return engine.floats(out, count)
}

const runInputGradient: Run = (engine, s, data, order) => {
  const count = s.images * s.inH * s.inW * s.T * s.inC
  const out = engine.alloc(count * 4, NAN)
  const transposed = s.groups * taps(s) * s.groupOut * up(s.groupIn, 4)
  const words = {
    ...shapeWords(s),
    out,
    delta: engine.putFloats(data.delta),
    weight: engine.putFloats(data.weight),
    transposed: s.depthwise ? 0 : engine.alloc(transposed * 4, NAN),
  }
  if (!s.depthwise) execute(engine, groupedTranspose, s.groups, words, 0, order)
  const units = s.images * Math.ceil(s.inH / s.rowsPerUnit)
  execute(engine, groupedInputGradient, units, words, 192 + 8 * taps(s) * s.groupOut, order)
  return engine.floats(out, count)
}

const runWeightGradient: Run = (engine, s, data, order) => {
  const count = weightFloats(s)
  const out = engine.alloc(count * 4, NAN)
  if (s.accumulate) engine.floats(out, count).set(data.before)
  const partial = s.splits > 1 ? engine.alloc(s.splits * count * 4, NAN) : 0
  const words = {
    ...shapeWords(s),
    ...inputWords(engine, s, data),
    out,
    delta: engine.putFloats(data.delta),
    splits: s.splits,
    partial,
    scale: f32(GRADIENT_SCALE),
    accumulate: s.accumulate ? 1 : 0,
  }
  const groups = s.depthwise ? 1 : s.groups
  const scratch = (4 * count) / groups
  execute(engine, groupedWeightGradient, s.splits * groups, words, scratch, order, s.t)
  if (s.splits === 1) return engine.floats(out, count)
  const sums = new Float32Array(count)
  for (let split = 0; split < s.splits; split++)
    engine.floats(partial + split * count * 4, count).forEach((x, i) => {
      sums[i] += x
    })
  return sums
}

/** The weight's floats as of a convolution without groups, and the place of one. */
const WIDTH = 8
const denseRows = (s: Shape): number => up(taps(s) * s.inC + 1, 4)
const denseIndex = (s: Shape, n: number, k: number): number =>
  (Math.floor(n / WIDTH) * denseRows(s) + k) * WIDTH + (n % WIDTH)
const denseFloats = (s: Shape): number => up(s.outC, WIDTH) * denseRows(s)

/** Calls back with each place of the weight in both layouts. */
function eachWeight(s: Shape, visit: (grouped: number, dense: number) => void): void {
  for (let g = 0; g < s.groups; g++)
    for (let tap = 0; tap < taps(s); tap++)
      for (let c = 0; c < s.groupIn; c++)
        for (let n = 0; n < s.groupOut; n++)
          visit(
            weightIndex(s, g, tap, c, n),
            denseIndex(s, g * s.groupOut + n, tap * s.inC + g * s.groupIn + c),
          )
}

const denseWords = (s: Shape): Fields => ({
  ...shapeWords(s),
  blockWidth: WIDTH,
  kRows: denseRows(s),
})

const runExpand: Run = (engine, s, data, order) => {
  const dense = engine.alloc(denseFloats(s) * 4, NAN)
  const words = {
    ...denseWords(s),
    weight: engine.putFloats(data.weight),
    dense,
  }
  execute(engine, groupedExpand, up(s.outC, WIDTH) / WIDTH, words, 0, order)
  return engine.floats(dense, denseFloats(s))
}

function expandReference(s: Shape, { weight }: Data): Float64Array {
  const dense = new Float64Array(denseFloats(s))
  eachWeight(s, (from, to) => {
    dense[to] = weight[from]
  })
  return dense
}

/** A gradient without groups: numbers everywhere, also between the groups. */
const denseGradient = (s: Shape): Float32Array =>
  Float32Array.from({ length: denseFloats(s) }, (_, i) => ((i * 7) % 23) - 11)

const runExtract: Run = (engine, s, data, order) => {
  const count = weightFloats(s)
  const out = engine.alloc(count * 4, NAN)
  if (s.accumulate) engine.floats(out, count).set(data.before)
  const words = {
    ...denseWords(s),
    dense: engine.putFloats(denseGradient(s)),
    out,
    accumulate: s.accumulate ? 1 : 0,
  }
  execute(engine, groupedExtract, s.groups, words, 0, order)
  return engine.floats(out, count)
}

function extractReference(s: Shape, { before }: Data): Float64Array {
  const out = Float64Array.from(before, (x) => (s.accumulate ? x : 0))
  const dense = denseGradient(s)
  eachWeight(s, (to, from) => {
    out[to] += dense[from]
  })
  return out
}

const kernels: {
  name: string
  run: Run
  reference: (s: Shape, data: Data) => Float64Array
  /** What the kernel's callers never ask for. */
  adapt?: (s: Shape) => Shape
}[] = [
  { name: 'groupedForward', run: runForward, reference: forwardReference },
  { name: 'groupedSpikes', run: runSpikes, reference: spikesReference },
  {
    name: 'groupedInputGradient',
    run: runInputGradient,
    reference: inputGradientReference,
    adapt: (s) => ({ ...s, inC: up(s.inC, 4) }),
  },
  { name: 'groupedWeightGradient', run: runWeightGradient, reference: weightGradientReference },
  {
    name: 'groupedExpand',
    run: runExpand,
    reference: expandReference,
    adapt: (s) => ({ ...s, depthwise: false }),
  },
  {
    name: 'groupedExtract',
    run: runExtract,
    reference: extractReference,
    adapt: (s) => ({ ...s, depthwise: false }),
  },
]

for (const variant of variants) {
  const engine = new TestEngine(variant)
  for (const { name, run, reference, adapt = (s: Shape) => s } of kernels) {
    for (let seed = base; seed < base + CASES; seed++) {
      if (!isFor(variant, seed)) continue
      const random = testRandom(seed * 7919 + name.length)
      const shape = adapt(makeShape(random, seed))
      test(`${variant} ${name} ${describe(shape)} equals the sum in float64 (seed ${seed})`, () => {
        engine.reset()
        const data = makeData(shape, random, false)
        const result = Float64Array.from(run(engine, shape, data, shuffled(random)))
        const expected = reference(shape, data)
        assert.is(result.length, expected.length)
        for (let i = 0; i < expected.length; i++)
          if (!(result[i] === expected[i]))
            assert.unreachable(`element ${i} is ${result[i]}, not ${expected[i]}`)
        engine.checkGuards()
      })
    }
    test(`${variant} ${name} gives the same bits in any order of units`, () => {
      for (let seed = base; seed < base + 10; seed++) {
        const random = testRandom(seed * 104729 + name.length)
        const shape = adapt(makeShape(random, seed))
        const data = makeData(shape, random, true)
        engine.reset()
        const forth = run(engine, shape, data, ascending).slice()
        engine.reset()
        const back = run(engine, shape, data, (units) => ascending(units).reverse())
        assert.equal(back.slice(), forth, describe(shape))
      }
    })
  }
  test(`${variant} spikes give the bits of floats`, () => {
    for (let seed = base; seed < base + 20; seed++) {
      const random = testRandom(seed * 1299709)
      const shape = { ...makeShape(random, seed), fixed: false, loops: 1, t: 0 }
      const data = makeData(shape, random, true)
      const plane = data.masks.length / Math.ceil(shape.T / 8)
      for (let i = 0; i < data.input.length; i++) {
        const channel = i % shape.inC
        const step = Math.floor(i / shape.inC) % shape.T
        const pixel = Math.floor(i / (shape.inC * shape.T))
        const mask = data.masks[(step >> 3) * plane + pixel * shape.inC + channel]
        data.input[i] = (mask >> (step & 7)) & 1
      }
      engine.reset()
      const floats = runForward(engine, shape, data, ascending).slice()
      engine.reset()
      assert.equal(runSpikes(engine, shape, data, ascending).slice(), floats, describe(shape))
    }
  })
}

test.run()
