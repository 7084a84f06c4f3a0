/** Squared error, TET and penalties on rates against float64; gradients by finite differences. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { meanSquaredError, ratePenalty, tet } from '../../src/plan/records/loss.js'
import { f32, TestEngine, testRandom, variants } from '../support/engine.js'

function close(actual: number, expected: number, tolerance: number, message: string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${message}: got ${actual}, expected ${expected}`)
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
const squares = (z: readonly number[], wanted: readonly number[]): number =>
  sum(z.map((x, c) => (x - wanted[c]) ** 2)) / z.length

function entropy(z: readonly number[], label: number): number {
  const highest = Math.max(...z)
  return Math.log(sum(z.map((x) => Math.exp(x - highest)))) + highest - z[label]
}

const slope = (of: (z: readonly number[]) => number, z: readonly number[]): number[] =>
  z.map((x, c) => (of(z.with(c, x + 1e-5)) - of(z.with(c, x - 1e-5))) / 2e-5)

for (const variant of variants)
  test(`${variant} mean squared error and TET equal the reference over random shapes`, () => {
    for (let seed = 1; seed <= 90; seed++) {
      const random = testRandom(seed * 7919)
      const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
      const engine = new TestEngine(variant, 2)
      const [B, T, classes] = [pick(1, 7), pick(1, 6), pick(1, 13)]
      const C = Math.ceil(classes / 4) * 4 + 4 * pick(0, 1)
      const valid = pick(1, B)
      const kind = (['mse', 'values', 'tet'] as const)[seed % 3]
      const [low, high, share] = [0.1, 0.9, 0.05].map((x) => Math.fround(x + random()))
      const m = kind === 'tet' ? share % 1 : 1
      const factor = kind !== 'tet' && random() < 0.5 ? T : 1
      const still = random() < 0.4
      const rows = kind === 'tet' && !still ? T : 1
      const steps = still ? 1 : T
      // Padded classes hold a huge value that must count nowhere.
      const logits = Array.from({ length: B * steps * C }, (_, i) =>
        i % C >= classes ? 1e9 : Math.fround(4 * random() - 2),
      )
      const labels = Array.from({ length: B }, () => pick(0, classes - 1))
      const values = Array.from({ length: B * classes }, () => Math.fround(random()))
      const at = (b: number, t: number): number[] =>
        logits.slice((b * steps + (still ? 0 : t)) * C).slice(0, classes)
      const times = Array.from({ length: T }, (_, t) => t)
      const mean = (b: number): number[] =>
        Array.from({ length: classes }, (_, c) => sum(times.map((t) => at(b, t)[c])) / T)
      const lossAt = (b: number) => (output: readonly number[]) => {
        const z = output.map((x) => x * factor)
        if (kind === 'values') return squares(z, values.slice(b * classes, (b + 1) * classes))
        const label = labels[b]
        if (kind === 'mse')
          return squares(
            z,
            z.map((_, c) => (c === label ? high : low)),
          )
        return (
          (1 - m) * entropy(z, label) +
          m *
            squares(
              z,
              z.map(() => low),
            )
        )
      }
      const [output, losses, predictions, delta] = [B * C, B, B, B * rows * C].map((n) =>
        engine.alloc(n * 4),
      )
      // As op Output leaves them.
      for (let b = 0; b < B; b++) {
        engine.floats(output, B * C).set(mean(b), b * C)
        engine.ints(predictions, B)[b] = pick(0, classes - 1)
      }
      const right = Array.from(engine.ints(predictions, B)).filter(
        (p, b) => kind !== 'values' && b < valid && p === labels[b],
      ).length
      const scale = Math.fround(1 / (B * T))
      const [first, images] = [0, B]
      engine.writeWords(0, {
        [Control.Target / 4]: kind === 'values' ? engine.putFloats(values) : engine.putInts(labels),
        [Control.Valid / 4]: valid,
        // TET with all steps reads no mask.
        [Control.StepMask / 4]: 0,
        [Control.FirstImage / 4]: first,
      })
      const record = engine.record(kind === 'tet' ? tet : meanSquaredError, 1, {
        logits: engine.putFloats(logits),
        images,
        steps: T,
        channels: C,
        classes,
        output,
        delta,
        gradientScale: f32(scale),
        totalSteps: T,
        losses,
        predictions,
        stepBytes: still ? 0 : C * 4,
        instantaneous: Number(kind === 'tet'),
        ...(kind === 'tet'
          ? { lambda: f32(m), mean: f32(low), allSteps: 1 }
          : {
              outputScale: f32(factor === 1 ? 0 : factor),
              low: f32(low),
              high: f32(high),
              values: Number(kind === 'values'),
            }),
      })
      engine.run(record, 0)
      const gradients = engine.floats(delta, B * rows * C)
      let total = 0
      for (let b = 0; b < B; b++) {
        const of = lossAt(b)
        const expected = kind === 'tet' ? sum(times.map((t) => of(at(b, t)))) / T : of(mean(b))
        close(engine.floats(losses, B)[b], b < valid ? expected : 0, 1e-5, `seed ${seed} loss ${b}`)
        if (b < valid) total += expected
        for (let row = 0; row < rows; row++) {
          const times = kind === 'tet' && still ? T : 1
          const raw = b < valid ? slope(of, kind === 'tet' ? at(b, row) : mean(b)) : []
          for (let c = 0; c < C; c++) {
            const wanted = (times * (raw[c] ?? 0) * scale * B) / valid
            const where = `seed ${seed} gradient ${b} ${row} ${c}`
            close(gradients[(b * rows + row) * C + c], wanted, 2e-6, where)
          }
        }
      }
      close(engine.floats(Control.Loss, 1)[0], total / valid, 1e-5, `seed ${seed} mean loss`)
      assert.is(engine.ints(Control.Correct, 1)[0], right, `seed ${seed} right answers`)
      engine.checkGuards(`seed ${seed}`)
    }
  })

for (const variant of variants)
  test(`${variant} a penalty on rates equals the reference over random shapes`, () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = testRandom(seed * 104729)
      const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
      const engine = new TestEngine(variant, 2)
      const [images, perImage, channels, T] = [pick(1, 5), pick(1, 9), pick(1, 13), pick(1, 9)]
      const C = Math.ceil(channels / 4) * 4 + 4 * pick(0, 1)
      const pixels = images * perImage
      const perUnit = pick(1, pixels)
      const units = Math.ceil(pixels / perUnit)
      const valid = pick(0, images)
      const absolute = seed % 2 === 0
      // Halves are met by rates exactly: there L1 has no slope.
      const target = random() < 0.4 ? 0.5 : Math.fround(random())
      const scale = Math.fround(3 * random())
      // Padded channels hold counts that must count nowhere.
      const counts = Array.from({ length: pixels * C }, () => pick(0, T))
      const out = engine.alloc(pixels * C * 4)
      const partials = engine.alloc(units * 8)
      engine.writeWords(0, { [Control.Valid / 4]: valid })
      const record = engine.record(ratePenalty, units, {
        counts: engine.putBytes(counts),
        out,
        partials,
        pixels,
        stored: C,
        channels,
        pixelsPerUnit: perUnit,
        pixelsPerImage: perImage,
        steps: T,
        target: f32(target),
        scale: f32(scale),
        absolute: Number(absolute),
      })
      engine.run(record, 0)
      const sums = new Array<number>(units).fill(0)
      const gradients = engine.floats(out, pixels * C)
      for (const [i, count] of counts.entries()) {
        const pixel = Math.floor(i / C)
        const counted = i % C < channels && pixel < valid * perImage
        const distance = count / T - target
        if (counted)
          sums[Math.floor(pixel / perUnit)] += absolute ? Math.abs(distance) : distance ** 2
        const raw = absolute ? Math.sign(distance) : 2 * distance
        close(gradients[i], counted ? (raw * scale) / valid : 0, 1e-6, `seed ${seed} gradient ${i}`)
      }
      const found = new Float64Array(engine.memory.buffer, partials, units)
      for (const [unit, expected] of sums.entries())
        close(found[unit], expected, 1e-12, `seed ${seed} sum of unit ${unit}`)
      engine.checkGuards(`seed ${seed}`)
    }
  })

test.run()
