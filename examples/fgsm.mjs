// An attack by the gradient of the input (FGSM: Goodfellow, Shlens and Szegedy, 2015): each pixel
// moves a little to where the loss grows. Then training on attacked digits, which withstands more.
// Run it after `npm run build` with: node examples/fgsm.mjs
import * as sw from 'spikewasm'

const B = 64
const strength = 0.1 // of the range of pixels

/** The images [n][64] and labels of a data set, in whole batches. */
function arraysOf(data) {
  const n = data.length - (data.length % B)
  const x = new Float32Array(n * 64)
  const y = Array.from({ length: n }, (_, i) => data.read(i, x.subarray(64 * i, 64 * i + 64)))
  return { x, y: Int32Array.from(y) }
}

const { train, test } = await sw.datasets.digits()
const known = arraysOf(train)
const asked = arraysOf(test)
const step = strength * (Math.max(...asked.x) - Math.min(...asked.x))
const batchOf = ({ x, y }, n) => [
  x.slice(64 * B * n, 64 * B * (n + 1)),
  y.slice(B * n, B * (n + 1)),
]

/** A batch whose pixels have moved by the sign of their gradient. */
async function attack(model, x, y) {
  await model.trainStep(x, y, { update: false })
  const gradient = model.inputGradient()
  return x.map((pixel, i) => pixel + step * Math.sign(gradient[i]))
}

const conv = (from, to) => [sw.conv2d(from, to, 3, { padding: 1 }), sw.lif(), sw.avgPool2d(2)]
async function trained(isAttacked) {
  const net = sw.sequential(...conv(1, 16), ...conv(16, 32), sw.flatten(), sw.linear(128, 10))
  const options = { input: [1, 8, 8], timeSteps: 4, batchSize: B, seed: 0, inputGradient: true }
  const model = await net.compile({ ...options, optimizer: sw.adam({ lr: 4e-3 }) })
  for (let epoch = 0; epoch < 10; epoch++)
    for (let n = 0; n < known.y.length / B; n++) {
      const [x, y] = batchOf(known, n)
      await model.trainStep(isAttacked ? await attack(model, x, y) : x, y)
    }
  return model
}

for (const isAttacked of [false, true]) {
  const model = await trained(isAttacked)
  const right = { clean: 0, noisy: 0, attacked: 0 }
  for (let n = 0; n < asked.y.length / B; n++) {
    const [x, y] = batchOf(asked, n)
    const changed = {
      clean: x,
      noisy: x.map((pixel, i) => pixel + (Math.sin(i * i) < 0 ? -step : step)),
      attacked: await attack(model, x, y),
    }
    for (const [name, images] of Object.entries(changed)) {
      const { classes } = await model.predict(images)
      right[name] += classes.filter((c, i) => c === y[i]).length
    }
  }
  const shares = Object.entries(right).map(
    ([name, count]) => `${((100 * count) / asked.y.length).toFixed(1)} % ${name}`,
  )
  console.log(
    `trained on ${isAttacked ? 'attacked' : 'clean'} digits: right are ${shares.join(', ')}`,
  )
  await model.dispose()
}
