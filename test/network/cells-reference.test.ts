/** Random small networks of cells against their definitions in float64. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { checkCase, makeCase } from '../support/case.js'
import { integer, one, type Random, randomCell } from '../support/draw/layers.js'
import { testRandom } from '../support/engine.js'
import { test } from '../support/models.js'

const seed = Number(process.env.SEED ?? 37)
const input = [2, 4, 3] as const

/** Two layers of cells behind a convolution and a linear layer, and an integrator at the end. */
function network(random: Random, method: api.Method): api.Layer[] {
  const shape: api.Shape = [integer(random, 3, 6), 4, 3]
  const cell = (shape: api.Shape, hears: boolean): api.Cell =>
    randomCell(random, shape, { learns: method !== 'sltt', hears: hears && method !== 'rate' })
  const width = integer(random, 5, 9)
  return [
    api.conv2d(2, shape[0], 3, { padding: 1 }),
    cell(shape, random() < 0.5),
    api.avgPool2d([2, 3]),
    api.flatten(),
    api.linear(shape[0] * 2, width),
    cell([width, 1, 1], random() < 0.7),
    api.linear(width, 3),
    ...(random() < 0.3
      ? []
      : [randomCell(random, [3, 1, 1], { learns: method !== 'sltt', spikes: false })]),
  ]
}

for (const method of ['bptt', 'rate', 'sltt'] as const)
  test(`random networks of cells have the gradients of their definition: ${method}`, async () => {
    let recurrences = 0
    for (let n = 0; n < 8; n++) {
      const random = testRandom(seed * 1000 + n)
      const layers = network(random, method)
      const stepMode = method === 'sltt' ? 's' : one(random, ['m', 's'] as const)
      const c = await makeCase(
        layers,
        {
          input,
          timeSteps: integer(random, 3, 6),
          batchSize: 2,
          frames: true,
          method,
          stepMode,
          ...(method === 'sltt' ? { mseWeight: 0.05 } : {}),
        },
        seed + n,
      )
      await checkCase(`${n} ${JSON.stringify(layers)}`, c)
      recurrences += layers.filter((layer) => layer.kind === 'cell' && layer.recurrence).length
    }
    assert.ok(method === 'rate' ? recurrences === 0 : recurrences >= 4, `${recurrences}`)
  })

test.run()
