/** Which weights are whole numbers: those that spikes meet at all places, in plans of any purpose. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { PlanPurpose } from '../../src/compile/context.js'
import { makePlan, type Plan, type PlanOptions } from '../../src/compile/plan.js'
import { standardTraining } from '../../src/compile/training.js'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { netOf } from '../support/net.js'
import { Op } from '../support/operations.js'
import { planOptions } from '../support/plans.js'

const input = [3, 8, 8] as const
type Built = string | (() => api.Module)

const networkOf = (of: Built): api.Module => (typeof of === 'string' ? netOf(input, of) : of())
const optionsOf = (of: Built, more: Partial<PlanOptions> = {}): PlanOptions =>
  planOptions(networkOf(of), input, { weights: 'int8', batchSize: 2, ...more })

const wholeOf = ({ integers }: Plan): string[] =>
  integers.map(({ name, most }) => `${name} ${most}`).sort()

const start = 'conv 8 3 padding=1, lif'
const children = {
  body: netOf(input, `${start}, conv 8 3 padding=1, lif`),
  pool: api.flatten(),
  early: api.linear(512, 4),
  head: api.linear(512, 4),
}
/** A layer that is called twice; the second time on what `second` makes of it. */
const shared = (second: api.Layer) => (): api.Module =>
  api.block(
    {
      body: netOf(input, start),
      twice: api.conv2d(8, 8, 3, { padding: 1 }),
      n: api.lif(),
      second,
      end: netOf([8, 8, 8], 'flatten, linear 4'),
    },
    (m, x, { add }) => {
      const spikes = m.body(x)
      return m.end(m.n(add(m.twice(spikes), m.twice(m.second(spikes)))))
    },
  )
const exits = (): api.Module =>
  api.block(children, (m, x) => {
    const spikes = m.pool(m.body(x))
    return { early: m.early(spikes), output: m.head(spikes) }
  })

const rows: Readonly<Record<string, readonly [Built, string[], Partial<PlanOptions>?]>> = {
  'spikes, pooled and plain': [
    `${start}, avgPool2d 2, conv 8 3, lif, maxPool2d 2, flatten, linear 4`,
    ['3.weight 127', '7.weight 127'],
  ],
  'six bits': [`${start}, flatten, linear 4`, ['3.weight 31'], { weights: 'int6' }],
  'groups, dilation and floats stay': [
    `${start}, conv 8 3 groups=2, lif, conv 8 2 dilation=2, lif, conv 8 1, relu, conv 8 1, lif,
      flatten, linear 4`,
    ['11.weight 127', '6.weight 127'],
  ],
  'a layer says otherwise than the model': [
    `${start}, conv 8 3 weights=int6, lif, conv 8 3 weights=f32, lif, flatten, linear 4`,
    ['2.weight 31', '7.weight 127'],
  ],
  'layers in a model of floats': [
    `${start}, conv 8 3 weights=int6, lif, conv 8 3, lif, flatten, linear 4 weights=int8`,
    ['2.weight 31', '7.weight 127'],
    { weights: 'f32' },
  ],
  'sums with one factor, not with several': [
    () =>
      api.block(
        {
          a: netOf(input, start),
          b: netOf(input, start),
          half: api.scale(0.5),
          same: api.conv2d(8, 8, 3, { padding: 1 }),
          other: api.conv2d(8, 8, 3, { padding: 1 }),
          n: api.lif(),
          end: netOf([8, 8, 8], 'flatten, linear 4'),
        },
        (m, x, { add }) => {
          const [a, b] = [m.a(x), m.b(x)]
          return m.end(m.n(add(m.same(add(a, b)), m.other(add(a, m.half(b))))))
        },
      ),
    ['end.1.weight 127', 'same.weight 127'],
  ],
  'a layer of two places on spikes': [
    shared(api.identity()),
    ['end.1.weight 127', 'twice.weight 127'],
  ],
  'a layer with one of two places on floats': [shared(api.relu()), ['end.1.weight 127']],
  'what dropout makes floats': [
    `${start}, dropout 0.5, conv 8 3, lif, avgPool2d 2, dropout 0.5, conv 8 1, lif, flatten, linear 4`,
    ['10.weight 127', '3.weight 127'],
  ],
  'all outputs': [
    exits,
    ['body.2.weight 127', 'early.weight 127', 'head.weight 127'],
    { training: { ...standardTraining, loss: api.selfDistillation() } },
  ],
}
/** Purposes of models and of files, whose parameters are fixed but where they learn. */
const plans: readonly (readonly [PlanPurpose, fixed: boolean])[] = [
  ...(['train', 'inference', 'stream', 'learning'] as const).map((of) => [of, false] as const),
  ...(['inference', 'stream', 'both'] as const).map((of) => [of, true] as const),
]
for (const [name, [network, wanted, more]] of Object.entries(rows))
  test(`${name}: the same for all purposes, and in files`, () => {
    for (const [purpose, fixed] of plans) {
      const training = more?.training && { training: more.training }
      const options = optionsOf(network, { ...more, ...training, purpose, fixed })
      // Whoever has no other outputs does without their weights.
      const has = ['train', 'learning'].includes(purpose)
      const used = wanted.filter((of) => has || !of.startsWith('early'))
      assert.equal(wholeOf(makePlan(options, 1)), used, `${purpose}, fixed ${fixed}`)
    }
  })

test('a layer that asks in vain is refused by its name', async () => {
  const types = { f32: 'int8', int8: 'int6' } as const
  for (const [name, network] of [
    ['0', 'conv 8 3 weights=W, lif, flatten, linear 4'],
    ['2', `${start}, conv 8 3 groups=2 weights=W, lif, flatten, linear 4`],
    ['2', `${start}, conv 8 2 dilation=2 weights=W, lif, flatten, linear 4`],
    ['3', 'conv 8 3, relu, flatten, linear 4 weights=W'],
    ['5', `${start}, avgPool2d 2, dropout 0.5, flatten, linear 4 weights=W`],
  ])
    for (const [weights, own] of Object.entries(types))
      for (const purpose of ['train', 'inference'] as const)
        await expectRefusal(
          () =>
            api.compile(netOf(input, network.replace('W', own)), {
              input,
              purpose,
              weights: weights as api.WeightType,
            }),
          new RegExp(
            `^${name} \\(\\w+\\): weights '${own}' is for a layer that reads spikes wherever it is ` +
              'called, without groups or dilation; leave weights out: it is float32$',
          ),
        )
})

test('a model without any such weight is refused, wrong names too', async () => {
  for (const network of [
    'flatten, linear 4',
    'conv 8 3, relu, flatten, linear 4',
    `${start}, flatten, linear 4 weights=f32`,
    `${start}, conv 8 3 groups=8, lif, avgPool2d 2, dropout 0.1, flatten, linear 4`,
  ])
    await expectRefusal(
      () => api.compile(netOf(input, network), { input, weights: 'int6' }),
      /^compile\.weights must be 'f32' for this network, got 'int6': whole numbers are for weights that spikes meet/,
    )
  const network = netOf(input, `${start}, flatten, linear 4`)
  await expectRefusal(
    () => api.compile(network, { input, weights: 'int4' as 'int8' }),
    /^compile\.weights must be one of f32, int8, int6, got "int4"/,
  )
  await expectRefusal(
    async () => api.linear(4, 4, { weights: 'int9' as 'int8' }),
    /^linear\.weights must be one of f32, int8, int6, got "int9"/,
  )
})

const deep = `conv 32 3 padding=1, norm, lif, conv 64 3 padding=1, norm, lif, avgPool2d 2,
  conv 64 3 padding=1, norm, lif, flatten, linear 10`

test('sums are of whole numbers in every program, whatever the number of spikes', () => {
  for (const more of [
    {},
    { method: 'bptt' },
    { method: 'sltt' },
    { purpose: 'inference' },
  ] as const) {
    const { programs, integers } = makePlan(optionsOf(deep, more), 1)
    for (const [name, { records }] of Object.entries(programs)) {
      if (name === 'prepare') continue
      const forward = records.filter(({ phase }) => phase === 'forward')
      const count = (...ops: number[]): number =>
        forward.filter(({ op }) => ops.includes(op)).length
      assert.is(count(Op.SpikeForwardBytes), integers.length, name)
      assert.is(count(Op.Choose, Op.SpikeForward, Op.SpikeLists, Op.SpikeConv), 0, name)
    }
  }
})

test('models keep floats beside the whole numbers, files have these alone', () => {
  const bytes = (weights: api.WeightType, more: Partial<PlanOptions>): number =>
    makePlan(optionsOf(deep, { ...more, weights }), 1).memory.parameters
  const file = { purpose: 'inference', fixed: true, batchSize: 1 } as const
  for (const type of ['int8', 'int6'] as const) {
    const [less, more] = [bytes(type, file), bytes('f32', file)]
    assert.ok(less < 0.3 * more, `${less} of ${more}`)
    const [model, before] = [bytes(type, {}), bytes('f32', {})]
    assert.ok(model > 1.2 * before && model < 1.3 * before, `${model}, before ${before}`)
  }
})

test('plans are the same twice, and those of floats have no trace of it', () => {
  const encoded = (weights: api.WeightType): Uint8Array =>
    makePlan(optionsOf(deep, { weights }), 1).encoded.bytes
  assert.equal(encoded('int8'), encoded('int8'))
  const floats = makePlan(optionsOf(deep, { weights: 'f32' }), 1)
  assert.equal([floats.integers, floats.programs.prepare], [[], undefined])
})

test.run()
