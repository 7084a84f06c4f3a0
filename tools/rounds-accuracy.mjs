// Accuracy of trainings in rounds against one machine with the same samples, means over seeds.
//
//   node tools/rounds-accuracy.mjs --data /usr/share/datasets/fashion-mnist [--limit 12000]
//     [--test 10000] [--epochs 5] [--seeds 0,1,2] [--replicas 4] [--sync-every 20]
//     [--batch-size 16] [--lr 0.1] [--outer-lr 0.7] [--outer-momentum 0.9]
//     [--only alone,none,bfloat16,int8]
//
// `alone` has a batch of replicas × batch-size: as many samples a step as all replicas together.
import { parseArgs } from 'node:util'

const at = (path) => new URL(`../build/src/${path}`, import.meta.url)
const { compile, cosine, datasets, sgd, subset } = await import(at('index.js'))
const { cnn } = await import(at('model/models/index.js'))
const { fitRounds } = await import(at('scale/index.js'))

const { values } = parseArgs({
  options: Object.fromEntries(
    Object.entries({
      data: '/usr/share/datasets/fashion-mnist',
      limit: '60000',
      test: '10000',
      epochs: '5',
      seeds: '0,1,2',
      replicas: '4',
      'sync-every': '20',
      'batch-size': '16',
      lr: '0.1',
      'outer-lr': '',
      'outer-momentum': '',
      only: 'alone,none,bfloat16,int8',
      threads: '1',
    }).map(([name, preset]) => [name, { type: 'string', default: preset }]),
  ),
})
const number = (name) => Number(values[name])
const whole = await datasets.fashionMnist(values.data)
const [train, test] = [subset(whole.train, number('limit')), subset(whole.test, number('test'))]
const seeds = values.seeds.split(',').map(Number)
const [replicas, syncEvery, epochs] = ['replicas', 'sync-every', 'epochs'].map(number)
const B = number('batch-size')
const given = (name) => (values[name] === '' ? undefined : number(name))
const outer = { outerLr: given('outer-lr'), outerMomentum: given('outer-momentum') }
console.log(
  `${train.length} samples, ${epochs} epochs, ${replicas} replicas of batch ${B}, H ${syncEvery}, ` +
    `lr ${values.lr}, outer ${JSON.stringify(outer)}`,
)

async function accuracy(how, seed) {
  const input = [1, 28, 28]
  const model = await compile(cnn(input, 10), {
    ...{ input, timeSteps: 4, seed, threads: number('threads') },
    batchSize: how === 'alone' ? B * replicas : B,
  })
  const lr = number('lr')
  const options = { epochs, optimizer: sgd({ lr, weightDecay: 5e-4 }), schedule: cosine() }
  try {
    if (how === 'alone') await model.fit(train, options)
    else {
      const rounds = { replicas, syncEvery, compress: how, ...outer }
      await fitRounds(model, train, { ...options, rounds })
    }
    return (await model.evaluate(test, { operations: false })).accuracy
  } finally {
    await model.dispose()
  }
}

for (const how of values.only.split(',')) {
  const found = []
  for (const seed of seeds) found.push(100 * (await accuracy(how, seed)))
  const mean = found.reduce((a, b) => a + b, 0) / found.length
  console.log(`${how}: ${mean.toFixed(2)} % (${found.map((x) => x.toFixed(2)).join(', ')})`)
}
