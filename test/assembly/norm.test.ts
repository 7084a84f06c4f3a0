/**
 * Normalisation kernels against float64 references and, for the backward pass, finite differences.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Moments, NormSize } from '../../assembly/opcodes.js'
import {
  normBackwardApply,
  normBackwardFinish,
  normBackwardReduce,
  normEvaluate,
  normFinish,
  normStatistics,
} from '../../src/plan/records/norm.js'
import { type Fields, f32, TestEngine, testRandom, variants } from '../support/engine.js'

function close(actual: number, expected: number, tolerance: number, message: string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${message}: got ${actual}, expected ${expected}`)
}

const EPSILON = Math.fround(1e-5)
const MOMENTUM = Math.fround(0.1)

/** Mean and biased variance of one channel of one group, in float64. */
function statistics(
  x: ArrayLike<number>,
  rows: number,
  C: number,
  groups: number,
  group: number,
  c: number,
) {
  const n = rows / groups
  let mean = 0
  for (let r = group; r < rows; r += groups) mean += x[r * C + c]! / n
  let variance = 0
  for (let r = group; r < rows; r += groups) variance += (x[r * C + c]! - mean) ** 2 / n
  return { mean, variance }
}

/** Normalised output of the whole tensor. */
function forward(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  rows: number,
  C: number,
  groups: number,
): Float64Array {
  const y = new Float64Array(rows * C)
  for (let group = 0; group < groups; group++)
    for (let c = 0; c < C; c++) {
      const { mean, variance } = statistics(x, rows, C, groups, group, c)
      for (let r = group; r < rows; r += groups)
        y[r * C + c] =
          (weight[c]! * (x[r * C + c]! - mean)) / Math.sqrt(variance + EPSILON) + bias[c]!
    }
  return y
}

for (const variant of variants) {
  for (let seed = 1; seed <= 24; seed++) {
    const random = testRandom(seed * 7907)
    const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
    const groups = random() < 0.5 ? 1 : pick(2, 5)
    const rows = groups * pick(2, 40)
    const C = 4 * pick(1, 13)
    const perUnit = pick(1, rows)
    const units = Math.ceil(rows / perUnit)
    const affine = random() < 0.8
    const padded = pick(0, 3)

    const arrange = () => {
      const engine = new TestEngine(variant)
      const x = Array.from({ length: rows * C }, (_, i) =>
        i % C >= C - padded ? 0 : Math.fround(random() * 3 - 1 + (i % C)),
      )
      const weight = Array.from({ length: C }, (_, c) =>
        c >= C - padded ? 0 : affine ? Math.fround(random() + 0.5) : 1,
      )
      const bias = Array.from({ length: C }, (_, c) =>
        c >= C - padded || !affine ? 0 : Math.fround(random() - 0.5),
      )
      const [mean, invStd, scale, shift] = [0, 0, 0, 0].map(() => engine.alloc(groups * C * 4)) as [
        number,
        number,
        number,
        number,
      ]
      const words: Fields = {
        in: engine.putFloats(x),
        rows,
        channels: C,
        groups,
        rowsPerUnit: perUnit,
        units,
        partial: engine.alloc(units * groups * Moments.Rows * C * 4),
        weight: affine ? engine.putFloats(weight) : 0,
        bias: affine ? engine.putFloats(bias) : 0,
        mean,
        invStd,
        scale,
        shift,
        epsilon: f32(EPSILON),
        momentum: f32(MOMENTUM),
        repeats: 1,
      }
      return { engine, x, weight, bias, mean, invStd, scale, shift, words }
    }

    const shape = `rows=${rows} C=${C} groups=${groups} per unit=${perUnit}`

    test(`${variant} normStatistics, normFinish, normEvaluate ${shape} equal the reference (seed ${seed})`, () => {
      const { engine, x, weight, bias, mean, invStd, scale, shift, words } = arrange()
      const repeats = pick(1, 4)
      // 0 and 1 are the same.
      const moves = pick(0, 3)
      const before = Array.from({ length: 2 * C }, () => Math.fround(random() + 0.5))
      const runningMean = engine.putFloats(before.slice(0, C))
      const runningVar = engine.putFloats(before.slice(C))
      const meanInvStd = engine.alloc(C * 4)
      const all = {
        ...words,
        repeats,
        runningMean,
        runningVar,
      }
      engine.run(engine.recordOf(normStatistics, units, all), 0)
      const finish = engine.recordOf(normFinish, Math.ceil(C / NormSize.FinishChannels), {
        ...all,
        meanInvStd,
        totalSteps: 2 * groups,
        moves,
      })
      const scratch = engine.alloc(NormSize.FinishScratchBytes)
      engine.run(finish, scratch, 0)
      const expected = forward(x, weight, bias, rows, C, groups)
      const read = (address: number) => engine.floats(address, groups * C)
      const [moved, movedVar] = [before.slice(0, C), before.slice(C)]
      const n = (rows / groups) * repeats
      const inverse = new Float64Array(C)
      for (let group = 0; group < groups; group++)
        for (let c = 0; c < C; c++) {
          const at = group * C + c
          const s = statistics(x, rows, C, groups, group, c)
          close(read(mean)[at]!, s.mean, 1e-6, `mean ${at}`)
          close(
            read(invStd)[at]! * Math.sqrt(s.variance + EPSILON),
            1,
            3e-6,
            `inverse deviation ${at}`,
          )
          for (let i = 0; i < Math.max(1, moves); i++) {
            moved[c] = (1 - MOMENTUM) * moved[c]! + MOMENTUM * s.mean
            movedVar[c] = (1 - MOMENTUM) * movedVar[c]! + (MOMENTUM * s.variance * n) / (n - 1)
            inverse[c]! += 1 / Math.sqrt(s.variance + EPSILON) / (2 * groups)
          }
          if (c >= C - padded)
            assert.ok(
              read(scale)[at] === (affine ? 0 : read(invStd)[at]) && read(shift)[at] === 0,
              `padded channel ${c}`,
            )
        }
      expected.forEach((y, i) => {
        const at = (Math.floor(i / C) % groups) * C + (i % C)
        if (i % C < C - padded)
          close(x[i]! * read(scale)[at]! + read(shift)[at]!, y, 1e-4, `y ${i}`)
      })
      moved.forEach((m, c) => {
        close(engine.floats(runningMean, C)[c]!, m, 1e-6, `running mean ${c}`)
        close(engine.floats(runningVar, C)[c]!, movedVar[c]!, 1e-5, `running variance ${c}`)
        close(
          engine.floats(meanInvStd, C)[c]! / inverse[c]!,
          1,
          1e-5,
          `mean inverse deviation ${c}`,
        )
      })
      engine.run(finish, scratch, 1)
      inverse.forEach((i, c) => {
        close(
          engine.floats(meanInvStd, C)[c]! / (2 * i),
          1,
          1e-5,
          `mean inverse deviation after two steps ${c}`,
        )
      })

      engine.floats(runningMean, C).set(moved)
      engine.floats(runningVar, C).set(movedVar)
      engine.run(engine.recordOf(normEvaluate, 1, all), 0)
      for (let at = 0; at < groups * C; at++) {
        const c = at % C
        const factor = weight[c]! / Math.sqrt(movedVar[c]! + EPSILON)
        if (affine || c < C - padded)
          close(read(scale)[at]!, factor, 1e-6, `evaluation scale ${at}`)
        if (affine || c < C - padded)
          close(read(shift)[at]!, bias[c]! - moved[c]! * factor, 1e-6, `evaluation shift ${at}`)
      }
      engine.checkGuards()
    })

    test(`${variant} normBackward ${shape} equals finite differences (seed ${seed})`, () => {
      const { engine, x, weight, bias, words } = arrange()
      const delta = Array.from({ length: rows * C }, () => Math.fround(random() - 0.5))
      const loss = (values: number[], w: number[], b: number[]) =>
        forward(values, w, b, rows, C, groups).reduce((sum, y, i) => sum + y * delta[i]!, 0)
      engine.run(engine.recordOf(normStatistics, units, words), 0)
      engine.run(
        engine.recordOf(normFinish, Math.ceil(C / NormSize.FinishChannels), words),
        engine.alloc(NormSize.FinishScratchBytes),
      )
      const given = random() < 0.5
      const xhat = given
        ? Array.from(
            forward(x, new Array<number>(C).fill(1), new Array<number>(C).fill(0), rows, C, groups),
          )
        : undefined
      const accumulate = random() < 0.5
      const start = Array.from({ length: C }, () => Math.fround(random()))
      const weightGradient = engine.putFloats(start)
      const biasGradient = engine.putFloats(start)
      const inPlace = engine.putFloats(delta)
      const all: Fields = {
        ...words,
        delta: inPlace,
        xhat: xhat ? engine.putFloats(xhat) : 0,
        out: inPlace,
        weightGradient,
        biasGradient,
        coefficients: engine.alloc(groups * 3 * C * 4),
        accumulate: Number(accumulate),
      }
      engine.run(engine.recordOf(normBackwardReduce, units, all), 0)
      engine.run(engine.recordOf(normBackwardFinish, 1, all), 0)
      engine.run(engine.recordOf(normBackwardApply, units, all), 0)

      const difference = (values: number[], i: number, f: () => number) => {
        const kept = values[i]!
        values[i] = kept + 1e-4
        const above = f()
        values[i] = kept - 1e-4
        const below = f()
        values[i] = kept
        return (above - below) / 2e-4
      }
      const f = () => loss(x, weight, bias)
      for (let k = 0; k < 12; k++) {
        const i = pick(0, rows * C - 1)
        // A padded channel that has no weight of its own has no variance either, and nobody reads
        // its gradient.
        if (i % C < C - padded)
          close(engine.floats(inPlace, rows * C)[i]!, difference(x, i, f), 2e-4, `dx ${i}`)
        else if (affine)
          assert.is(Math.abs(engine.floats(inPlace, rows * C)[i]!), 0, `dx of padding ${i}`)
        const c = i % C
        if (c >= C - padded) continue
        const offset = accumulate ? start[c]! : 0
        close(
          engine.floats(weightGradient, C)[c]!,
          offset + difference(weight, c, f),
          1e-4,
          `weight gradient ${c}`,
        )
        close(
          engine.floats(biasGradient, C)[c]!,
          offset + difference(bias, c, f),
          1e-4,
          `bias gradient ${c}`,
        )
      }
      assert.ok(engine.floats(inPlace, rows * C).every(Number.isFinite), 'every gradient is finite')
      engine.checkGuards()
    })
  }

  test(`${variant} normBackward uses the mean inverse deviation where there is one`, () => {
    const engine = new TestEngine(variant)
    const random = testRandom(5)
    const [rows, C] = [7, 8]
    const values = (n: number) => Array.from({ length: n }, () => Math.fround(random() + 0.25))
    const [delta, xhat, weight, inverse] = [
      values(rows * C),
      values(rows * C),
      values(C),
      values(C),
    ]
    const out = engine.alloc(rows * C * 4)
    const words: Fields = {
      rows,
      channels: C,
      groups: 1,
      rowsPerUnit: 3,
      units: 3,
      partial: engine.alloc(3 * 2 * C * 4),
      weight: engine.putFloats(weight),
      invStd: engine.alloc(C * 4),
      meanInvStd: engine.putFloats(inverse),
      delta: engine.putFloats(delta),
      xhat: engine.putFloats(xhat),
      out,
      coefficients: engine.alloc(3 * C * 4),
    }
    engine.run(engine.recordOf(normBackwardReduce, 3, words), 0)
    engine.run(engine.recordOf(normBackwardFinish, 1, words), 0)
    engine.run(engine.recordOf(normBackwardApply, 3, words), 0)
    for (let i = 0; i < rows * C; i++) {
      const c = i % C
      let [mean, product] = [0, 0]
      for (let r = 0; r < rows; r++) {
        mean += delta[r * C + c]! / rows
        product += (delta[r * C + c]! * xhat[r * C + c]!) / rows
      }
      close(
        engine.floats(out, rows * C)[i]!,
        weight[c]! * inverse[c]! * (delta[i]! - mean - xhat[i]! * product),
        1e-5,
        `dx ${i}`,
      )
    }
    engine.checkGuards()
  })

  test(`${variant} normStatistics keeps the variance of values far from zero`, () => {
    const engine = new TestEngine(variant)
    const random = testRandom(6)
    const [rows, C] = [1000, 4]
    const x = Float32Array.from({ length: rows * C }, () => 1e4 + Math.round(random() * 64) / 64)
    const invStd = engine.alloc(C * 4)
    const words: Fields = {
      in: engine.putFloats(x),
      rows,
      channels: C,
      groups: 1,
      rowsPerUnit: 100,
      units: 10,
      partial: engine.alloc(10 * Moments.Rows * C * 4),
      mean: engine.alloc(C * 4),
      invStd,
      scale: engine.alloc(C * 4),
      shift: engine.alloc(C * 4),
      repeats: 1,
    }
    engine.run(engine.recordOf(normStatistics, 10, words), 0)
    engine.run(
      engine.recordOf(normFinish, Math.ceil(C / NormSize.FinishChannels), words),
      engine.alloc(NormSize.FinishScratchBytes),
    )
    for (let c = 0; c < C; c++)
      close(
        engine.floats(invStd, C)[c]! * Math.sqrt(statistics(x, rows, C, 1, 0, c).variance),
        1,
        1e-5,
        `channel ${c}`,
      )
  })
}

test.run()
