// A loss that is differentiated by an autodiff library, jax-js (npm install @jax-js/jax): the focal
// loss, which counts samples less that are right already.
// Run it after `npm run build` with: node examples/autodiff-loss.mjs
import { nn, numpy as np, valueAndGrad } from '@jax-js/jax'
import { checkGradient, custom, datasets, flatten, lif, linear, sequential, sgd } from 'spikewasm'

/** −(1 − p)² log p of the right class, in the mean; `ref` keeps an array that is used again. */
function focal(z, y) {
  const log = nn.logSoftmax(z).mul(nn.oneHot(y, 10)).sum(-1)
  return np.square(np.exp(log.ref).sub(1)).mul(log).mean().neg()
}

const loss = custom(async ({ outputs, targets, shape }) => {
  const [value, gradient] = valueAndGrad(focal)(np.array(outputs).reshape(shape), np.array(targets))
  return { loss: value.item(), gradient: await gradient.data() }
})

const outputs = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i * i))
const { error } = await checkGradient(loss, outputs, Int32Array.of(3, 1, 4, 1), {
  epsilon: 0.01,
  tolerance: 0.01,
})
console.log(`the gradient is that of the loss: ${error < 0.01}`)

const { train, test } = await datasets.digits()
const net = sequential(flatten(), linear(64, 64), lif(), linear(64, 10))
const model = await net.compile({ input: [1, 8, 8], batchSize: 32, loss, seed: 0 })
await model.fit(train, { epochs: 5, optimizer: sgd({ lr: 1 }) })
const x = new Float32Array(64 * test.length)
const labels = Array.from({ length: test.length }, (_, i) => test.read(i, x.subarray(64 * i)))
const { classes } = await model.predict(x)
const right = labels.filter((label, i) => label === classes[i]).length
console.log(`${((100 * right) / test.length).toFixed(1)} % of the test digits are right`)
await model.dispose()
