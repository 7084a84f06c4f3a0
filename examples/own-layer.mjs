// Layers of one's own: places that are learnt, and a gated linear unit (Dauphin et al., ICML 2017).
// Derivatives follow from what a forward function does with its values, and a file keeps that: it
// is loaded without the function. Run it after `npm run build` with: node examples/own-layer.mjs
import {
  conv2d,
  datasets,
  layer,
  lif,
  linear,
  loadModel,
  reshape,
  sequential,
  sgd,
} from 'spikewasm'

/** Adds to each number of an image one that is learnt. */
const places = (...shape) =>
  layer({
    name: 'places',
    parameters: { place: { shape, start: { normal: 0.02 } } },
    forward: ({ add }, x, { place }) => add(x, place),
  })

/** V·x times σ(W·x + b): what passes is learnt. */
const gated = (from, to) =>
  layer({
    name: 'gated',
    parameters: {
      value: { shape: [to, from], start: 'kaiming' },
      gate: { shape: [to, from] },
      open: { shape: [to], start: 1 },
    },
    forward({ add, elementwise, matmul, mul }, x, { value, gate, open }) {
      const share = elementwise('sigmoid(x)', add(matmul(gate, x), open))
      return mul(matmul(value, x), share)
    },
  })

const net = sequential({
  conv: conv2d(1, 8, 4, { stride: 2, padding: 1 }), // [1, 8, 8] → [8, 4, 4]
  places: places(8, 4, 4),
  fire1: lif(),
  flat: reshape([128]),
  gated: gated(128, 64),
  fire2: lif({ vThreshold: 0.5 }),
  head: linear(64, 10),
})
const { train, test } = await datasets.digits()
// Both factors of the gate change from step to step, which one gradient for all cannot say.
const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 32, method: 'bptt' })
await model.fit(train, { epochs: 4, optimizer: sgd({ lr: 0.1 }) })

const loaded = await loadModel(await model.toBytes())
const { accuracy } = await loaded.evaluate(test)
console.log(`${(100 * accuracy).toFixed(1)} % of ${test.length} test digits are right`)
for (const [name, { shape }] of Object.entries(loaded.stateDict())) console.log(name, shape)
await Promise.all([model.dispose(), loaded.dispose()])
