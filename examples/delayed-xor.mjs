// Delayed XOR: two bits come as bursts of spikes; later the network is asked whether they differ.
// The data have a target for each step, and a loss of one's own leaves out the steps that are not
// asked. Run it after `npm run build` with: node examples/delayed-xor.mjs
import * as sw from 'spikewasm'

const [T, B, asked, unasked] = [30, 64, 25, -1] // steps, batch, first asked step, no target

let word = 7 // of a small generator, so that each run prints the same
const random = () => {
  word = (Math.imul(word, 1664525) + 1013904223) >>> 0
  return word / 2 ** 32
}

/** Trials [count][T][3]: lines for a bit that is 0, for one that is 1, and for the question. */
function trials(count) {
  const inputs = new Float32Array(count * T * 3)
  const targets = new Float32Array(count * T).fill(unasked)
  for (let n = 0; n < count; n++) {
    const bits = [random() < 0.5 ? 0 : 1, random() < 0.5 ? 0 : 1]
    const starts = [Math.floor(4 * random()), 10 + Math.floor(4 * random())]
    for (const i of [0, 1])
      for (let t = starts[i]; t < starts[i] + 3; t++) inputs[(n * T + t) * 3 + bits[i]] = 1
    for (let t = asked; t < T; t++) {
      inputs[(n * T + t) * 3 + 2] = 1
      targets[n * T + t] = bits[0] ^ bits[1]
    }
  }
  return sw.fromArrays({ inputs, targets, shape: [3], timeSteps: T })
}

/** Cross entropy of two classes, the mean over asked steps; z [T][B][2], targets [B][T]. */
function maskedCrossEntropy({ outputs: z, targets, valid, shape: [, batch] }) {
  const gradient = new Float64Array(z.length)
  const count = targets.subarray(0, valid * T).filter((target) => target !== unasked).length
  let [loss, correct] = [0, 0]
  for (let b = 0; b < valid; b++) {
    let margin = 0 // of the right class, over the asked steps
    for (let t = 0; t < T; t++) {
      const target = targets[b * T + t]
      if (target === unasked) continue
      const right = 2 * (t * batch + b) + target
      const wrong = right + (target === 0 ? 1 : -1)
      const lead = z[right] - z[wrong]
      const share = 1 / (1 + Math.exp(lead)) // what softmax gives to the wrong class
      loss -= Math.log(1 - share) / count
      gradient[right] = -share / count
      gradient[wrong] = share / count
      margin += lead
    }
    if (margin > 0) correct++
  }
  return { loss, gradient, correct }
}

const net = sw.sequential(
  sw.linear(3, 64),
  sw.recurrent(sw.lif({ tau: 20, surrogate: 'atan' })),
  sw.linear(64, 2),
  sw.leakyIntegrator({ tau: 3 }),
)
const loss = sw.custom(maskedCrossEntropy, { of: 'steps', targets: T })
const setting = { input: [3], frames: true, timeSteps: T, batchSize: B, method: 'bptt', seed: 0 }
const model = await net.compile({ ...setting, loss, optimizer: sw.adam({ lr: 3e-3 }) })
const [train, test] = [trials(2048), trials(512)]
const right = async () => `${(100 * (await model.evaluate(test)).accuracy).toFixed(1)} %`
console.log(`${T} steps, and the question at the last ${T - asked}`)
console.log(`before training ${await right()} of ${test.length} new trials are right`)
await model.fit(train, { epochs: 7, clipNorm: 1 })
console.log(`after training ${await right()} are right`)
await model.dispose()
