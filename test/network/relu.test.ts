/** relu in networks: gradients against finite differences and the definition of the rate method. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  flatten,
  lif,
  linear,
  relu,
  type StateDict,
  sequential,
} from '../../src/index.js'
import { messageOf } from '../io/temporary.js'
import { byStep } from '../support/frames.js'
import { expectClose, expectSameBits, labels, uniform } from '../support/measure.js'

const analog = () =>
  sequential({
    conv1: conv2d(2, 5, 3, { padding: 1 }),
    norm: batchNorm2d(5),
    act1: relu(),
    conv2: conv2d(5, 7, 3, { stride: 2 }),
    act2: relu(),
    pool: avgPool2d(2),
    flat: flatten(),
    out: linear(7, 4),
  })
const mixed = () =>
  sequential(
    conv2d(2, 8, 3, { padding: 1 }),
    batchNorm2d(8),
    relu(),
    conv2d(8, 9, 3, { stride: 2 }),
    batchNorm2d(9),
    lif(),
    flatten(),
    linear(36, 4),
  )
const input = [2, 6, 6] as const
const size = 72
const y = [0, 1, 3]

/** Slopes of the loss in some directions against the gradient; everything is smooth but at 0. */
async function checkSlopes(options: CompileOptions, x: Float32Array, scale: number): Promise<void> {
  const model = await analog().compile(options)
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
    const model = await sequential(
      flatten(),
      linear(n, hidden),
      relu(),
      linear(hidden, classes),
    ).compile({
      input: [n, 1, 1],
      batchSize: B,
      timeSteps: T,
      frames: true,
      stepMode,
      seed: 1,
    })
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
    await model.dispose()
  })

test('a mixed network trains the same bits on 1 to 3 threads, and in the debug build', async () => {
  for (const [method, stepMode] of [
    ['rate', 'm'],
    ['rate', 's'],
    ['bptt', 'm'],
    ['sltt', 's'],
  ] as const) {
    const run = async (more: Partial<CompileOptions>) => {
      const model = await mixed().compile({
        input,
        batchSize: 5,
        timeSteps: 4,
        frames: true,
        method,
        stepMode,
        seed: 3,
        ...more,
      })
      const x = uniform(4 * 5 * size, 2, 9)
      const losses: number[] = []
      for (let i = 0; i < 6; i++)
        losses.push((await model.trainStep(x, labels(5, 4, 2), { lr: 0.1 })).loss)
      const state = model.stateDict()
      await model.dispose()
      return { state, losses }
    }
    const one = await run({})
    assert.ok(one.losses[5] < one.losses[0], `${method} ${stepMode}: ${one.losses}`)
    for (const more of [{ threads: 2 }, { threads: 3 }, { engine: 'debug' as const }])
      expectSameBits(`${method} ${stepMode}`, one.state, (await run(more)).state)
  }
})

test('inference and streams of a network with relu give the bits of training', async () => {
  const shared = { input, batchSize: 4, timeSteps: 3, stepMode: 's' as const, seed: 2 }
  const full = await mixed().compile({ ...shared, frames: true })
  const inference = await mixed().compile({ ...shared, frames: true, purpose: 'inference' })
  const stream = await mixed().compile({ ...shared, purpose: 'stream' })
  const x = uniform(3 * 4 * size, 2, 5)
  const { logits } = await full.predict(x)
  assert.equal((await inference.predict(x)).logits, logits)
  const steps = byStep(x, 3, 4)
  let last: Float32Array = new Float32Array()
  for (let t = 0; t < 3; t++)
    last = (await stream.step(steps.subarray(t * 4 * size, (t + 1) * 4 * size))).logits
  assert.equal(last, logits)
})

test('ottt traces spikes alone and says so; a summary shows relu', async () => {
  const options = { input, batchSize: 2, method: 'ottt' as const }
  assert.match(await messageOf(() => mixed().compile(options)), /traces the spikes/)
  const model = await mixed().compile({ input, batchSize: 2 })
  assert.match(model.summary(), /relu {2,}\[8, 6, 6\] {2,}0/)
})

test.run()
