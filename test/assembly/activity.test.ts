/** Sums written out in a loop over t outside, which no op has; the rest is test/ops/pooling. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { materialise, term } from '../../src/kernels/records/activity.js'
import { f32, TestEngine, variants } from '../support/engine.js'

for (const variant of variants)
  test(`${variant} materialise: a call of a loop reads the input's rows of its own steps`, () => {
    const [width, channels, totalSteps] = [3, 8, 5]
    const engine = new TestEngine(variant, 64)
    const row = channels * 4
    const data = Float32Array.from({ length: width * totalSteps * channels }, (_, i) => i)
    const window = { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1 }
    const rows = { pixelBytes: totalSteps * row, stepBytes: row, loopBytes: row, steps: totalSteps }
    const source = { address: engine.putFloats(data), sourceH: 1, sourceW: width, channels }
    const terms = engine.table(term, [{ ...source, ...window, ...rows, scale: f32(1) }])
    const sizes = { images: 1, height: 1, width, channels, totalSteps, steps: 2 }
    const out = engine.alloc(width * 2 * row)
    const sum = { ...sizes, out, pixelsPerUnit: 2, terms, termCount: 1, mostCounted: 257 }
    const record = engine.record(materialise, 2, sum)
    for (const t of [0, 3]) {
      engine.run(record, engine.alloc(0), t)
      const expected = Float32Array.from({ length: width * 2 * channels }, (_, i) => {
        const pixel = Math.floor(i / (2 * channels))
        return data[(pixel * totalSteps + t) * channels + (i % (2 * channels))]
      })
      assert.equal(engine.floats(out, expected.length).slice(), expected, `step ${t}`)
    }
    engine.checkGuards()
  })

test.run()
