/** relu and its gradient against loops over plain arrays. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { reluBackward, reluForward } from '../../src/plan/records/relu.js'
import { f32, TestEngine, testRandom, variants } from '../support/engine.js'

for (const variant of variants) {
  const engine = new TestEngine(variant, 64)
  for (let seed = 1; seed <= 20; seed++) {
    const random = testRandom(seed * 4241)
    const pick = (low: number, high: number) => low + Math.floor(random() * (high - low + 1))
    const [pixels, C, T, calls] = [pick(1, 40), 4 * pick(1, 9), pick(1, 9), pick(1, 3)]
    const pixelsPerUnit = pick(1, pixels)
    const units = Math.ceil(pixels / pixelsPerUnit)
    const shape = `P=${pixels} C=${C} T=${T}`

    test(`${variant} relu ${shape} in ${calls} calls (seed ${seed})`, () => {
      engine.reset()
      const n = pixels * T * C
      const input = engine.alloc(n * 4)
      const out = seed % 3 === 0 ? input : engine.alloc(n * 4)
      const counts = seed % 4 === 0 ? 0 : engine.alloc(pixels * C)
      const record = engine.record(reluForward, units, {
        in: input,
        out,
        counts,
        pixels,
        channels: C,
        steps: T,
        pixelsPerUnit,
      })
      const positive = new Array<number>(pixels * C).fill(0)
      for (let t = 0; t < calls; t++) {
        // Small integers: zeros, of both signs, are frequent.
        const x = Float32Array.from({ length: n }, () => (random() < 0.1 ? -0 : pick(-2, 2)))
        if (t === 0) x[0] = Number.NaN
        engine.floats(input, n).set(x)
        engine.run(record, 0, t)
        const expected = x.map((v) => (v > 0 ? v : Number.isNaN(v) ? v : 0))
        engine.floats(out, n).forEach((v, i) => {
          if (!(v === expected[i] || (Number.isNaN(v) && Number.isNaN(expected[i]))))
            throw new Error(`out ${i}: ${v}, expected ${expected[i]}`)
        })
        x.forEach((v, i) => {
          positive[Math.floor(i / (T * C)) * C + (i % C)] += v > 0 ? 1 : 0
        })
      }
      if (counts) assert.equal(Array.from(engine.bytes(counts, pixels * C)), positive)
      engine.checkGuards()
    })

    test(`${variant} reluBackward ${shape} (seed ${seed})`, () => {
      engine.reset()
      const byCounts = seed % 2 === 0
      const rows = byCounts ? 1 : T
      const n = pixels * rows * C
      const delta = Float32Array.from({ length: n }, () => random() - 0.5)
      const activity = Float32Array.from({ length: n }, () => Math.max(0, pick(-2, 2)))
      const counts = Uint8Array.from({ length: pixels * C }, () => pick(0, 255))
      const at = engine.putFloats(delta)
      const out = seed % 3 === 0 ? at : engine.alloc(n * 4)
      const factor = Math.fround(1 / T)
      const record = engine.record(reluBackward, units, {
        delta: at,
        activity: byCounts ? 0 : engine.putFloats(activity),
        counts: byCounts ? engine.putBytes(counts) : 0,
        out,
        pixels,
        channels: C,
        steps: rows,
        pixelsPerUnit,
        factor: f32(factor),
      })
      engine.run(record, 0)
      const expected = delta.map((d, i) =>
        byCounts ? d * Math.fround(counts[i] * factor) : activity[i] > 0 ? d : 0,
      )
      assert.equal(engine.floats(out, n), expected)
      engine.checkGuards()
    })
  }
}

test.run()
