// A Siamese network (Bromley et al., 1993): one block with one set of weights looks at two digits,
// and the difference of what it makes of them tells whether they are the same digit.
// Run it after `npm run build` with: node examples/siamese.mjs
import * as sw from 'spikewasm'

const pixels = 64

let word = 7 // of a small generator, so that each run prints the same
const random = (below) => {
  word = (Math.imul(word, 1664525) + 1013904223) >>> 0
  return Math.floor((word / 2 ** 32) * below)
}

/** Pairs of images; each second one is of the same digit, class 1. */
function pairs(data, count) {
  const ofDigit = Array.from({ length: 10 }, () => [])
  for (let i = 0; i < data.length; i++) {
    const image = new Float32Array(pixels)
    ofDigit[data.read(i, image)].push(image)
  }
  const [left, right] = [0, 1].map(() => new Float32Array(count * pixels))
  const labels = Array.from({ length: count }, (_, n) => n % 2)
  for (const [n, isSame] of labels.entries()) {
    const digit = random(10)
    const other = isSame ? digit : (digit + 1 + random(9)) % 10
    left.set(ofDigit[digit][random(ofDigit[digit].length)], n * pixels)
    right.set(ofDigit[other][random(ofDigit[other].length)], n * pixels)
  }
  return { inputs: { left, right }, labels }
}

const children = {
  twin: sw.sequential(
    ...[sw.conv2d(1, 16, 3, { padding: 1, bias: false }), sw.batchNorm2d(16), sw.lif()],
    ...[sw.avgPool2d(2), sw.flatten(), sw.linear(256, 64), sw.lif()],
    ...[sw.linear(64, 16), sw.timeMean()], // 16 numbers, of all steps
  ),
  minus: sw.scale(-1),
  head: sw.linear(16, 2),
}
const shape = { left: [1, 8, 8], right: [1, 8, 8] }
const net = sw.block(children, (m, { left, right }, { add, mul }) => {
  const difference = add(m.twin(left), m.minus(m.twin(right)))
  return m.head(mul(difference, difference))
})
const digits = await sw.datasets.digits()
const [train, test] = [pairs(digits.train, 4000), pairs(digits.test, 1000)]
const dataOf = (all) => sw.fromArrays({ ...all, shape, classes: 2 })
const model = await net.compile({ input: shape, timeSteps: 4, batchSize: 64, seed: 0 })
const right = async () => `${(100 * (await model.evaluate(dataOf(test))).accuracy).toFixed(1)} %`
console.log(`${model.parameterCount} parameters, those of the twins once`)
console.log(
  `same digit or not, before training: ${await right()} of ${test.labels.length} new pairs`,
)
await model.fit(dataOf(train), {
  epochs: 8,
  optimizer: sw.adam({ lr: 2e-3 }),
  schedule: sw.cosine(),
})
console.log(`after training: ${await right()}`)

// Either way round the answer is the same.
const { left, right: other } = test.inputs
const [one, turned] = [
  await model.predict({ left, right: other }),
  await model.predict({ left: other, right: left }),
]
const isEqual = one.logits.every((value, i) => value === turned.logits[i])
console.log(`all pairs and the pairs turned round have the same outputs: ${isEqual}`)
await model.dispose()
