/** relu in networks: gradients against finite differences and the definition of the rate method. */

import type { CompileOptions, StateDict } from '../../src/index.js'
import { expectClose, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

const analog =
  'conv 5 3 padding=1, norm, relu, conv 7 3 stride=2, relu, avgPool2d 2, flatten, linear 4'
const input = [2, 6, 6] as const
const size = 72
const y = [0, 1, 3]

/** Slopes of the loss in some directions against the gradient; everything is smooth but at 0. */
async function checkSlopes(options: CompileOptions, x: Float32Array, scale: number): Promise<void> {
  const model = await compileNet(analog, options)
  const state = model.stateDict()
  const lossWith = async (changed: StateDict) => {
    model.loadStateDict(changed)
    return (await model.trainStep(x, y, { update: false })).loss
  }
  await lossWith(state)
  const gradients = model.gradients()
  for (const [name, { shape, data }] of Object.entries(gradients)) {
    // Along the gradient itself: many neurons, of which few cross 0 on the way.
    const norm = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0))
    if (norm < 1e-4) continue
    const h = 1e-3 / norm
    const moved = (sign: number): StateDict => ({
      ...state,
      [name]: { shape, data: state[name].data.map((v, i) => v + sign * h * data[i]) },
    })
    const slope = ((await lossWith(moved(1))) - (await lossWith(moved(-1)))) / (2 * h)
    expectClose(`${name} ${JSON.stringify(options)}`, [norm * norm * scale], [slope], 0.03)
  }
  await model.dispose()
}

for (const frames of [false, true])
  for (const timeSteps of [1, 3])
    for (const [method, stepMode] of [
      ['bptt', 'm'],
      ['bptt', 's'],
      ['sltt', 's'],
      ['rate', 'm'],
      ['rate', 's'],
    ] as const) {
      // The rate method is exact where all steps are alike.
      if (method === 'rate' && frames && timeSteps > 1) continue
      const what = `${method} ${stepMode} T=${timeSteps} ${frames ? 'frames' : 'still'}`
      test(`gradients through relu are slopes of the loss: ${what}`, async () => {
        const x = uniform(3 * size * (frames ? timeSteps : 1), 1, 7)
        const options = { input, batchSize: 3, timeSteps, frames, method, stepMode, seed: 4 }
        if (method === 'sltt') await checkSlopes({ ...options, mseWeight: 0 }, x, 1)
        // The rate method's gradient is divided by the steps.
        else await checkSlopes(options, x, method === 'rate' ? timeSteps : 1)
      })
    }

for (const stepMode of ['m', 's'] as const)
  test(`rate ${stepMode}: the derivative is the mean over the steps of 1[x > 0]`, async () => {
    const [B, T, n, hidden, classes] = [2, 5, 3, 6, 3]
    const options = { input: [n, 1, 1], batchSize: B, timeSteps: T, frames: true } as const
    const text = `flatten, linear ${hidden}, relu, linear ${classes}`
    const model = await compileNet(text, { ...options, stepMode, seed: 1 })
    const x = uniform(T * B * n, 2, 3)
    const target = [2, 0]
    await model.trainStep(x, target, { update: false })
    const got = model.gradients()
    const state = model.stateDict()
    const [w1, b1, w2, b2] = ['1.weight', '1.bias', '3.weight', '3.bias'].map((k) => state[k].data)
    const gw1 = new Float64Array(hidden * n)
    const gb1 = new Float64Array(hidden)
    for (let b = 0; b < B; b++) {
      const mean = new Float64Array(hidden)
      const share = new Float64Array(hidden)
      const meanX = new Float64Array(n)
      for (let t = 0; t < T; t++)
        for (let h = 0; h < hidden; h++) {
          let u = b1[h]
          for (let i = 0; i < n; i++) u += w1[h * n + i] * x[(b * T + t) * n + i]
          if (h < n) meanX[h] += x[(b * T + t) * n + h] / T
          if (u > 0) {
            mean[h] += u / T
            share[h] += 1 / T
          }
        }
      const logits = Array.from({ length: classes }, (_, c) =>
        mean.reduce((sum, m, h) => sum + w2[c * hidden + h] * m, b2[c]),
      )
      const total = logits.reduce((sum, v) => sum + Math.exp(v), 0)
      const delta = logits.map(
        (v, c) => (Math.exp(v) / total - (c === target[b] ? 1 : 0)) / (B * T),
      )
      for (let h = 0; h < hidden; h++) {
        const back = delta.reduce((sum, d, c) => sum + d * w2[c * hidden + h], 0) * share[h]
        gb1[h] += back
        for (let i = 0; i < n; i++) gw1[h * n + i] += back * meanX[i]
      }
    }
    expectClose('weight', got['1.weight'].data, gw1, 1e-5)
    expectClose('bias', got['1.bias'].data, gb1, 1e-5)
  })

test.run()
