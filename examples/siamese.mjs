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

/** Pairs of images, [2, 8, 8]; each second one is of the same digit, class 1. */
function pairs(data, count) {
  const ofDigit = Array.from({ length: 10 }, () => [])
  for (let i = 0; i < data.length; i++) {
    const image = new Float32Array(pixels)
    ofDigit[data.read(i, image)].push(image)
  }
  const images = new Float32Array(count * 2 * pixels)
  const labels = Array.from({ length: count }, (_, n) => n % 2)
  for (const [n, isSame] of labels.entries()) {
    const left = random(10)
    const right = isSame ? left : (left + 1 + random(9)) % 10
    for (const [i, digit] of [left, right].entries()) {
      const image = ofDigit[digit][random(ofDigit[digit].length)]
      images.set(image, (2 * n + i) * pixels)
    }
  }
  return sw.fromArrays({ images, labels, shape: [2, 8, 8], classes: 2 })
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
const net = sw.block(children, (m, x, { add, mul, slice }) => {
  const [left, right] = [m.twin(slice(x, 0, 1)), m.twin(slice(x, 1, 2))]
  const difference = add(left, m.minus(right))
  return m.head(mul(difference, difference))
})
const digits = await sw.datasets.digits()
const [train, test] = [pairs(digits.train, 4000), pairs(digits.test, 1000)]
const model = await net.compile({ input: [2, 8, 8], timeSteps: 4, batchSize: 64, seed: 0 })
const right = async () => `${(100 * (await model.evaluate(test)).accuracy).toFixed(1)} %`
console.log(`${model.parameterCount} parameters, those of the twins once`)
console.log(`same digit or not, before training: ${await right()} of ${test.length} new pairs`)
await model.fit(train, { epochs: 8, optimizer: sw.adam({ lr: 2e-3 }), schedule: sw.cosine() })
console.log(`after training: ${await right()}`)

// Either way round the answer is the same.
const pair = new Float32Array(2 * pixels)
test.read(1, pair)
const turned = Float32Array.from(pair, (_, i) => pair[(i + pixels) % pair.length])
const { logits } = await model.predict(Float32Array.of(...pair, ...turned))
const isEqual = logits[0] === logits[2] && logits[1] === logits[3]
console.log(`a pair and the pair turned round have the same outputs: ${isEqual}`)
await model.dispose()
