/**
 * A layer that reads a sum of spikes against the sum of what it makes of each: W (a + b) = W a + W b.
 * There it reads one tensor at a time.
 */

import * as assert from 'uvu/assert'
import {
  avgPool2d,
  type Block,
  block,
  conv2d,
  flatten,
  identity,
  lif,
  linear,
  type Module,
  scale,
  sequential,
  type Value,
} from '../../src/index.js'
import { testRandom } from '../support/engine.js'
import { expectClose, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { usualModes } from '../support/tables.js'

const input = [2, 8, 8] as const
const [batchSize, classes] = [3, 4]

interface Sum {
  readonly terms: number
  readonly kernel: 1 | 3
  readonly pooled: boolean
  readonly scaled: boolean
  /** Threshold of the neurons that are added. */
  readonly vThreshold: number
}

/** @param apart whether the layer reads one term after the other. */
function network({ terms, kernel, pooled, scaled, vThreshold }: Sum, apart: boolean): Block {
  const children: Record<string, Module> = {}
  const conv = { padding: 1, bias: false }
  for (let i = 0; i < terms; i++)
    children[`s${i}`] = sequential(conv2d(i ? 8 : 2, 8, 3, conv), lif({ vThreshold }))
  const windows = sequential(pooled ? avgPool2d(2) : identity(), scale(scaled ? 0.5 : 1))
  const read = conv2d(8, 12, kernel, { padding: kernel >> 1, bias: false })
  const size = pooled ? 4 : 8
  const behind = sequential(lif(), flatten(), linear(12 * size ** 2, classes))
  return block(
    Object.assign(children, { windows, read, behind }) as Record<string, Module>,
    (m, x, { add }) => {
      const spikes: Value[] = []
      for (let i = 0; i < terms; i++) spikes.push(m[`s${i}`](spikes.at(-1) ?? x))
      const all = ([first, ...others]: Value[]): Value =>
        others.length ? add(first, ...others) : first
      const seen = (of: Value): Value => m.read(m.windows(of))
      // Several sums, some of as many terms as others.
      const sums = terms > 3 ? [spikes, spikes.slice(0, 2), spikes.slice(-2)] : [spikes]
      const current = all(
        apart ? sums.flatMap((sum) => sum.map(seen)) : sums.map((sum) => seen(all(sum))),
      )
      return m.behind(current)
    },
  )
}

const dataOf = (seed: number, frames: number) =>
  [uniform(batchSize * frames * 128, 2, seed), labels(batchSize, classes, seed)] as const

/** Numbers behind a step: what a layer that reads a sum gives, and gradients. */
async function step(of: Block, options: object, timeSteps: number) {
  const shared = { input, batchSize, timeSteps, seed: 5, frames: true }
  const model = await modelOf(of, { ...shared, ...options })
  const [x, y] = dataOf(7, timeSteps)
  const { logits } = await model.predict(x)
  const { loss } = await model.trainStep(x, y, { update: false })
  const times = await model.profile(1)
  const ran = times.filter(({ phase, milliseconds }) => phase === 'forward' && milliseconds > 0)
  const gradients = model.gradients()
  const rates = Object.values(model.firingRates())
  return { logits, loss, gradients, rates, forward: ran.map(({ op }) => op) }
}

for (const [place, [method, stepMode]] of usualModes.entries())
  test(`${method} ${stepMode}: sums of spikes, of 1 to 6 terms`, async () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = testRandom(100 * place + seed)
      const below = (n: number): number => Math.floor(random() * n)
      const sum: Sum = {
        terms: 1 + ((seed + place) % 6),
        kernel: seed % 2 ? 3 : 1,
        pooled: below(4) === 0,
        scaled: below(3) === 0,
        vThreshold: [0.05, 0.3, 1][below(3)],
      }
      const timeSteps = 1 + ((seed * 5 + place) % 9)
      const options = { method, stepMode }
      const found = await step(network(sum, false), options, timeSteps)
      const expected = await step(network(sum, true), options, timeSteps)
      const where = `${JSON.stringify(sum)} T=${timeSteps}`
      expectClose(`${where} logits`, found.logits, expected.logits, 1e-5)
      assert.equal(found.rates, expected.rates, where)
      for (const [name, { data }] of Object.entries(expected.gradients))
        expectClose(`${where} ${name}`, found.gradients[name].data, data, 1e-4)
    }
  })

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: spikes of a sum choose its kernel, and threads change no bit`, async () => {
    const sum = { terms: 4, kernel: 3, pooled: false, scaled: false } as const
    for (const [vThreshold, winograd] of [
      [0.02, true],
      [2, false],
    ] as const) {
      const of = network({ ...sum, vThreshold }, false)
      const one = await step(of, { method, threads: 1 }, 4)
      assert.is(one.forward.includes('WinogradInputGradient'), winograd, `${vThreshold}`)
      assert.ok(one.forward.includes('SortSpikes'))
      const three = await step(of, { method, threads: 3 }, 4)
      assert.equal(
        [three.logits, three.loss, three.gradients],
        [one.logits, one.loss, one.gradients],
      )
    }
  })

test.run()
