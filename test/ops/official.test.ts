/** `ops.lif` and `ops.lifBackward` have the numbers of the paper's own code: test/fixtures. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { expectNear } from '../support/ops.js'
import { readFixture } from '../support/safetensors.js'

for (const leak of ['02', '05'])
  for (const reset of ['soft-detach', 'soft', 'hard'])
    test(`leak ${leak}, ${reset}: spikes, rates, eligibilities, gradients and potentials`, () => {
      const { metadata, tensor } = readFixture(`lif-leak${leak}-${reset}`)
      const [T, B, N] = tensor('input').shape
      /** From the fixture's [T][B][N] to [B][T][N]. */
      const bySample = (name: string, from = 0, to = T): Float32Array => {
        const { values } = tensor(name)
        const steps = to - from
        return Float32Array.from({ length: B * steps * N }, (_, i) => {
          const [b, t] = [Math.floor(i / N / steps), from + (Math.floor(i / N) % steps)]
          return values[(t * B + b) * N + (i % N)]
        })
      }
      const neuron = {
        tau: 1 / (1 - Number(metadata.leak)),
        vThreshold: Number(metadata.v_threshold),
        vReset: metadata.v_reset === 'null' ? null : Number(metadata.v_reset),
        detachReset: metadata.detach_reset === 'true',
        alpha: Number(metadata.alpha),
      }
      const outputs = ['spikes', 'rates', 'eligibilities', 'potential'] as const
      const calls = [T, T / 2].map((steps) => ({
        steps,
        plan: ops.lif.plan({ ...neuron, outputs, input: [B, steps, N], totalSteps: T }),
      }))
      for (const { steps, plan } of calls) {
        const potential = new Float32Array(B * N)
        for (let step = 0; step < T; step += steps) {
          const x = bySample('input', step, step + steps)
          const { spikes, rates, eligibilities } = plan.run(x, potential, { step })
          assert.equal([...spikes], [...bySample('bptt.spikes', step, step + steps)])
          if (step + steps < T) continue
          expectNear('rates', rates, tensor('rate.mean').values, 1e-6)
          expectNear('eligibilities', eligibilities, tensor('rate.eligibility').values, 2e-6)
        }
        expectNear('potentials', potential, tensor('v.last').values, 2e-6)
      }
      const back = { ...neuron, mode: 'time', input: [B, T, N] } as const
      const gradient = ops.lifBackward(back, bySample('bptt.grad_output'), bySample('input'))
      expectNear('gradient', gradient, bySample('bptt.grad_input'), 2e-6)
    })

test.run()
