// Delayed XOR: two bits come as bursts of spikes; later the network is asked whether they differ.
// The data have a target for each step, and the loss leaves out the steps that are not asked.
// Run it after `npm run build` with: node examples/delayed-xor.mjs
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

const net = sw.sequential(
  sw.linear(3, 64),
  sw.recurrent(sw.lif({ tau: 20, surrogate: 'atan' })),
  sw.linear(64, 2),
  sw.leakyIntegrator({ tau: 3 }),
)
const loss = sw.crossEntropy({ targets: 'steps', ignore: unasked })
const setting = { input: [3], frames: true, timeSteps: T, batchSize: B, method: 'bptt', seed: 0 }
const model = await net.compile({ ...setting, loss, optimizer: sw.adam({ lr: 3e-3 }) })
const [train, test] = [trials(2048), trials(512)]
const right = async () => `${(100 * (await model.evaluate(test)).accuracy).toFixed(1)} %`
console.log(`${T} steps, and the question at the last ${T - asked}`)
console.log(
  `before training ${await right()} of the answers in ${test.length} new trials are right`,
)
await model.fit(train, { epochs: 7, clipNorm: 1 })
console.log(`after training ${await right()} are right`)
await model.dispose()
