/** Cells against their definition in float64: forward, through time, by rates, recurrent. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cellKind, cellTypes, parameterNames, recurrentWeight } from '../../src/nn/layers/cell.js'
import { cellLayout } from '../../src/plan/cell.js'
import {
  constantBytes,
  emitCell,
  emitCellBackwardTime,
  emitCellConstants,
  emitLearnGradients,
  emitRecurrentGradient,
  type Places,
} from '../../src/plan/cell-record.js'
import { pack, storedChannels, unpack, vectorLayout } from '../../src/plan/layout.js'
import { noPool } from '../../src/plan/tensors.js'
import type { Buffer } from '../../src/plan/words.js'
import { integer, type Random, randomCell } from '../support/draw/layers.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { EnginePrograms } from '../support/records.js'
import { surrogateDerivative } from '../support/reference.js'
import {
  type CellLayer,
  type CellStep,
  cellBackward,
  cellFactor,
  cellStart,
  cellStep,
} from '../support/reference-cells.js'
import { keysOf, surrogateNames } from '../support/tables.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 40

function near(what: string, got: ArrayLike<number>, expected: ArrayLike<number>, limit = 1e-4) {
  assert.is(got.length, expected.length, what)
  const largest = Array.from(expected).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3)
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - expected[i]) <= limit * largest))
      throw new Error(`${what}, number ${i}: got ${got[i]}, expected ${expected[i]}`)
}

/** A layer, its input and what its definition makes of them. */
interface Case {
  readonly layer: CellLayer
  readonly T: number
  readonly inputs: readonly Float64Array[]
  readonly steps: readonly CellStep[]
}

/** The first from a seed on whose potentials no rounding carries over the threshold. */
function makeCase(random: Random): Case {
  for (;;) {
    const shape = [integer(random, 1, 6), integer(random, 1, 2), integer(random, 1, 3)] as const
    const [batch, T] = [integer(random, 1, 2), integer(random, 1, 10)]
    const learns = random() < 0.6
    const spikes = random() >= 0.15
    const cell = randomCell(random, shape, { learns, spikes, hears: spikes && random() < 0.4 })
    const state = Object.fromEntries(
      (cellKind.parameters?.(cell, shape) ?? []).map((spec) => [
        `cell.${spec.name}`,
        new Float64Array(spec.shape.reduce((a, b) => a * b, 1)).map(() =>
          Math.fround(spec.name === 'v_threshold' ? 0.4 + random() : random() - 0.5),
        ),
      ]),
    )
    const layer: CellLayer = { cell, name: 'cell', shape, batch, state }
    const size = batch * shape[0] * shape[1] * shape[2]
    const draw = (): Float64Array =>
      new Float64Array(size).map(() => Math.fround(2 * random() - 0.5))
    const inputs = Array.from({ length: T }, draw)
    let margin = Number.POSITIVE_INFINITY
    const cells = cellStart(layer)
    const hear = (distance: number): void => {
      margin = Math.min(margin, distance)
    }
    const steps = inputs.map((x) => cellStep(layer, x, cells, hear))
    if (margin > 1e-4) return { layer, T, inputs, steps }
  }
}

/** Steps of [B][C][H][W] as stored, [B][H][W][steps][C']. */
function store(steps: readonly ArrayLike<number>[], { shape: [c, h, w], batch }: CellLayer) {
  const stored = storedChannels(c)
  const out = new Float32Array(batch * h * w * steps.length * stored)
  for (const [t, x] of steps.entries())
    for (let i = 0; i < x.length; i++) {
      const [b, channel, pixel] = [
        Math.floor(i / (c * h * w)),
        Math.floor(i / (h * w)) % c,
        i % (h * w),
      ]
      out[((b * h * w + pixel) * steps.length + t) * stored + channel] = x[i]
    }
  return out
}

/** Numbers of real channels alone: kernels may leave anything in the others. */
const real = (data: ArrayLike<number>, { shape: [c] }: CellLayer): number[] =>
  Array.from(data).filter((_, i) => i % storedChannels(c) < c)

for (const variant of variants)
  test(`cells do what their equations say, there and back (${variant})`, () => {
    const engine = new TestEngine(variant, 64)
    const seen = { recurrent: 0, learned: 0, plain: 0 }
    const [types, surrogates] = [new Set<string>(), new Set<string>()]
    for (let n = 0; n < CASES; n++) {
      engine.reset()
      const random = testRandom(base * 3571 + n)
      const c = makeCase(random)
      run(engine, c, random, `case ${n}, seed ${base}`)
      engine.checkGuards(`case ${n}`)
      types.add(c.layer.cell.type)
      if (c.layer.cell.vThreshold !== null) surrogates.add(c.layer.cell.surrogate)
      if (c.layer.cell.recurrence) seen.recurrent++
      if (c.layer.cell.learn.length > 0) seen.learned++
      if (c.steps.some(({ out }) => out.some((s) => s === 1))) seen.plain++
    }
    assert.ok(Math.min(...Object.values(seen)) >= 4, JSON.stringify(seen))
    assert.equal([...types].sort(), keysOf(cellTypes).sort())
    assert.equal([...surrogates].sort(), [...surrogateNames].sort())
  })

function run(engine: TestEngine, c: Case, random: Random, what: string): void {
  const { layer, T, inputs, steps } = c
  const { cell, shape, batch, state } = layer
  const stored = storedChannels(shape[0])
  const pixels = batch * shape[1] * shape[2]
  const bytes = pixels * stored * 4
  const b = new EnginePrograms(engine)
  const scope = {
    b,
    images: batch,
    callSteps: T,
    context: { images: batch },
    options: { timeSteps: T },
  }
  const specs = cellKind.parameters?.(cell, shape) ?? []
  const layouts = new Map(
    specs.map((spec) => [
      spec.name,
      cellLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1),
    ]),
  )
  const parameters = new Map(
    specs.map(({ name }) => {
      const layout = layouts.get(name)
      if (!layout) throw new Error(name)
      const data = new Float32Array(layout.stored)
      pack(layout, state[`cell.${name}`], data)
      return [name, b.put(name, data)]
    }),
  )
  const places = (of: ReadonlyMap<string, Buffer>): Places =>
    Object.fromEntries(cell.learn.map((key) => [key, of.get(parameterNames[key])]))
  const gradientBuffers = (what: string): ReadonlyMap<string, Buffer> =>
    new Map(
      [...layouts].map(([name, layout]) => [
        name,
        b.put(`${what} ${name}`, new Float32Array(layout.stored)),
      ]),
    )
  const learns = cell.learn.length > 0
  const constants = learns ? b.buffer('constants', constantBytes(cell, shape)) : undefined
  if (constants) emitCellConstants(b, cell, shape, places(parameters), constants)
  const input = { buffer: b.put('input', store(inputs, layer)), steps: T, stored, shape }
  const charge = {
    ...{ cell, shape, stored, constants, input: input as never },
    weight: parameters.get(recurrentWeight(cell)),
    bias: parameters.get('recurrent.bias'),
  }
  const spiking = cell.vThreshold !== null
  const rates = !cell.recurrence
  const [masks, counts] = [
    b.buffer('masks', (Math.ceil(T / 8) * bytes) / 4),
    b.buffer('counts', bytes / 4),
  ]
  const out = b.buffer('out', bytes * T)
  const surrogateOut = b.buffer('surrogate', bytes * T)
  const eligibility = rates ? b.buffer('eligibility', bytes) : undefined
  const traces = rates && learns ? b.buffer('traces', bytes * cell.learn.length) : undefined
  const presynaptic = cell.recurrence ? b.buffer('spikes before', bytes * T) : undefined
  emitCell(scope, {
    ...charge,
    ...{ masks: spiking ? masks : undefined, counts: spiking ? counts : undefined },
    out: spiking ? undefined : out,
    ...{ surrogateOut, eligibility, traces, presynaptic },
  })
  // Of the mean over time, for methods that have one gradient for all steps.
  const size = inputs[0].length
  const ofMean = new Float64Array(size).map(() => Math.fround(random() - 0.5))
  const byRates = gradientBuffers('by rates')
  const delta = b.put('delta', store([ofMean], layer))
  if (traces) emitLearnGradients(scope, charge, traces, delta, places(byRates))
  // And through time.
  const deltas = steps.map(() => new Float64Array(size).map(() => Math.fround(random() - 0.5)))
  const arrives = b.put('arrives', store(deltas, layer))
  const gx = b.buffer('input gradient', bytes * T)
  const derivatives = learns ? b.buffer('derivatives', bytes * cell.learn.length) : undefined
  const [, outH, outW] = shape
  const contribution = { buffer: arrives, steps: T, outH, outW, pool: noPool, scale: 1 }
  emitCellBackwardTime(scope, charge, gx, [contribution], derivatives)
  const throughTime = gradientBuffers('through time')
  if (derivatives) emitLearnGradients(scope, charge, derivatives, undefined, places(throughTime))
  const weightGradient = throughTime.get(recurrentWeight(cell))
  if (presynaptic && weightGradient)
    emitRecurrentGradient(
      scope,
      charge,
      {
        ...{ out: weightGradient, biasOut: throughTime.get('recurrent.bias') },
        ...{ in: presynaptic, delta: gx },
      },
      false,
    )
  b.run()

  const floats = (buffer: Buffer): number[] =>
    real(engine.floats(buffer.address, buffer.bytes / 4), layer)
  const stores = (tensors: readonly ArrayLike<number>[]): number[] =>
    real(store(tensors, layer), layer)
  const slope = (x: number): number => surrogateDerivative(cell, x)
  if (spiking) {
    const size = pixels * stored
    const bits = engine.bytes(masks.address, masks.bytes)
    const trains = Array.from({ length: T }, (_, t) =>
      real(
        Array.from({ length: size }, (_, i) => (bits[(t >> 3) * size + i] >> (t & 7)) & 1),
        layer,
      ),
    )
    for (const [t, { out }] of steps.entries())
      assert.equal(trains[t], stores([out]), `${what}, spikes at ${t}`)
    const sums = trains[0].map((_, i) => trains.reduce((sum, train) => sum + train[i], 0))
    assert.equal(real(engine.bytes(counts.address, size), layer), sums, `${what}, counts`)
  } else near(`${what} potentials`, floats(out), stores(steps.map(({ out }) => out)))
  const factors = steps.map((step) => cellFactor(layer, step, slope))
  near(`${what} surrogate`, floats(surrogateOut), stores(factors))
  if (presynaptic)
    assert.equal(floats(presynaptic), stores(steps.map((s) => s.spikeBefore)), `${what}, before`)
  const sumOf = (list: readonly Float64Array[]): Float64Array =>
    list[0].map((_, i) => list.reduce((sum, x) => sum + x[i], 0))
  const compare = (
    name: string,
    found: ReadonlyMap<string, Buffer>,
    arriving: readonly Float64Array[],
    only: (role: string) => boolean,
  ): Float64Array[] => {
    const expected = Object.fromEntries(
      specs.map((spec) => [
        `cell.${spec.name}`,
        new Float64Array(state[`cell.${spec.name}`].length),
      ]),
    )
    const gradients = cellBackward(layer, steps, arriving, slope, (role, i, value) => {
      expected[role][i] += value
    })
    for (const [role, layout] of layouts) {
      const buffer = found.get(role)
      if (!buffer || !only(role)) continue
      const got = unpack(layout, engine.floats(buffer.address, layout.stored))
      // One number may be a sum that cancels.
      near(`${what} ${name} ${role}`, got, expected[`cell.${role}`], got.length === 1 ? 1e-3 : 1e-4)
    }
    return gradients
  }
  near(`${what} δ`, floats(gx), stores(compare('through time', throughTime, deltas, () => true)))
  if (!eligibility) return
  const ones = inputs.map((x) => x.map(() => 1 / T))
  const derivative = sumOf(compare('none', new Map(), ones, () => false))
  near(`${what} eligibility`, floats(eligibility), stores([derivative]))
  compare(
    'by rates',
    byRates,
    inputs.map(() => ofMean.map((d) => d / T)),
    (role) => !role.startsWith('recurrent'),
  )
}

test.run()
