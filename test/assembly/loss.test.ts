/** Loss against a float64 reference whose gradient is taken by finite differences. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { callsOf } from '../../src/plan/calls.js'
import { crossEntropy, output as outputKind } from '../../src/plan/records/loss.js'
import { type Fields, f32, TestEngine, testRandom, variants } from '../support/engine.js'

function close(actual: number, expected: number, tolerance: number, message: string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${message}: got ${actual}, expected ${expected}`)
}

/** (1 − m)·cross entropy + m·mean squared distance to the one-hot target, of one image. */
function reference(logits: number[], target: number, m: number): number {
  const highest = Math.max(...logits)
  const entropy =
    Math.log(logits.reduce((sum, x) => sum + Math.exp(x - highest), 0)) + highest - logits[target]!
  const squares = logits.reduce((sum, x, c) => sum + (x - Number(c === target)) ** 2, 0)
  return (1 - m) * entropy + (m * squares) / logits.length
}

function gradient(logits: number[], target: number, m: number): number[] {
  return logits.map((x, c) => {
    const moved = (by: number) => reference(logits.with(c, x + by), target, m)
    return (moved(1e-5) - moved(-1e-5)) / 2e-5
  })
}

const argmax = (values: number[]): number => values.indexOf(Math.max(...values))

for (const variant of variants) {
  for (let seed = 1; seed <= 50; seed++) {
    const random = testRandom(seed * 6131)
    const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
    const [B, T, classes] = [pick(1, 9), pick(1, 6), pick(2, 13)]
    const C = Math.ceil(classes / 4) * 4 + 4 * pick(0, 1)
    const mode = (
      ['inside', 'outside', 'static', 'instantaneous', 'instantaneous static'] as const
    )[seed % 5]!
    const instantaneous = mode.startsWith('instantaneous')
    const still = mode.endsWith('static')
    // Steps of each call; longer ones come first.
    const calls = instantaneous || mode === 'outside' ? callsOf(T, pick(1, 4)) : callsOf(T, T)
    const sizes = calls.map(({ steps, repeats }) => `${repeats} × ${steps}`).join(' + ')
    test(`${variant} crossEntropy B=${B} T=${sizes} classes=${classes} of ${C} ${mode} equals the reference (seed ${seed})`, () => {
      const engine = new TestEngine(variant)
      const valid = pick(1, B)
      const m = instantaneous ? Math.fround(0.05) : random() < 0.7 ? 0 : Math.fround(0.3)
      const spread = random() < 0.2 ? 200 : 4
      const steps = still ? 1 : T
      const stepMask = random() < 0.5 ? 0xffffffff : pick(0, 2 ** T - 1)
      // Padded classes hold a huge value that must count nowhere. Halves make ties likely.
      const logits = Array.from({ length: B * steps * C }, (_, i) =>
        i % C >= classes ? 1e9 : Math.round((random() - 0.5) * 2 * spread * 2) / 2,
      )
      const targets = Array.from({ length: B }, (_, b) => (b < valid ? pick(0, classes - 1) : -7))
      const at = (b: number, t: number) =>
        logits.slice((b * steps + (still ? 0 : t)) * C).slice(0, classes)
      const mean = (b: number) =>
        Array.from({ length: classes }, (_, c) =>
          Array.from({ length: T }, (_, t) => at(b, t)[c]! / T).reduce((x, y) => x + y, 0),
        )
      const scale = Math.fround(1 / (B * T))
      const rows = instantaneous && !still ? calls[0]!.steps : 1
      const [output, losses, predictions, delta] = [B * C, B, B, B * rows * C].map((n) =>
        engine.alloc(n * 4),
      ) as [number, number, number, number]
      const logitsAt = engine.putFloats(logits)
      const words: Fields = {
        logits: logitsAt,
        images: B,
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
        mseWeight: f32(m),
        instantaneous: Number(instantaneous),
      }
      engine.writeWords(0, {
        [Control.Target / 4]: engine.putInts(targets),
        [Control.Valid / 4]: valid,
        [Control.StepMask / 4]: stepMask,
      })
      const record = engine.record(crossEntropy, 1, words)
      const outputRecord = engine.record(outputKind, 1, {
        logits: logitsAt,
        images: B,
        steps: T,
        channels: C,
        classes,
        out: output,
        totalSteps: T,
        stepBytes: still ? 0 : C * 4,
        predictions,
      })
      /** Of one row of the gradient, `times` that of these logits. */
      const checkGradient = (b: number, of: number[], times: number, at: number, when: string) => {
        const expected = b < valid ? gradient(of, targets[b]!, m) : []
        for (let c = 0; c < C; c++)
          close(
            engine.floats(delta, at + C)[at + c]!,
            (times * (expected[c] ?? 0) * scale * B) / valid,
            1e-6,
            `gradient ${when} image ${b} class ${c}`,
          )
      }
      const images = Array.from({ length: B }, (_, b) => b)
      const now = engine.alloc(B * (still ? 1 : calls[0]!.steps) * C * 4)
      for (const call of calls)
        for (let i = 0; i < call.repeats; i++) {
          const from = call.from + i * call.steps
          const wanted = Array.from({ length: call.steps }, (_, t) => (stepMask >>> (from + t)) & 1)
          // A call finds its own logits there, as the last layer would leave them.
          const own = images.flatMap((b) => {
            const first = (b * steps + (still ? 0 : from)) * C
            return logits.slice(first, first + (still ? 1 : call.steps) * C)
          })
          engine.floats(now, own.length).set(own)
          engine.writeFields(record, crossEntropy.schema, { logits: now, steps: call.steps })
          engine.writeFields(outputRecord, outputKind.schema, { logits: now, steps: call.steps })
          engine.run(outputRecord, 0, from)
          engine.run(record, 0, from)
          if (!instantaneous) continue
          for (const b of images)
            if (still) {
              const times = wanted.reduce((x, y) => x + y, 0)
              checkGradient(b, at(b, 0), times, b * C, `of the call at ${from}`)
            } else
              for (const [t, times] of wanted.entries())
                checkGradient(
                  b,
                  at(b, from + t),
                  times,
                  (b * call.steps + t) * C,
                  `at step ${from + t}`,
                )
        }
      if (!instantaneous) for (const b of images) checkGradient(b, mean(b), 1, b * C, 'of the mean')

      const lossOf = (b: number) =>
        instantaneous
          ? Array.from({ length: T }, (_, t) => reference(at(b, t), targets[b]!, m) / T).reduce(
              (x, y) => x + y,
              0,
            )
          : reference(mean(b), targets[b]!, m)
      let total = 0
      let correct = 0
      for (let b = 0; b < B; b++) {
        const expected = mean(b)
        expected.forEach((x, c) => {
          close(engine.floats(output, B * C)[b * C + c]!, x, 1e-6, `output ${b} ${c}`)
        })
        const stored = Array.from(engine.floats(output, B * C).slice(b * C, b * C + classes))
        assert.is(engine.ints(predictions, B)[b], argmax(stored), `prediction ${b}`)
        close(engine.floats(losses, B)[b]!, b < valid ? lossOf(b) : 0, 2e-5, `loss ${b}`)
        if (b >= valid) continue
        total += lossOf(b)
        if (argmax(stored) === targets[b]) correct++
      }
      close(engine.floats(Control.Loss, 1)[0]!, total / valid, 2e-5, 'mean loss')
      assert.is(engine.ints(Control.Correct, 1)[0], correct, 'correct predictions')
      engine.checkGuards()
    })
  }

  test(`${variant} crossEntropy without a valid image gives zeros`, () => {
    const engine = new TestEngine(variant)
    const delta = engine.alloc(16)
    engine.writeWords(0, { [Control.Target / 4]: engine.putInts([0]), [Control.Valid / 4]: 0 })
    engine.run(
      engine.record(crossEntropy, 1, {
        logits: engine.putFloats([1, 2, 0, 0]),
        images: 1,
        steps: 1,
        channels: 4,
        classes: 2,
        output: engine.alloc(16),
        delta,
        gradientScale: f32(1),
        totalSteps: 1,
        losses: engine.alloc(4),
        predictions: engine.alloc(4),
        stepBytes: 16,
      }),
      0,
    )
    assert.equal(Array.from(engine.floats(delta, 4)), [0, 0, 0, 0])
    assert.is(engine.floats(Control.Loss, 1)[0], 0)
    engine.checkGuards()
  })
}

test.run()
