/**
 * Layers whose lists are built for some images at a time: outputs and statistics of the batch are
 * those of its images.
 */

import * as assert from 'uvu/assert'
import { splitImages } from '../../src/compile/convolution/geometry.js'
import { withBudgets } from '../support/budgets.js'
import { expectClose, labels, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'

test('splitImages: all images in order, sizes that differ by one at most, no group over the budget but of one image', () => {
  for (let images = 1; images < 40; images++)
    for (const most of [0.5, 1, 2, 3.5, 7, 64]) {
      const groups = splitImages(images, 10, 10 * most)
      let next = 0
      for (const group of groups) {
        assert.is(group.firstImage, next)
        next += group.images
      }
      assert.is(next, images)
      const sizes = groups.map((group) => group.images)
      assert.ok(
        Math.min(...sizes) >= 1 && Math.max(...sizes) <= Math.max(1, most),
        `${images}, ${most}: ${sizes}`,
      )
      assert.ok(
        sizes[0] === Math.max(...sizes) && Math.max(...sizes) - Math.min(...sizes) <= 1,
        `${images}, ${most}: ${sizes}`,
      )
      assert.is(groups.length, Math.ceil(images / Math.max(1, Math.floor(most))))
    }
})

test('statistics of a batch in passes are those of its images, outputs too', async () => {
  // Lists are written out, for a few images at a time. No normalisation in front: spikes do not
  // depend on the batch.
  const [images, input] = [7, [2, 8, 11] as const]
  const size = input.reduce((a, b) => a * b, 1)
  const text = 'conv 8 3 padding=1, lif, conv 6 3, norm, lif, flatten, linear 3'
  const options = { input, timeSteps: 6, threads: 1, seed: 4 }
  const whole = await withBudgets({ leastForwardUnits: 99, listBytes: 100_000 }, () =>
    compileNet(text, { ...options, batchSize: images }),
  )
  const single = await compileNet(text, { ...options, batchSize: 1 })
  const state = whole.stateDict()
  const x = uniform(images * size, 3, 5)
  const y = labels(images, 3, 6)

  await whole.trainStep(x, y, { update: false })
  const trained = whole.stateDict()
  const records = (await whole.profile(1)).filter(({ op }) => op === 'SpikeLists')
  assert.ok(
    records.length > 2 * 2,
    `${records.length} records: several passes of two groups of steps for the second convolution`,
  )
  await whole.loadStateDict(state)
  const { logits } = await whole.predict(x)

  // The running statistics take a tenth of the batch's.
  const momentum = 0.1
  const pixels = 6 * 6 * 9
  const channels = Array.from({ length: 6 }, () => ({ sum: 0, squares: 0 }))
  for (let i = 0; i < images; i++) {
    await single.loadStateDict(state)
    const image = x.slice(i * size, (i + 1) * size)
    assert.equal(
      (await single.predict(image)).logits,
      logits.slice(i * 3, (i + 1) * 3),
      `logits of image ${i}`,
    )
    await single.trainStep(image, y.slice(i, i + 1), { update: false })
    const { '3.running_mean': mean, '3.running_var': variance } = single.stateDict()
    channels.forEach((channel, c) => {
      const m = mean.data[c] / momentum
      const v = (variance.data[c] - (1 - momentum)) / momentum
      channel.sum += m * pixels
      channel.squares += v * (pixels - 1) + m * m * pixels
    })
  }
  const count = images * pixels
  const means = channels.map(({ sum }) => sum / count)
  const variances = channels.map(
    ({ squares }, c) => (squares - count * means[c] ** 2) / (count - 1),
  )
  expectClose(
    'running mean',
    trained['3.running_mean'].data,
    means.map((m) => m * momentum),
    1e-4,
  )
  expectClose(
    'running variance',
    Array.from(trained['3.running_var'].data, (v) => v - (1 - momentum)),
    variances.map((v) => v * momentum),
    1e-4,
  )
})

test.run()
