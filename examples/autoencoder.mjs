// An autoencoder: convolutions make a digit smaller, down to 24 spiking neurons, and transposed
// convolutions draw it again from their spikes. The target is the image itself.
// Run it after `npm run build` with: node examples/autoencoder.mjs
import * as sw from 'spikewasm'

const [side, pixels] = [8, 64]

/** The images of a data set, [n][64], which are its targets too. */
function ofItself(data) {
  const images = new Float32Array(data.length * pixels)
  for (let i = 0; i < data.length; i++) data.read(i, images.subarray(pixels * i, pixels * (i + 1)))
  return { images, data: sw.fromArrays({ images, targets: images, shape: [1, side, side] }) }
}
const digits = await sw.datasets.digits()
const [train, test] = [ofItself(digits.train), ofItself(digits.test)]

const twofold = { stride: 2, padding: 1 }
const net = sw.sequential({
  encoder: sw.sequential(
    ...[sw.conv2d(1, 16, 4, twofold), sw.lif()], // [16, 4, 4]
    ...[sw.conv2d(16, 6, 4, twofold), sw.lif()], // [6, 2, 2]: the code
  ),
  decoder: sw.sequential(
    ...[sw.convTranspose2d(6, 32, 4, twofold), sw.lif()], // [32, 4, 4]
    sw.convTranspose2d(32, 1, 4, twofold), // [1, 8, 8]
  ),
  outputs: sw.reshape([pixels]),
})
const options = { input: [1, side, side], timeSteps: 4, batchSize: 32, seed: 0 }
const model = await net.compile({ ...options, loss: sw.mse({ targets: 'values' }) })

// What the pixels' means miss: an error for which nobody needs a network.
const mean = new Float64Array(pixels)
for (const [i, value] of train.images.entries()) mean[i % pixels] += value / train.data.length
const squares = test.images.map((value, i) => (value - mean[i % pixels]) ** 2)
const plain = squares.reduce((sum, value) => sum + value, 0) / squares.length
console.log(`mean squared error of the mean image: ${plain.toFixed(3)}`)

const error = async () => (await model.evaluate(test.data)).loss.toFixed(3)
console.log(`of the autoencoder before training: ${await error()}`)
const optimizer = sw.adam({ lr: 5e-3 })
await model.fit(train.data, { epochs: 15, optimizer, schedule: sw.cosine() })
console.log(`of the autoencoder after training: ${await error()}`)

const count = 8
const shown = test.images.slice(0, count * pixels)
const { logits } = await model.predict(shown)
const [low, high, shades] = [Math.min(...shown), Math.max(...shown), ' .:-=+*#%@']
const shade = (value) => {
  const place = Math.round((9 * (value - low)) / (high - low))
  return shades[Math.max(0, Math.min(9, place))]
}
for (const [title, images] of Object.entries({ digits: shown, 'drawn again': logits })) {
  console.log(`${title}:`)
  for (let y = 0; y < side; y++) {
    const row = (n) => images.subarray(n * pixels + y * side, n * pixels + (y + 1) * side)
    const rows = Array.from({ length: count }, (_, n) => Array.from(row(n), shade).join(''))
    console.log(rows.join(' ').trimEnd())
  }
}
await model.dispose()
