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
  for (const [name, network, why] of [
    ['0', 'conv 8 3 weights=W, lif, flatten, linear 4', 'it reads floats, from the input'],
    ['2', `${start}, conv 8 3 groups=2 weights=W, lif, flatten, linear 4`, 'it has groups'],
    ['2', `${start}, conv 8 2 dilation=2 weights=W, lif, flatten, linear 4`, 'it has a dilation'],
    [
      '2',
      'conv 8 3, relu, conv 4 1 weights=W, flatten, linear 4',
      'it reads floats, from 1 \\(relu\\)',
    ],
    [
      '4',
      `${start}, avgPool2d 2, avgPool2d 2, conv 4 1 weights=W, flatten, linear 4`,
      'it reads floats, from 3 \\(avgPool2d.*\\)',
    ],
    [
      '5',
      `${start}, avgPool2d 2, dropout 0.5, flatten, linear 4 weights=W`,
      'it reads floats, from 3 \\(dropout\\)',
    ],
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
            `^${name} \\(\\w+\\): weights must be left out here, got '${own}': ${why}; they are float32$`,
          ),
        )
})

/** Layers of a plan that stay floats, and why. */
const floatsOf = (built: Built, shape: readonly [number, number, number]): string[] => {
  const network = typeof built === 'string' ? netOf(shape, built) : built()
  const more = { weights: 'int8', batchSize: 1, purpose: 'inference' } as const
  return [...(makePlan(planOptions(network, shape, more), 1).floats ?? [])].map(([, why]) => why)
}

test('the reasons for which layers stay floats: limits of lists and of sums, other sums', () => {
  const wide = (kernel: number): string => `lif, avgPool2d ${kernel} stride=1, flatten, linear 2`
  assert.equal(floatsOf(wide(16), [4, 142, 143]), [])
  assert.match(floatsOf(wide(17), [4, 143, 144])[0], /^an output sums 18791936 neurons, of at most/)
  assert.equal(floatsOf('lif, flatten, linear 2', [4, 127, 128]), [])
  assert.match(
    floatsOf('lif, flatten, linear 2', [4, 128, 128])[0],
    /^an output has 65536 inputs as stored, of at most 65534$/,
  )
  const sum = (of: api.Layer) => (): api.Module =>
    api.block(
      { n: api.lif(), of, c: api.conv2d(8, 4, 1), end: netOf([4, 6, 6], 'flatten, linear 4') },
      (m, x, { add }) => {
        const spikes = m.n(x)
        return m.end(m.c(add(spikes, m.of(spikes))))
      },
    )
  const scaled = 'it reads a sum of terms with different factors, from '
  const pooled = 'it reads a sum of terms that are pooled differently, from '
  for (const [of, why] of [
    [api.scale(0.5), scaled],
    [api.avgPool2d(3, { stride: 1, padding: 1 }), pooled],
  ] as const) {
    const [found] = floatsOf(sum(of), [8, 6, 6])
    assert.is(found.slice(0, why.length), why)
  }
})

test('a model without any such weight is refused, wrong names too', async () => {
  for (const network of [
    'flatten, linear 4',
    'conv 8 3, relu, flatten, linear 4',
    `${start}, conv 8 3 groups=8, lif, avgPool2d 2, dropout 0.1, flatten, linear 4`,
  ])
    await expectRefusal(
      () => api.compile(netOf(input, network), { input, weights: 'int6' }),
      /^compile\.weights must be 'f32' for this network, got 'int6': whole numbers are for weights that spikes meet/,
    )
  await expectRefusal(
    () =>
      api.compile(netOf(input, `${start}, conv 8 3 groups=2, flatten, linear 4`), {
        input,
        weights: 'int8',
      }),
    /no layer has such \(0 \(conv2d\): it reads floats, from the input; 2 \(conv2d\): it has groups; 4 \(linear\): it reads floats, from 2 \(conv2d\)\); leave/,
  )
  await expectRefusal(
    () => api.compile(netOf(input, 'flatten, linear 4 weights=f32'), { input, weights: 'int8' }),
    /no layer has such; leave it out$/,
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
