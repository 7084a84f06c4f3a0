// Accuracy of trainings in rounds against one machine with the same samples, means over seeds.
//
//   node tools/rounds-accuracy.mjs --data /usr/share/datasets/fashion-mnist [--limit 12000]
//     [--test 10000] [--epochs 5] [--seeds 0,1,2] [--replicas 4] [--sync-every 20]
//     [--batch-size 16] [--lr 0.1] [--outer-lr 0.7] [--outer-momentum 0.9] [--threads 1]
//     [--only alone,none,bfloat16,int8]
//
// `alone` has a batch of replicas × batch-size: as many samples a step as all replicas together.
import { integer, readOptions, text } from './options.mjs'

const at = (path) => new URL(`../build/src/${path}`, import.meta.url)
const { compile, cosine, datasets, sgd, subset } = await import(at('index.js'))
const { cnn } = await import(at('model/models/index.js'))
const { fitRounds } = await import(at('scale/index.js'))

const words = (preset) => ({ ...text, default: preset })
const values = readOptions({
  data: words('/usr/share/datasets/fashion-mnist'),
  limit: integer(60_000),
  test: integer(10_000),
  epochs: integer(5),
  seeds: words('0,1,2'),
  replicas: integer(4),
  'sync-every': integer(20),
  'batch-size': integer(16),
  lr: words('0.1'),
  'outer-lr': text,
  'outer-momentum': text,
  only: words('alone,none,bfloat16,int8'),
  threads: integer(1),
})
const { epochs, replicas, syncEvery, batchSize, threads } = values
const [lr, outerLr, outerMomentum] = ['lr', 'outerLr', 'outerMomentum'].map(
  (name) => values[name] && Number(values[name]),
)
const whole = await datasets.fashionMnist(values.data)
const [train, test] = [subset(whole.train, values.limit), subset(whole.test, values.test)]
console.log(
  `${train.length} samples, ${epochs} epochs, ${replicas} replicas of batch ${batchSize}, ` +
    `H ${syncEvery}, lr ${lr}, outer ${JSON.stringify({ outerLr, outerMomentum })}`,
)

async function accuracy(how, seed) {
  const input = [1, 28, 28]
  const size = how === 'alone' ? batchSize * replicas : batchSize
  const options = { input, timeSteps: 4, seed, threads, batchSize: size }
  const model = await compile(cnn(input, 10), options)
  const fit = { epochs, optimizer: sgd({ lr, weightDecay: 5e-4 }), schedule: cosine() }
  const rounds = { replicas, syncEvery, compress: how, outerLr, outerMomentum }
  try {
    if (how === 'alone') await model.fit(train, fit)
    else await fitRounds(model, train, { ...fit, rounds })
    return (await model.evaluate(test, { operations: false })).accuracy
  } finally {
    await model.dispose()
  }
}

for (const how of values.only.split(',')) {
  const found = []
  for (const seed of values.seeds.split(',')) found.push(100 * (await accuracy(how, Number(seed))))
  const mean = found.reduce((a, b) => a + b, 0) / found.length
  console.log(`${how}: ${mean.toFixed(2)} % (${found.map((x) => x.toFixed(2)).join(', ')})`)
}
