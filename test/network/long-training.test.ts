/**
 * Training over more steps than a byte counts, and in segments of them, beside the definitions in
 * float64.
 */

import * as assert from 'uvu/assert'
import { methodNames, mostSteps } from '../../src/compile/methods.js'
import { expectSteps } from '../../src/diagnose/measure.js'
import { stepMask } from '../../src/engine/run/run-words.js'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { checkCase, checkMoves, makeCase } from '../support/case.js'
import { testRandom } from '../support/engine.js'
import { learnSame } from '../support/learning.js'
import { expectClose, norm, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { layersOf, netOf } from '../support/net.js'

const input = [2, 4, 5] as const

/** Neurons that hear their own spikes, all of them or each its own. */
const hears = (allToAll: boolean): api.Layer[] => [
  ...layersOf(input, 'flatten, linear 5'),
  api.recurrent(
    api.alif({ tau: 3, learn: ['tau', 'beta'], surrogate: 'rectangle', detachReset: true }),
    { allToAll },
  ),
  api.linear(5, 3),
]
const nets: Readonly<Record<string, string | api.Layer[]>> = {
  'a convolution': 'conv 3 3, lif, flatten, linear 3',
  'a normalisation': 'conv 3 3 bias=false, norm, lif vReset=0, avgPool2d 2, flatten, linear 3',
  'a delay': 'flatten, linear 6, lif, delay 3, linear 5, plif detachReset=false, linear 3',
  'recurrent neurons': hears(true),
  'neurons that hear themselves': hears(false),
}

for (const [i, [name, net]] of Object.entries(nets).entries())
  for (const [j, stepMode] of (['m', 's'] as const).entries())
    test(`bptt ${stepMode}, ${name}: 256 to 1000 steps have the gradients of their definition`, async () => {
      for (const [n, timeSteps] of [256, 300, 520, 1000].entries()) {
        if ((i + j + n) % 2 === 1) continue
        const shared = { input, timeSteps, batchSize: 2, frames: n < 2 } as const
        const c = await makeCase(net, { ...shared, method: 'bptt', stepMode }, 5)
        await checkCase(`${timeSteps} steps`, c)
      }
    })

for (const [name, net] of Object.entries(nets))
  test(`bptt in segments, ${name}: the gradients of states that are detached between them`, async () => {
    for (const [timeSteps, truncate, stepMode] of [
      [7, 3, 'm'],
      [20, 1, 'm'],
      [21, 2, 's'],
      [33, 5, 'm'],
      [40, 8, 's'],
      [50, 16, 'm'],
      [50, 12, 's'],
      [300, 70, 'm'],
    ] as const) {
      const shared = { input, timeSteps, batchSize: 2, frames: true, stepMode } as const
      const c = await makeCase(net, { ...shared, method: 'bptt', truncate }, 7)
      const where = `${truncate} of ${timeSteps} steps`
      await checkCase(where, c)
    }
  })

const rates: Readonly<Record<string, string>> = {
  'a convolution': 'conv 3 3, lif, flatten, linear 3',
  'normalisations, sums of spikes': `conv 4 3 padding=1 bias=false, norm, lif, conv 4 3 padding=1,
    lif, avgPool2d 2, flatten, linear 3`,
  'a delay': 'conv 3 2, norm, lif vReset=0, delay 40, flatten, linear 4, plif, linear 3',
}
for (const [i, [name, net]] of Object.entries(rates).entries())
  for (const [j, stepMode] of (['m', 's'] as const).entries())
    test(`rate ${stepMode}, ${name}: 256 and 600 steps have the gradients of their definition`, async () => {
      for (const [n, timeSteps] of [256, 600].entries()) {
        const shared = { input, timeSteps, batchSize: 2, frames: (i + j + n) % 2 === 0 } as const
        const c = await makeCase(net, { ...shared, stepMode }, 5)
        await checkCase(`${timeSteps} steps`, c)
      }
    })

const online = {
  'a linear network': 'flatten, linear 6, lif, linear 5, lif vReset=0, linear 3',
  'a convolution': 'conv 3 3, lif, avgPool2d 2, flatten, linear 3',
}
for (const [method, update] of [
  ['ottt', 'afterwards'],
  ['ottt', 'everyStep'],
  ['sltt', 'afterwards'],
  ['sltt', 'everyStep'],
  ['os', undefined],
] as const)
  for (const [name, net] of Object.entries(online))
    test(`${method} ${update ?? ''}, ${name}: 33, 64 and 300 steps have the gradients of their definition`, async () => {
      for (const timeSteps of [33, 64, 300]) {
        const shared = { input, timeSteps, batchSize: 2, frames: timeSteps === 64 } as const
        const sgd = { lr: 0.01, momentum: 0.9, weightDecay: 0 }
        const more = update === 'everyStep' ? { sgd } : {}
        const c = await makeCase(net, { ...shared, method, update }, 5, more)
        if (update === 'everyStep') await checkMoves(c, { lr: 0.01, momentum: 0.9 })
        else await checkCase(`${timeSteps} steps`, c)
      }
    })

for (const [timeSteps, backwardSteps] of [
  [33, 30],
  [61, 60],
  [300, 5],
  [300, 290],
] as const)
  test(`sltt learns from ${backwardSteps} of ${timeSteps} steps, which a seed chooses`, async () => {
    const chosenAt = (steps: number): number[] => {
      const plan = { options: { backwardSteps } } as never
      const words = stepMask({ plan } as never, { timeSteps, seed: 0, steps })
      const all = Array.from({ length: timeSteps }, (_, t) => t)
      return all.filter((t) => (words[t >> 5] >>> (t & 31)) & 1)
    }
    const chosen = chosenAt(0)
    assert.is(chosen.length, backwardSteps)
    assert.ok(`${chosen}` !== `${chosenAt(1)}`)
    assert.ok(chosen.at(-1)! > 31)
    const options = { input, timeSteps, batchSize: 2, method: 'sltt', backwardSteps } as const
    const c = await makeCase(online['a convolution'], options, 5, { backwardSteps: chosen })
    await checkCase(`${backwardSteps} of ${timeSteps}`, c)
  })

const inBits = async (net: string | api.Layer[], options: Partial<api.CompileOptions>) => {
  const layers = typeof net === 'string' ? layersOf(input, net) : net
  const shared = { input, timeSteps: 40, batchSize: 8, frames: true, seed: 3 } as const
  const model = await modelOf(api.sequential(...layers), { ...shared, method: 'bptt', ...options })
  await model.trainStep(uniform(8 * 40 * 40, 2, 3), [0, 1, 2, 0, 1, 2, 0, 1])
  const state = model.stateDict()
  const setting = model.toJSON()
  await model.dispose()
  return { state, setting }
}

for (const [name, net] of Object.entries(nets))
  test(`${name}: segments of all steps change no bit, and others none by threads or checkpoints`, async () => {
    const plain = await inBits(net, {})
    for (const truncate of [40, 4000]) assert.equal(await inBits(net, { truncate }), plain)
    const cut = await inBits(net, { truncate: 7 })
    assert.is(cut.setting.method.truncate, 7)
    assert.not.equal(cut.state, plain.state)
    for (const more of [{ threads: 3 }, { gradientCheckpoint: 'layers' }] as const)
      assert.equal((await inBits(net, { truncate: 7, ...more })).state, cut.state)
  })

test('a training that goes on compares segments, and those of all steps with none', () =>
  withFolder(async (dir) => {
    const images = uniform(8 * 40, 2, 3)
    const labels = [0, 1, 2, 0, 1, 2, 0, 1]
    const data = api.fromArrays({ images, labels, shape: [...input], classes: 3 })
    const fit = async (truncate: number | undefined, more: api.FitOptions) => {
      const net = netOf(input, nets['a delay'] as string)
      const options = { input, timeSteps: 9, batchSize: 4, method: 'bptt', truncate } as const
      const model = await modelOf(net, options)
      try {
        await model.fit(data, { epochs: 2, ...more })
      } finally {
        await model.dispose()
      }
    }
    const [cut, plain] = [`${dir}/cut`, `${dir}/plain`]
    await fit(4, { callbacks: [api.checkpoint({ dir: cut })] })
    await fit(4, { resume: cut })
    for (const other of [3, undefined])
      await expectRefusal(() => fit(other, { resume: cut }), /truncate/)
    await fit(9, { callbacks: [api.checkpoint({ dir: plain })] })
    await fit(undefined, { resume: plain })
  }))

for (const options of [
  { method: 'bptt', truncate: 3, timeSteps: 10 },
  { method: 'bptt', timeSteps: 255 },
  { method: 'ottt', timeSteps: 70 },
  { method: 'sltt', timeSteps: 32, backwardSteps: 5 },
] as const)
  test(`an exported file learns the same bits: ${JSON.stringify(options)}`, async () => {
    const net = netOf(input, 'conv 3 3, lif, flatten, linear 5, lif, linear 3')
    const model = await modelOf(net, { input, batchSize: 2, seed: 5, ...options })
    await learnSame(model, testRandom(3), 3)
    await model.dispose()
  })

test('each limit of time steps works, and a step more is refused by name', async () => {
  const net = 'flatten, linear 4, lif, linear 2'
  const at = (timeSteps: number, more: Partial<api.CompileOptions> = {}, text = net) =>
    modelOf(netOf(input, text), { input, timeSteps, batchSize: 1, ...more })
  const step = (model: api.Model) => model.trainStep(uniform(40, 2, 3), [1])
  const two = api.block({ a: api.linear(40, 2), b: api.linear(2, 2) }, ({ a, b }, x) => {
    const early = a(x)
    return { early, output: b(early) }
  })
  const rows: Record<string, readonly [(T: number) => Promise<unknown>, RegExp]> = {
    ...Object.fromEntries(
      methodNames.map((method) => [
        method,
        [
          async (T: number) => step(await at(T, { method })),
          /^compile.timeSteps must be .* 1 to 4096 \(a/,
        ],
      ]),
    ),
    ...Object.fromEntries(
      (['inference', 'stream'] as const).map((purpose) => [
        purpose,
        [
          (T: number) => at(T, { purpose }),
          /^compile.timeSteps must be .* 1 to 4096 \(a stream may go on/,
        ],
      ]),
    ),
    exportWasm: [
      async (T) => api.exportWasm(await at(T)),
      /at most 255, got 256; use a model loaded/,
    ],
    exportedChoice: [
      async (T) =>
        api.exportWasm(await at(T, { method: 'sltt', backwardSteps: 2 }), { mode: 'train' }),
      /backwardSteps 2, in a file that learns, must be at most 32, got 33; use all backwardSteps$/,
    ],
    stepRates: [
      async (T) => {
        const model = await at(T, { inspect: true, method: 'bptt' })
        await step(model)
        return model.stepRates()
      },
      /^stepRates: timeSteps must be at most 255, got 256; use record: 'all' and spikes\(\)$/,
    ],
    diagnose: [
      async (timeSteps) => expectSteps(timeSteps),
      /^diagnose.timeSteps must be at most 255, got 256; use fewer$/,
    ],
    selfDistillation: [
      async (timeSteps) => {
        const loss = api.selfDistillation()
        return step(await modelOf(two, { input: [40], timeSteps, batchSize: 1, loss }))
      },
      /^timeSteps with loss selfDistillation\(\) must be at most 255, got 256; use fewer$/,
    ],
    officialRate: [
      async (T) => step(await at(T, {}, 'lif, maxPool2d 2 rate=official, flatten, linear 2')),
      /^1 \(maxPool2d\): timeSteps with rate 'official' must be .* got 256; use rate 'pooled', or/,
    ],
  }
  assert.equal(Object.keys(rows).sort(), Object.keys(mostSteps).sort())
  for (const [name, [run, message]] of Object.entries(rows)) {
    const most = mostSteps[name as keyof typeof mostSteps]
    await run(most)
    await expectRefusal(() => run(most + 1), message)
  }
})

test('a gradient that explodes through recurrent weights names clipNorm', async () => {
  for (const [text, message, more] of [
    ['hears, linear 3', /explode: clipNorm, for example clipNorm: 1, a lower/, {}],
    ['hears, linear 3', /; a clipNorm smaller than 2, a lower learning/, { clipNorm: 2 }],
    ['lif, linear 3', /(step|it); a lower learning rate or normalised input helps$/, {}],
  ] as const) {
    const own = { hears: () => api.recurrent(api.lif()) }
    const options = { input, timeSteps: 300, batchSize: 1, method: 'bptt' } as const
    const model = await modelOf(netOf(input, `flatten, linear 4, ${text}`, own), options)
    const state = model.stateDict()
    state['1.weight'].data.fill(text.startsWith('lif') ? 3e38 : 0.02)
    state['2.recurrent.weight']?.data.fill(9)
    state['3.weight'].data.fill(text.startsWith('lif') ? 3e38 : 1)
    model.loadStateDict(state)
    await expectRefusal(() => model.trainStep(uniform(40, 2, 3), [1], more), message)
    await model.dispose()
  }
})

/** A block that adds spikes, and one that joins them. */
const own = {
  fires: () => api.neuron('u = x; spike = u >= 0.3'),
  sew: (n: number) => api.residual(api.sequential(api.conv2d(n, n, 1), own.fires())),
  joined: (n: number) =>
    api.block({ a: api.conv2d(n, n, 1), fires: own.fires() }, ({ a, fires }, x, { concat }) =>
      concat(x, fires(a(x))),
    ),
}
// Neurons without a memory: the same frames again have the same rates, and the same gradients.
for (const [name, net, more] of [
  ['max pooling', 'conv 3 3 padding=1, fires, maxPool2d 2, conv 3 2, fires, flatten, linear 3'],
  ['dropout', 'conv 3 2, fires, dropout 0.4, flatten, linear 6, fires, dropout 0.2, linear 3'],
  ['a block that adds', 'conv 3 2 bias=false, norm, fires, sew, avgPool2d 2, flatten, linear 3'],
  [
    'a block that joins, relu',
    'conv 3 2 bias=false, norm, relu, conv 3 1, fires, joined, flatten, linear 3',
  ],
  ['penalties', 'conv 3 2, fires, flatten, linear 6, fires, linear 3', { penalties: true }],
  ['timeMean', 'conv 3 2, fires, timeMean, flatten, linear 6, relu, linear 3', { whole: true }],
  ['inspect', 'conv 3 2, fires, flatten, linear 6, fires, linear 3', { inspect: true }],
] as const)
  for (const [method, stepMode] of [
    ['rate', 'm'],
    ['rate', 's'],
    ['bptt', 'm'],
  ] as const)
    if (!('whole' in (more ?? {})) || stepMode === 'm')
      test(`${method} ${stepMode}, ${name}: 260 steps are twice 130 steps`, async () => {
        const penalties =
          more && 'penalties' in more ? [api.ratePenalty({ weight: 2, target: 0.4 })] : []
        const size = 40
        const x = uniform(2 * 130 * size, 2, 3)
        const twice = new Float32Array(2 * x.length)
        for (const image of [0, 1]) {
          const one = x.subarray(image * 130 * size, (image + 1) * 130 * size)
          twice.set(one, 2 * image * 130 * size)
          twice.set(one, (2 * image + 1) * 130 * size)
        }
        const run = async (timeSteps: number, images: Float32Array) => {
          const shared = { input, timeSteps, frames: true, batchSize: 2, seed: 3 } as const
          const inspect = more !== undefined && 'inspect' in more
          const options = { ...shared, method, stepMode, penalties, inspect }
          const model = await modelOf(netOf(input, net, own), options)
          const result = await model.trainStep(images, [0, 2], { update: false })
          const seen = inspect ? model.activity('1').rate : []
          const { logits } = await model.predict(images)
          const rates = model.firingRates()
          const gradients = model.gradients()
          await model.dispose()
          return { result, seen, logits, rates, gradients }
        }
        const [a, b] = [await run(130, x), await run(260, twice)]
        expectClose('loss', [b.result.loss], [a.result.loss], 1e-5)
        expectClose('output', b.logits, a.logits, 1e-5)
        expectClose('seen', b.seen, a.seen, 1e-6)
        expectClose('rates', Object.values(b.rates), Object.values(a.rates), 1e-6)
        const factor = method === 'rate' ? 2 : 1
        for (const [key, { data }] of Object.entries(a.gradients)) {
          const found = b.gradients[key].data.map((value) => value * factor)
          expectClose(key, found, data, 3e-5)
        }
        assert.ok(norm(a.gradients['0.weight'].data) > 1e-6)
      })

test.run()
