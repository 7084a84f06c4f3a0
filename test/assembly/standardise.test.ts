/**
 * Scaled weight standardisation against float64, its gradient against finite differences of that.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { weightStandardise, weightStandardiseBackward } from '../../src/plan/records/standardise.js'
import { TestEngine, testRandom, variants } from '../support/engine.js'
import { putRecord } from '../support/records.js'

const base = Number(process.env.SPIKEWASM_TEST_SEED ?? 0)
const CASES = 24
const NAN = 0xff
const EPSILON = Math.fround(1e-4)

type Random = () => number
const integer = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))

function close(actual: number, expected: number, tolerance: number, message: string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${message}: got ${actual}, expected ${expected}`)
}

/** One output channel: gain (w − μ) / √(F var + ε), var unbiased. */
function standardise(w: readonly number[], gain: number): number[] {
  const mean = w.reduce((sum, x) => sum + x, 0) / w.length
  const variance = w.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (w.length - 1)
  return w.map((x) => (gain * (x - mean)) / Math.sqrt(w.length * variance + EPSILON))
}

for (const variant of variants) {
  const engine = new TestEngine(variant, 128)
  for (let seed = base; seed < base + CASES; seed++) {
    const random = testRandom(seed * 8191 + 3)
    const taps = integer(random, 1, 9)
    const realC = integer(random, taps === 1 ? 2 : 1, 9)
    const inC = realC + integer(random, 0, 3)
    const blockWidth = [4, 8, 16, 32][seed % 4]
    const outC = blockWidth * integer(random, 1, 3)
    /** Output channels that are padding: their weights, gradients and gains are zero. */
    const padded = integer(random, 0, 3)
    const withGain = random() < 0.7
    const kRows = Math.ceil((taps * inC + 1) / 4) * 4
    const count = kRows * outC
    const index = (n: number, tap: number, c: number): number =>
      (Math.floor(n / blockWidth) * kRows + tap * inC + c) * blockWidth + (n % blockWidth)
    const inputs = Array.from({ length: taps * realC }, (_, i) => [
      Math.floor(i / realC),
      i % realC,
    ])

    const arrange = () => {
      engine.reset()
      const weight = new Float32Array(count)
      const gradient = new Float32Array(count)
      const gain = new Float32Array(outC)
      for (let n = 0; n < outC - padded; n++) {
        // Now and then a channel whose weights are all the same.
        const spread = random() < 0.1 ? 0 : 0.5
        const mean = random()
        gain[n] = 0.5 + random()
        for (const [tap, c] of inputs) {
          weight[index(n, tap, c)] = mean + spread * (random() - 0.5)
          gradient[index(n, tap, c)] = random() - 0.5
        }
      }
      const fields = {
        weight: engine.putFloats(weight),
        gain: withGain ? engine.putFloats(gain) : undefined,
        taps,
        inC,
        realC,
        blockWidth,
        kRows,
        epsilon: EPSILON,
      }
      const channel = (data: Float32Array, n: number): number[] =>
        inputs.map(([tap, c]) => data[index(n, tap, c)])
      return {
        weight,
        gradient,
        gain,
        fields,
        channel,
        gainOf: (n: number) => (withGain ? gain[n] : 1),
      }
    }

    /** Everything that is no weight of a real channel stays zero. */
    const checkPadding = (data: Float32Array, message: string) => {
      const real = new Set<number>()
      for (let n = 0; n < outC; n++) for (const [tap, c] of inputs) real.add(index(n, tap, c))
      for (let i = 0; i < count; i++)
        if (!real.has(i)) assert.is(data[i], 0, `padding at ${i} ${message}`)
    }
    const title = `taps=${taps} C=${realC} of ${inC} N=${outC} in blocks of ${blockWidth}`

    test(`${variant} weightStandardise ${title} equals the formula (seed ${seed})`, () => {
      const { weight, fields, channel, gainOf } = arrange()
      const out = engine.alloc(count * 4, NAN)
      const units = outC / blockWidth
      const record = putRecord(engine, weightStandardise, units, { ...fields, out })
      engine.run(record, engine.alloc(0))
      engine.checkGuards(`seed ${seed}`)
      const actual = engine.floats(out, count)
      for (let n = 0; n < outC; n++) {
        const expected = standardise(channel(weight, n), gainOf(n))
        for (const [i, x] of channel(actual, n).entries())
          close(x, expected[i], 1e-6, `channel ${n} input ${i} seed ${seed}`)
      }
      checkPadding(actual, `seed ${seed}`)
    })

    test(`${variant} weightStandardiseBackward ${title} equals finite differences (seed ${seed})`, () => {
      const { weight, gradient, fields, channel, gainOf } = arrange()
      const address = engine.putFloats(gradient)
      const gainGradient = withGain ? engine.alloc(outC * 4, NAN) : undefined
      const record = putRecord(engine, weightStandardiseBackward, outC / blockWidth, {
        ...fields,
        gradient: address,
        gainGradient,
      })
      engine.run(record, engine.alloc(0))
      engine.checkGuards(`seed ${seed}`)
      const actual = engine.floats(address, count)
      for (let n = 0; n < outC; n++) {
        const w = channel(weight, n)
        const d = channel(gradient, n)
        const loss = (values: readonly number[], gain: number) =>
          standardise(values, gain).reduce((sum, x, i) => sum + x * d[i], 0)
        const difference = (at: (step: number) => number) => (at(1e-5) - at(-1e-5)) / 2e-5
        for (const [i, x] of channel(actual, n).entries())
          close(
            x,
            difference((step) => loss(w.with(i, w[i] + step), gainOf(n))),
            1e-5,
            `channel ${n} input ${i} seed ${seed}`,
          )
        if (gainGradient)
          close(
            engine.floats(gainGradient, outC)[n],
            difference((step) => loss(w, gainOf(n) + step)),
            1e-5,
            `gain of ${n} seed ${seed}`,
          )
      }
      checkPadding(actual, `seed ${seed}`)
    })
  }
}

test.run()
