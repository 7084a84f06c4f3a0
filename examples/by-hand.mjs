// The method of site/learn/by-hand.md. After `npm run build`: node examples/by-hand.mjs
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
const weight = (length, inputs) =>
  Float32Array.from({ length }, (_, i) => (((i * i) % 1021) / 510 - 1) / Math.sqrt(inputs))
export const weights = [weight(hidden * pixels, pixels), weight(classes * hidden, hidden)]
const velocities = weights.map(({ length }) => new Float32Array(length))
const updates = weights.map(({ length }) => ops.sgd.plan({ shape: [length], momentum: 0.9 }))

function forward(x, labels) {
  const { spikes, rates, eligibilities } = neurons.run(current.run(x, weights[0]))
  return { rates, eligibilities, ...loss.run(output.run(spikes, weights[1]), labels) }
}

export function backward(x, labels) {
  const { rates, eligibilities, gradient, correct } = forward(x, labels)
  const ofCurrents = through.run(back2.run(weights[1], gradient), eligibilities)
  return { gradients: [weight1.run(x, ofCurrents), weight2.run(rates, gradient)], correct }
}

/** The percentage of right answers of `visit`, which gets each whole batch of a data set. */
function overBatches(data, visit) {
  const [x, labels] = [new Float32Array(B * pixels), new Int32Array(B)]
  let right = 0
  for (let i = 0; i < data.length; i++) {
    labels[i % B] = data.read(i, x.subarray((i % B) * pixels, ((i % B) + 1) * pixels))
    if (i % B === B - 1) right += visit(x, labels)
  }
  return (100 * right) / (data.length - (data.length % B))
}

for (let epoch = 0; epoch < 8; epoch++) {
  const right = overBatches(train, (x, labels) => {
    const { gradients, correct } = backward(x, labels)
    for (const i of [0, 1])
      updates[i].run(weights[i], gradients[i], velocities[i], { lr: 1 / (1 + epoch) })
    return correct[0]
  })
  console.log(`epoch ${epoch}: ${right.toFixed(1)} % right`)
}
export const right = overBatches(test, (x, labels) => forward(x, labels).correct[0])
console.log(`test: ${right.toFixed(1)} % right`)
