// What the figures of this lesson show, by runs in Node when the site is built.
import * as sw from 'spikewasm'
import { percent, shadesOf } from '../../kit/numbers.js'
import { elsewhere, middle, names } from './sign.js'
import { learn } from './signs.js'

const FEW = 60

async function learnSigns(moved) {
  const { accuracy, hash, ask, dispose } = await learn([], moved)
  const answer = await ask(elsewhere[0].shades)
  await dispose()
  return { accuracy: percent(accuracy, 0), hash, answer }
}

/** A network sees few digits: accuracies by epoch, and what was taken for what in the end. */
async function learnDigits(few, test) {
  const net = sw.sequential(sw.flatten(), sw.linear(64, 32), sw.lif({ tau: 4 }), sw.linear(32, 10))
  const model = await net.compile({ input: [1, 8, 8], timeSteps: 8, batchSize: 20, seed: 1 })
  const options = { epochs: 40, optimizer: sw.adam({ lr: 0.01 }), schedule: sw.cosine() }
  const { epochs } = await model.fit(few, { ...options, validation: test })
  const { accuracy, confusion } = await model.evaluate(test)
  await model.dispose()
  const curve = (name) => epochs.map((record) => [record.epoch, +record[name].toFixed(3)])
  const curves = [
    { name: 'test digits', points: curve('testAccuracy') },
    { name: 'the few that it learns', points: curve('trainAccuracy') },
  ]
  return { tested: percent(accuracy, 0), confusion, curves }
}

/** A sample as six epochs of training see it. */
function epochsOf(data, index, normalization) {
  const sample = new Float32Array(64)
  return Array.from({ length: 6 }, (_, epoch) => {
    data.read(index, sample, { seed: 1, epoch })
    return { shades: shadesOf(sample, normalization), label: `epoch ${epoch + 1}` }
  })
}

export default {
  async load() {
    const { train, test } = await sw.datasets.digits()
    const few = sw.subset(train, FEW)
    const digits = await learnDigits(few, test)
    return {
      ...{ names, middle, drawing: elsewhere[0].shades },
      ...{ still: await learnSigns(false), signs: await learnSigns(true) },
      ...{ few: FEW, ...digits, trained: percent(digits.curves[1].points.at(-1)[1], 0) },
      moved: epochsOf(sw.augment(train, { crop: 1 }), 3, train.pixels.normalization),
      movedTested: (await learnDigits(sw.augment(few, { crop: 1 }), test)).tested,
      ones: digits.confusion[1].reduce((a, b) => a + b),
      threes: digits.confusion.reduce((sum, row) => sum + row[3], 0),
    }
  },
}
