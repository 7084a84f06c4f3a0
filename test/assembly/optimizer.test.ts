/** SGD against PyTorch's rule, step by step. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { sgd } from '../../src/plan/records/optimizer.js'
import { f32, TestEngine, testRandom, variants } from '../support/engine.js'

for (const variant of variants) {
  for (let seed = 1; seed <= 24; seed++) {
    const random = testRandom(seed * 4447)
    const count = 16 * (1 + Math.floor(random() * 20))
    const perUnit = 16 * (1 + Math.floor(random() * 8))
    const nesterov = random() < 0.5
    const group = Math.floor(random() * 2)
    const kind = nesterov ? 'Nesterov' : 'momentum'
    test(`${variant} sgd n=${count} per unit=${perUnit} group=${group} ${kind} follows PyTorch's rule (seed ${seed})`, () => {
      const engine = new TestEngine(variant)
      const values = () => Array.from({ length: count }, () => Math.fround(random() - 0.5))
      const [p, v] = [values(), new Array<number>(count).fill(0)]
      const [parameters, velocities, gradients] = [
        engine.putFloats(p),
        engine.putFloats(v),
        engine.alloc(count * 4),
      ]
      const [momentum, ...decays] = [random() < 0.2 ? 0 : 0.9, 0.05, 0.01].map(Math.fround) as [
        number,
        number,
        number,
      ]
      const record = engine.record(sgd, Math.ceil(count / perUnit), {
        parameters,
        gradients,
        velocities,
        count,
        perUnit,
        otherDecay: group,
      })
      for (let step = 0; step < 4; step++) {
        const rate = Math.fround(0.1 + random())
        engine.writeWords(0, {
          [Control.LearningRate / 4]: f32(rate),
          [Control.Momentum / 4]: f32(momentum),
          [Control.Decay / 4]: f32(decays[0]!),
          [Control.DecayOther / 4]: f32(decays[1]!),
          [Control.Nesterov / 4]: Number(nesterov),
        })
        const given = values()
        engine.floats(gradients, count).set(given)
        engine.run(record, 0)
        given.forEach((raw, i) => {
          const g = raw + decays[group]! * p[i]!
          v[i] = momentum * v[i]! + g
          p[i]! -= rate * (nesterov ? g + momentum * v[i]! : v[i]!)
          assert.ok(
            Math.abs(engine.floats(parameters, count)[i]! - p[i]!) < 3e-6,
            `parameter ${i} after step ${step}`,
          )
          assert.ok(
            Math.abs(engine.floats(velocities, count)[i]! - v[i]!) < 3e-6,
            `velocity ${i} after step ${step}`,
          )
        })
      }
      engine.checkGuards()
    })
  }
}

test.run()
