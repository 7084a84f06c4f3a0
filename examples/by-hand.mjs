// Rate-based backpropagation from single kernels: two layers learn the digits, without a model.
// docs/by-hand.md derives it. Run it after `npm run build` with: node examples/by-hand.mjs
import { datasets } from 'spikewasm'
import * as ops from 'spikewasm/ops'

const { train, test } = await datasets.digits() // images of 8×8
const [T, B, pixels, hidden, classes] = [4, 32, 64, 128, 10]
const shape1 = { input: [B, pixels], weight: [hidden, pixels] }
const shape2 = { input: [B, hidden], weight: [classes, hidden] }

// Forward, over T steps: a constant current, spikes, and the outputs of each step.
const current = ops.linear.plan(shape1)
const neurons = ops.lif.plan({ input: [B, hidden], timeSteps: T })
const output = ops.linear.plan({ ...shape2, input: [B, T, hidden], spikes: true })
const loss = ops.crossEntropy.plan({ input: [B, T, classes], over: 'imagesAndSteps' })
// Backward, over means: no time axis any more.
const weight2 = ops.linearWeightGradient.plan(shape2)
const back2 = ops.linearInputGradient.plan(shape2)
const through = ops.lifBackward.plan({ mode: 'rate', input: [B, hidden] })
const weight1 = ops.linearWeightGradient.plan(shape1)

/** Numbers that look random and are the same in each run. */
const weight = (outputs, inputs) =>
  Float32Array.from({ length: outputs * inputs }, (_, i) => Math.sin(i * i) / Math.sqrt(inputs))
const weights = [weight(hidden, pixels), weight(classes, hidden)]
const velocities = weights.map(({ length }) => new Float32Array(length))
const updates = weights.map(({ length }) => ops.sgd.plan({ shape: [length], momentum: 0.9 }))

function forward(x, labels) {
  const { spikes, rates, eligibilities } = neurons.run(current.run(x, weights[0]))
  return { rates, eligibilities, ...loss.run(output.run(spikes, weights[1]), labels) }
}

function step(x, labels, lr) {
  const { rates, eligibilities, gradient, correct } = forward(x, labels)
  const ofCurrents = through.run(back2.run(weights[1], gradient), eligibilities)
  const gradients = [weight1.run(x, ofCurrents), weight2.run(rates, gradient)]
  for (const i of [0, 1]) updates[i].run(weights[i], gradients[i], velocities[i], { lr })
  return correct[0]
}

/** The share of right answers of `visit`, which gets each whole batch of a data set. */
function overBatches(data, visit) {
  const [x, labels] = [new Float32Array(B * pixels), new Int32Array(B)]
  const count = data.length - (data.length % B)
  let right = 0
  for (let i = 0; i < count; i++) {
    labels[i % B] = data.read(i, x.subarray((i % B) * pixels, ((i % B) + 1) * pixels))
    if (i % B === B - 1) right += visit(x, labels)
  }
  return `${((100 * right) / count).toFixed(1)} % of ${count} digits`
}

for (let epoch = 0; epoch < 8; epoch++) {
  const right = overBatches(train, (x, labels) => step(x, labels, 1 / (1 + epoch)))
  console.log(`epoch ${epoch}: ${right}`)
}
const right = overBatches(test, (x, labels) => forward(x, labels).correct[0])
console.log(`test: ${right}`)
