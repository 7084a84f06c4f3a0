// Embeddings by a triplet loss: digits of one class come to lie beside each other, and a new digit
// has the class of its nearest neighbour. Each sample of a batch is compared with the farthest of
// its class and the nearest of another (batch hard: Hermans, Beyer and Leibe, 2017).
// Run it after `npm run build` with: node examples/triplet.mjs
import { adam, cosine, custom, datasets, flatten, lif, linear, sequential } from 'spikewasm'

const margin = 0.5 // how much nearer its own class must be

/** The distance of row a of x and row b of z, of `sizes` numbers each. */
function distance(x, a, z, b, sizes) {
  let sum = 1e-12 // so that it has a derivative where rows are equal
  for (let i = 0; i < sizes; i++) sum += (x[a * sizes + i] - z[b * sizes + i]) ** 2
  return Math.sqrt(sum)
}

/** The mean over anchors a of max(0, d(a, farthest of its own) − d(a, nearest other) + margin). */
function triplet({ outputs: z, targets: labels, valid, shape: [, sizes] }) {
  const gradient = new Float64Array(z.length)
  /** Adds weight · ∂d(a, b). */
  const addGradient = (a, b, weight) => {
    const factor = weight / distance(z, a, z, b, sizes)
    for (let i = 0; i < sizes; i++) {
      const change = factor * (z[a * sizes + i] - z[b * sizes + i])
      gradient[a * sizes + i] += change
      gradient[b * sizes + i] -= change
    }
  }
  let loss = 0
  for (let a = 0; a < valid; a++) {
    let [same, far, other, near] = [-1, 0, -1, Infinity]
    for (let b = 0; b < valid; b++) {
      const between = a === b ? 0 : distance(z, a, z, b, sizes)
      if (labels[a] !== labels[b] && between < near) [other, near] = [b, between]
      if (labels[a] === labels[b] && between > far) [same, far] = [b, between]
    }
    const missing = far - near + margin
    if (missing <= 0 || same < 0) continue
    loss += missing / valid
    addGradient(a, same, 1 / valid)
    addGradient(a, other, -1 / valid)
  }
  return { loss, gradient }
}

/** The images [n][64] and labels of a data set. */
function arraysOf(data) {
  const x = new Float32Array(data.length * 64)
  const read = (_, i) => data.read(i, x.subarray(64 * i, 64 * i + 64))
  return { x, labels: Array.from({ length: data.length }, read) }
}

/** How many test digits have the class of their nearest training digit, by what `embed` makes. */
async function neighbours(embed) {
  const [x, z] = [await embed(test.x), await embed(train.x)]
  const sizes = x.length / test.labels.length
  const right = test.labels.filter((label, a) => {
    let [nearest, near] = [-1, Infinity]
    for (let b = 0; b < train.labels.length; b++) {
      const between = distance(x, a, z, b, sizes)
      if (between < near) [nearest, near] = [train.labels[b], between]
    }
    return nearest === label
  })
  const share = (100 * right.length) / test.labels.length
  return `by ${sizes} numbers the nearest neighbour is right for ${share.toFixed(1)} %`
}

const digits = await datasets.digits()
const [train, test] = [arraysOf(digits.train), arraysOf(digits.test)]
const net = sequential(flatten(), linear(64, 256), lif(), linear(256, 16))
const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 64, seed: 0 })
const embed = async (x) => (await model.predict(x)).logits
console.log(`pixels: ${await neighbours((x) => x)} of ${digits.test.length} test digits`)
console.log(`before training: ${await neighbours(embed)}`)
const training = { epochs: 20, optimizer: adam({ lr: 2e-3 }), schedule: cosine() }
await model.fit(digits.train, { ...training, loss: custom(triplet) })
console.log(`after training: ${await neighbours(embed)}`)
await model.dispose()
