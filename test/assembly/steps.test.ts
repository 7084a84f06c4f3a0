/** Adam, norms, clipping and blends against float64, over random shapes, tails included. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, StepGroup, StepNumbers } from '../../assembly/opcodes.js'
import {
  adam,
  blend,
  clipFinish,
  squaredNorm,
  stepStart,
} from '../../src/plan/records/optimizer.js'
import { f32, TestEngine, testRandom, variants } from '../support/engine.js'

function close(actual: number, expected: number, tolerance: number, message: string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${message}: got ${actual}, expected ${expected}`)
}

const nonFinite = (engine: TestEngine): number => engine.ints(Control.NonFinite, 1)[0]

/** Floats of a record, and of its units; the last unit is often short. */
function sizes(random: () => number): { count: number; perUnit: number; units: number } {
  const count = 16 * (1 + Math.floor(random() * 12))
  const perUnit = 4 * (1 + Math.floor(random() * 24))
  return { count, perUnit, units: Math.ceil(count / perUnit) }
}

for (const variant of variants)
  test(`${variant} adam and adamW follow PyTorch's rule over random shapes`, () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = testRandom(seed * 3571)
      const engine = new TestEngine(variant, 2)
      const { count, perUnit, units } = sizes(random)
      const values = (): number[] =>
        Array.from({ length: count }, () => Math.fround(random() - 0.5))
      const decoupled = seed % 2 === 0
      const [beta1, beta2] = [0.8 + 0.15 * random(), 0.9 + 0.099 * random()]
      const [eps, decay] = [Math.fround(1e-8), Math.fround(random() < 0.3 ? 0 : 0.1 * random())]
      const p = values()
      const [m, v] = [0, 0].map((zero) => new Array<number>(count).fill(zero))
      const [parameters, means, squares] = [p, m, v].map((a) => engine.putFloats(a))
      const gradients = engine.alloc(count * 4)
      const numbers = engine.alloc(StepNumbers.Bytes, 0)
      const group = engine.alloc(StepGroup.Bytes, 0)
      const view = new DataView(engine.memory.buffer)
      view.setFloat64(numbers + StepNumbers.Power1, 1, true)
      view.setFloat64(numbers + StepNumbers.Power2, 1, true)
      view.setFloat64(group + StepGroup.Beta1, beta1, true)
      view.setFloat64(group + StepGroup.Beta2, beta2, true)
      view.setFloat32(group + StepGroup.Decay, decay, true)
      view.setFloat32(group + StepGroup.Eps, eps, true)
      view.setUint32(group + StepGroup.Decoupled, Number(decoupled), true)
      const start = engine.record(stepStart, 1, {
        numbers,
        group,
      })
      const record = engine.record(adam, units, {
        parameters,
        gradients,
        means,
        squares,
        count,
        perUnit,
        numbers,
        group,
      })
      engine.writeWords(0, { [Control.Loss / 4]: f32(0), [Control.NonFinite / 4]: 0 })
      for (let step = 1; step <= 4; step++) {
        const rate = Math.fround(0.01 + 0.1 * random())
        view.setFloat32(group + StepGroup.Rate, rate, true)
        const given = values()
        engine.floats(gradients, count).set(given)
        engine.run(start, 0)
        engine.run(record, 0)
        for (const [i, raw] of given.entries()) {
          const g = raw + (decoupled ? 0 : decay * p[i])
          if (decoupled) p[i] -= rate * decay * p[i]
          m[i] = beta1 * m[i] + (1 - beta1) * g
          v[i] = beta2 * v[i] + (1 - beta2) * g * g
          const root = Math.sqrt(v[i] / (1 - beta2 ** step)) + eps
          p[i] -= (rate * (m[i] / (1 - beta1 ** step))) / root
          const where = `seed ${seed} step ${step} of ${i}`
          close(engine.floats(parameters, count)[i], p[i], 3e-6, `parameter, ${where}`)
          close(engine.floats(means, count)[i], m[i], 1e-6, `mean, ${where}`)
          close(engine.floats(squares, count)[i], v[i], 1e-6, `square, ${where}`)
        }
      }
      assert.is(nonFinite(engine), 0)
      // Only what would not be finite stays as it is, and is told.
      const all = [parameters, means, squares]
      const before = all.map((at) => engine.floats(at, count).slice())
      const broken = Math.floor(random() * count)
      engine.floats(gradients, count)[broken] = Number.POSITIVE_INFINITY
      engine.run(record, 0)
      assert.is(nonFinite(engine), 1, `seed ${seed}`)
      for (const [k, at] of all.entries()) {
        const now = engine.floats(at, count)
        assert.is(now[broken], before[k][broken], `seed ${seed} array ${k}`)
        assert.not.equal(now.slice(), before[k], `seed ${seed} array ${k}`)
      }
      // Behind a loss that is not finite nothing changes.
      const last = all.map((at) => engine.floats(at, count).slice())
      const powers = new Uint8Array(engine.memory.buffer, numbers, StepNumbers.Bytes).slice()
      engine.writeWords(0, { [Control.Loss / 4]: f32(Number.NaN) })
      engine.run(start, 0)
      engine.run(record, 0)
      assert.equal(
        all.map((at) => engine.floats(at, count).slice()),
        last,
      )
      assert.equal(engine.bytes(numbers, StepNumbers.Bytes).slice(), powers)
      engine.checkGuards(`seed ${seed}`)
    }
  })

for (const variant of variants)
  test(`${variant} squares add up by unit, and clipping follows PyTorch's clip_grad_norm_`, () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = testRandom(seed * 2749)
      const engine = new TestEngine(variant, 2)
      const { count, perUnit, units } = sizes(random)
      const values = Array.from({ length: count }, () => Math.fround(20 * random() - 10))
      const at = engine.putFloats(values)
      const partial = engine.alloc(units * 8)
      const numbers = engine.alloc(StepNumbers.Bytes, 0)
      const view = new DataView(engine.memory.buffer)
      const norm = Math.hypot(...values)
      // Below the norm, and above it.
      const most = norm * (random() < 0.5 ? random() : 1 + random())
      view.setFloat64(numbers + StepNumbers.ClipNorm, most, true)
      engine.writeWords(0, { [Control.NonFinite / 4]: 0 })
      const sum = engine.record(squaredNorm, units, {
        partial,
        in: at,
        count,
        perUnit,
      })
      const finish = engine.record(clipFinish, 1, {
        numbers,
        partial,
        count: units,
      })
      engine.run(sum, 0)
      engine.run(finish, 0)
      const found = new Float64Array(engine.memory.buffer, partial, units)
      for (const [unit, x] of found.entries()) {
        const part = values.slice(unit * perUnit, (unit + 1) * perUnit)
        close(
          x,
          part.reduce((a, b) => a + b * b, 0),
          1e-13,
          `seed ${seed} unit ${unit}`,
        )
      }
      close(view.getFloat64(numbers + StepNumbers.Norm, true), norm, 1e-13, `seed ${seed} norm`)
      close(view.getFloat32(numbers + StepNumbers.SingleNorm, true), norm, 1e-7, `seed ${seed}`)
      const coefficient = view.getFloat32(numbers + StepNumbers.Coefficient, true)
      close(coefficient, Math.min(1, most / (norm + 1e-6)), 1e-7, `seed ${seed} coefficient`)
      if (most > norm + 1e-6) assert.is(coefficient, 1)
      assert.is(nonFinite(engine), 0)
      // ClipNorm / ∞ is 0, a number.
      const broken = seed % 2 === 0 ? Number.NaN : Number.NEGATIVE_INFINITY
      engine.floats(at, count)[Math.floor(random() * count)] = broken
      engine.run(sum, 0)
      engine.run(finish, 0)
      assert.ok(Number.isNaN(view.getFloat32(numbers + StepNumbers.Coefficient, true)))
      assert.is(nonFinite(engine), 1)
      engine.checkGuards(`seed ${seed}`)
    }
  })

for (const variant of variants)
  test(`${variant} blend keeps and adds its shares over random shapes`, () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = testRandom(seed * 6607)
      const engine = new TestEngine(variant, 2)
      const { count, perUnit, units } = sizes(random)
      const values = (): number[] =>
        Array.from({ length: count }, () => Math.fround(random() - 0.5))
      const kind = (['blend', 'keep 0', 'scale', 'in place'] as const)[seed % 4]
      const [keep, factor] = [random(), random()].map(Math.fround)
      const from = values()
      const before = values()
      const input = engine.putFloats(from)
      const out = kind === 'in place' ? input : engine.putFloats(before)
      // With keep 0 what is there is not read, garbage or not.
      if (kind === 'keep 0') engine.floats(out, count).fill(Number.NaN)
      const record = engine.record(blend, units, {
        out,
        in: input,
        count,
        perUnit,
        factor: engine.putFloats([factor]),
        keep:
          kind === 'blend' || kind === 'keep 0'
            ? engine.putFloats([kind === 'blend' ? keep : 0])
            : 0,
      })
      engine.writeWords(0, { [Control.Loss / 4]: f32(0), [Control.NonFinite / 4]: 0 })
      engine.run(record, 0)
      for (const [i, x] of from.entries()) {
        const kept = kind === 'blend' ? keep * before[i] : 0
        close(engine.floats(out, count)[i], kept + factor * x, 1e-7, `seed ${seed} ${kind} ${i}`)
      }
      assert.is(nonFinite(engine), 0)
      const last = engine.floats(out, count).slice()
      engine.writeWords(0, { [Control.Loss / 4]: f32(Number.POSITIVE_INFINITY) })
      engine.run(record, 0)
      assert.equal(engine.floats(out, count).slice(), last, 'behind a loss that is not finite')
      engine.writeWords(0, { [Control.Loss / 4]: f32(0) })
      engine.floats(input, count)[count - 1] = Number.NEGATIVE_INFINITY
      engine.run(record, 0)
      assert.is(nonFinite(engine), 1, `seed ${seed} ${kind}`)
      engine.checkGuards(`seed ${seed}`)
    }
  })

test.run()
