// Own data from arrays: a network learns to tell horizontal, vertical and diagonal stripes apart.
// Run it after `npm run build` with: node examples/own-data.mjs
import { batchNorm2d, conv2d, flatten, fromArrays, lif, linear, sequential, sgd } from 'spikewasm'

const names = ['horizontal', 'vertical', 'diagonal']
const side = 8

let state = 1 // of a small generator, so that each run prints the same
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

/** `count` images [1, 8, 8] of noisy stripes, and the number of each one's class. */
function stripes(count) {
  const images = new Float32Array(count * side * side)
  const labels = Array.from({ length: count }, (_, n) => n % names.length)
  labels.forEach((label, n) => {
    const shift = Math.floor(random() * 4)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const place = [y, x, x + y][label] + shift
        images[(n * side + y) * side + x] = (place % 4 < 2 ? 1 : -1) + 3 * (random() - 0.5)
      }
  })
  return fromArrays({ name: 'stripes', images, labels, shape: [1, side, side], classes: 3 })
}

const filters = [conv2d(1, 8, 3, { padding: 1, bias: false }), batchNorm2d(8), lif()]
const net = sequential(...filters, flatten(), linear(8 * side * side, names.length))
const model = await net.compile({ input: [1, side, side], timeSteps: 4, batchSize: 32, seed: 0 })
await model.fit(stripes(960), { epochs: 3, optimizer: sgd({ lr: 0.1 }) })
const test = stripes(300)
const { accuracy } = await model.evaluate(test)
console.log(`accuracy on ${test.length} new images: ${(100 * accuracy).toFixed(1)} %`)
const image = new Float32Array(side * side)
const label = test.read(7, image)
const { classes } = await model.predict(image)
console.log(`image 7 shows ${names[label]} stripes; the network says ${names[classes[0]]}`)
await model.dispose()
