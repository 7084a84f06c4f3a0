/** Inference and streams of more steps than a byte counts. */

import * as assert from 'uvu/assert'
import {
  block,
  type CompileOptions,
  exportWasm,
  fromArrays,
  linear,
  loadModel,
  mse,
  residual,
  tet,
} from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { byStep } from '../support/frames.js'
import { labels, uniform } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'

/** A block of a SEW-ResNet. */
const sew = (n: number) => residual(netOf([n, 4, 8], `conv ${n} 3 padding=1, norm, lif tau=2`))
const network = () =>
  netOf(
    [2, 4, 8],
    `conv 8 3 padding=1, norm, lif, sew, avgPool2d 2, conv 8 3 padding=1 bias=true, lif vReset=0,
     maxPool2d 2, conv 8 1, relu, flatten, linear 8, lif, linear 5`,
    { sew },
  )

const input = [2, 4, 8] as const
const size = 64
const T = 300

const methods: readonly Pick<CompileOptions, 'method' | 'stepMode'>[] = [
  { method: 'rate', stepMode: 'm' },
  { method: 'rate', stepMode: 's' },
  { method: 'bptt', stepMode: 's' },
  { method: 'ottt' },
]

for (const method of methods)
  for (const frames of [false, true])
    test(`${method.method} ${method.stepMode ?? ''}: ${T} steps, frames ${frames}, as a stream`, async () => {
      const batchSize = 3
      const shared = { ...method, input, timeSteps: T, batchSize, seed: 4 }
      const whole = await modelOf(network(), { ...shared, frames, purpose: 'inference' })
      const stream = await modelOf(network(), { ...shared, purpose: 'stream' })
      const x = uniform((frames ? T : 1) * batchSize * size, 3, 21)
      const { logits, classes } = await whole.predict(x)
      const rates = whole.firingRates()
      const steps = async () => {
        const all = byStep(x, T, batchSize)
        const of = (t: number) =>
          frames ? all.subarray(t * batchSize * size, (t + 1) * batchSize * size) : x
        for (let t = 0; t < T - 1; t++) await stream.step(of(t))
        return stream.step(of(T - 1))
      }
      const last = await steps()
      assert.ok(Object.values(rates).some((rate) => rate > 0.05))
      if (method.stepMode === 'm') {
        // Steps run together, and sums are rounded in another order.
        for (const [i, value] of last.logits.entries())
          assert.ok(Math.abs(value - logits[i]) < 1e-4, `${value} ${logits[i]}`)
      } else {
        assert.equal(last.logits, logits)
        assert.equal(last.classes, classes)
        assert.equal(stream.firingRates(), rates)
      }
      // One by one, and a part of a batch.
      const few = await whole.predict(x.subarray(0, x.length / batchSize))
      assert.equal(few.logits, logits.slice(0, 5))
    })

for (const stepMode of ['m', 's'] as const)
  test(`step mode ${stepMode}: a network that ends in neurons predicts its most frequent spiker`, async () => {
    const timeSteps = 1000
    const options = { input: [4], timeSteps, batchSize: 1, purpose: 'inference' } as const
    const model = await compileNet('flatten, linear 6, lif tau=2', { ...options, stepMode })
    const weight = new Float32Array(24)
    // Neurons 1 and 4 are the same; so is their count, and the first one wins.
    for (const [i, w] of [0.4, 0.79, 0.3, 0.6, 0.79, 0.1].entries()) weight[i * 4] = w
    model.loadStateDict({
      '1.weight': { shape: [6, 4], data: weight },
      '1.bias': { shape: [6], data: new Float32Array(6) },
    })
    const { logits, classes } = await model.predict(Float32Array.of(1, 0, 0, 0))
    const counts = simulate([0.4, 0.79, 0.3, 0.6, 0.79, 0.1], timeSteps)
    assert.equal([...logits], [...Float32Array.from(counts, (n) => n * (1 / timeSteps))])
    assert.ok(counts[1] > 255 && counts[1] === counts[4])
    assert.equal([...classes], [1])
  })

/** Spikes of neurons with λ = 1/2 on a constant current. */
function simulate(currents: readonly number[], steps: number): number[] {
  const f = Math.fround
  return currents.map((current) => {
    let [v, count] = [0, 0]
    for (let t = 0; t < steps; t++) {
      const u = f(f(0.5 * v) + f(current))
      if (u >= 1) count++
      v = u >= 1 ? f(u - 1) : u
    }
    return count
  })
}

test('evaluate of many steps: loss, accuracy and rates are those of the outputs', async () => {
  const n = 5
  const images = uniform(n * size, 3, 8)
  const data = fromArrays({ images, labels: labels(n, 5, 9), shape: [...input], classes: 5 })
  for (const [loss, method] of [
    [undefined, 'rate'],
    [mse({ of: 'counts' }), 'rate'],
    [tet(), 'bptt'],
  ] as const) {
    const shared = { input, batchSize: 4, seed: 4, loss, method, stepMode: 's' } as const
    const at = (timeSteps: number) =>
      modelOf(network(), { ...shared, timeSteps, purpose: 'inference' })
    const long = await at(256)
    const short = await at(255)
    const [a, b] = [await long.evaluate(data), await short.evaluate(data)]
    // A step more changes little, and a loss of counts grows with the steps.
    const scale = loss?.kind === 'mse' ? (256 / 255) ** 2 : 1
    assert.ok(Math.abs(a.loss / (b.loss * scale) - 1) < 0.02, `${loss?.kind} ${a.loss} ${b.loss}`)
    assert.is(a.accuracy, b.accuracy)
    for (const [name, rate] of Object.entries(a.firingRates))
      assert.ok(Math.abs(rate - b.firingRates[name]) < 0.01, name)
    await long.dispose()
    await short.dispose()
  }
})

test('evaluate of several outputs has a loss that does not grow with the steps', async () => {
  const data = fromArrays({ images: uniform(15, 3, 8), labels: [0, 1, 1], shape: [5], classes: 2 })
  const losses: number[] = []
  for (const timeSteps of [255, 256]) {
    const model = await modelOf(
      block({ a: linear(5, 2), b: linear(2, 2) }, ({ a, b }, x) => {
        const early = a(x)
        return { early, late: b(early) }
      }),
      { input: [5], timeSteps, batchSize: 4, method: 'rate', purpose: 'inference' },
    )
    losses.push((await model.evaluate(data)).loss)
    await model.dispose()
  }
  assert.ok(Math.abs(losses[1] / losses[0] - 1) < 1e-5, `${losses}`)
})

test('memory does not grow with T times activations', async () => {
  const at = async (timeSteps: number) => {
    const model = await modelOf(network(), { input, timeSteps, purpose: 'inference' })
    const { total } = model.memoryUse
    await model.dispose()
    return total
  }
  const [many, most] = [await at(300), await at(4096)]
  assert.ok(most < 1.1 * many, `${many} ${most}`)
  assert.ok(most < (await at(255)))
})

test('no model has more than 4096 steps, and a file none above 255', async () => {
  const net = network()
  for (const timeSteps of [4097, 0, 2.5])
    await expectRefusal(
      () => modelOf(net, { input, timeSteps, purpose: 'inference' }),
      /timeSteps must be an integer from 1 to 4096/,
    )
  await withFolder(async (folder) => {
    const trained = await modelOf(net, { input, timeSteps: 4, batchSize: 2 })
    await trained.save(`${folder}/model.safetensors`)
    const model = await own(
      loadModel(`${folder}/model.safetensors`, { timeSteps: T, inspect: true }),
    )
    assert.is(model.timeSteps, T)
    await model.predict(uniform(size, 3, 1))
    await expectRefusal(() => exportWasm(model), /timeSteps .* at most 255, got 300/)
    await model.save(`${folder}/long.safetensors`)
    const again = await own(loadModel(`${folder}/long.safetensors`))
    assert.is(again.timeSteps, T)
  })
})

test.run()
