/** SGD against its rule in float64, and the schedules. */

import * as assert from 'uvu/assert'
import { type SgdOptions, sgd } from '../../src/index.js'
import { named } from '../../src/network/optimizer.js'
import { expectClose, labels, uniform } from '../support/measure.js'
import { test } from '../support/models.js'
import { compileNet } from '../support/net.js'
import { applySgd } from '../support/reference.js'

const cases: SgdOptions[] = [
  { lr: 0.1 },
  { lr: 0.05, momentum: 0 },
  { lr: 0.1, weightDecay: 0.1 },
  { lr: 0.1, weightDecay: 0.1, decay: 'weights' },
  { lr: 0.1, momentum: 0.8, nesterov: true },
  { lr: 0.1, momentum: 0.8, nesterov: true, weightDecay: 0.1, decay: 'weights' },
]

for (const options of cases)
  test(`sgd ${JSON.stringify(options)}: four steps follow PyTorch's rule`, async () => {
    const of = { input: [3, 4, 5], batchSize: 6 } as const
    const model = await compileNet('conv 17 3 bias=true, norm, lif, flatten, linear 5', of)
    model.optimizer = sgd(options)
    const { momentum, weightDecay, nesterov } = model.optimizer
    const parameters = Object.fromEntries(
      Object.entries(model.stateDict()).map(([name, { data }]) => [name, Float64Array.from(data)]),
    )
    const velocities = Object.fromEntries(
      Object.entries(parameters).map(([name, data]) => [name, new Float64Array(data.length)]),
    )
    for (let step = 0; step < 4; step++) {
      // Another rate at the third step, as by a schedule.
      const lr = step === 2 ? 0.01 : (options.lr ?? 0.1)
      await model.trainStep(uniform(6 * 60, 2, step), labels(6, 5, step), { lr })
      const gradients = Object.fromEntries(
        Object.entries(model.gradients()).map(([name, { data }]) => [name, data]),
      )
      const decays = (name: string): boolean =>
        options.decay === 'all' || name === '0.weight' || name === '4.weight'
      applySgd(parameters, gradients, velocities, { lr, momentum, weightDecay, nesterov, decays })
      const state = model.stateDict()
      for (const name of Object.keys(gradients))
        expectClose(`${name} after step ${step + 1}`, state[name].data, parameters[name], 1e-6)
    }
    model.resetOptimizer()
    const before = model.stateDict()
    await model.trainStep(uniform(6 * 60, 2, 9), labels(6, 5, 9), { lr: 0.01 })
    const [first, after] = [model.gradients()['0.weight'].data, model.stateDict()['0.weight'].data]
    const expected = before['0.weight'].data.map(
      (p, i) => p - 0.01 * (nesterov ? 1 + momentum : 1) * (first[i] + weightDecay * p),
    )
    expectClose('a step without momentum after resetOptimizer', after, expected, 1e-6)
  })

test('update: false leaves parameters and momentum alone, and gives the same gradients', async () => {
  const options = { input: [3, 4, 5], batchSize: 6 } as const
  const model = await compileNet('flatten, linear 20, lif, linear 5', options)
  const [x, y] = [uniform(360, 2, 1), labels(6, 5, 1)]
  const before = model.stateDict()
  const dry = await model.trainStep(x, y, { update: false })
  const gradients = model.gradients()
  assert.equal(model.stateDict(), before)
  const wet = await model.trainStep(x, y)
  assert.equal(wet, dry)
  assert.equal(model.gradients(), gradients)
  assert.not.equal(model.stateDict(), before)
})

test('names: stars stand for any characters, as a regular expression says', () => {
  const all = ['', 'a', 'ab', 'aab', 'a.b', 'ab.a', 'b.a.b', 'aba', 'abab.b', 'b*', 'x(a)']
  const patterns = [
    '*',
    'a*',
    '*a',
    'a*b',
    '*a*',
    '*b*a*',
    'a**b',
    'ab*ab',
    'a',
    'a*a',
    'b*',
    '*.b',
  ]
  for (const pattern of patterns) {
    const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'))
    const wanted = new RegExp(`^${parts.join('.*')}(\\..*)?$`)
    assert.equal(
      named('freeze', pattern, all),
      all.filter((name) => wanted.test(name)),
      pattern,
    )
  }
  // With backtracking it would not end.
  const long = 'a'.repeat(4000)
  assert.throws(() => named('freeze', `${'*a'.repeat(20)}*b`, [long]), /^freeze must name what/)
})

test.run()
