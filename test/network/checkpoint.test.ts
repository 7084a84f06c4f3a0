/**
 * `gradientCheckpoint`: what layers make again for the backward pass leaves every bit of a step as
 * it was.
 */

import * as assert from 'uvu/assert'
import { makePlan, type Plan } from '../../src/compile/plan.js'
import * as api from '../../src/index.js'
import { randomNetwork } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { isLong, ofLong } from '../support/long.js'
import { expectSameBits, labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { planOptions } from '../support/plans.js'

const seed = Number(process.env.SEED ?? 71)

type Options = api.CompileOptions & { timeSteps: number; batchSize: number }

/** Parameters and statistics after two steps, and the gradients and losses of both. */
async function twoSteps(
  network: api.Block,
  options: Options,
): Promise<{ losses: number[]; states: api.StateDict[]; plan: Plan }> {
  const model = await modelOf(network, { method: 'bptt', seed: 5, ...options })
  try {
    const { batchSize, timeSteps, frames, input } = options
    const images = batchSize * (frames ? timeSteps : 1)
    const x = uniform(images * input.reduce((a, b) => a * b, 1), 3, seed)
    const y = labels(batchSize, model.classes, seed)
    const losses: number[] = []
    const states: api.StateDict[] = []
    for (let i = 0; i < 2; i++) {
      losses.push((await model.trainStep(x, y, { lr: 0.1 })).loss)
      states.push(model.gradients())
    }
    states.push(model.stateDict())
    return { losses, states, plan: model.session.plan }
  } finally {
    await model.dispose()
  }
}

/**
 * Runs both kinds and compares their bits; returns the share of gradients that are not zero, and the
 * plan that makes layers again.
 */
async function compareBits(
  what: string,
  network: api.Block,
  options: Options,
): Promise<{ share: number; plan: Plan }> {
  const kept = await twoSteps(network, options)
  const again = await twoSteps(network, { ...options, gradientCheckpoint: 'layers' })
  assert.equal(again.losses, kept.losses, `${what}: losses`)
  for (const [i, state] of kept.states.entries())
    expectSameBits(`${what}: state ${i}`, again.states[i], state)
  const gradients = Object.values(kept.states[0])
  const learning = gradients.filter(({ data }) => data.some((v) => v !== 0)).length
  return { share: learning / gradients.length, plan: again.plan }
}

/** What a plan makes again whole, in parts, and which gradients it writes in parts. */
function madeAgain({ buffers }: Plan) {
  const count = (pattern: RegExp): number => buffers.filter(({ name }) => pattern.test(name)).length
  return {
    whole: count(/ again$/),
    parts: count(/ again, from image/),
    gradients: count(/, a part$/),
  }
}

const input = [3, 12, 12] as const

/** A convolution and its normalisation, of an image of any size. */
const norm = (from: number, to: number, stride = 1, kernel = 3): api.Block =>
  netOf(
    [from, 12, 12],
    `conv ${to} ${kernel} padding=${(kernel - 1) / 2} stride=${stride} bias=false, norm`,
  )

/** A block of a ResNet, of a SEW-ResNet where spikes are added. */
const shortcut = (from: number, to = from, stride = 1): api.Block =>
  api.block(
    {
      main: api.sequential(norm(from, to, stride), api.lif(), norm(to, to)),
      ...(to !== from && { side: norm(from, to, stride, 1) }),
      out: api.lif(),
    },
    (m, x, { add }) => m.out(add(m.main(x), m.side ? m.side(x) : x)),
  )
/** A value and what a layer makes of it, added: and neurons behind them. */
const added = (layer: api.Layer, fires = true): api.Block =>
  api.block({ layer, ...(fires && { out: api.lif() }) }, (m, x, { add }) => {
    const sum = add(x, m.layer(x))
    return m.out ? m.out(sum) : sum
  })
const pool = () => api.avgPool2d(3, { stride: 1, padding: 1 })

const own = {
  normed: (from: number, to: number) => norm(from, to),
  shortcut,
  sew: (n: number) => api.residual(api.sequential(norm(n, n), api.lif())),
  adds: (n: number) =>
    api.residual(netOf([n, 12, 12], `norm, lif, conv ${n} 3 padding=1 standardise=true`)),
  rectifies: (n: number) => api.residual(netOf([n, 12, 12], `norm, relu, conv ${n} 3 padding=1`)),
  addsPool: () => added(pool()),
  addsMore: () => added(api.scale(2.5)),
  sumsPool: () => added(pool(), false),
}
const texts: Readonly<Record<string, string>> = {
  resnet: `normed 16, lif, shortcut, shortcut, shortcut 24 2, adaptiveAvgPool2d 1, flatten, linear 5`,
  'sew, pooled': `normed 12, lif, sew, sew, avgPool2d 2, normed 20, lif, maxPool2d 2,
    conv 20 3 padding=1 groups=20, lif, flatten, linear 5`,
  'currents added, pooled and rectified': `conv 8 3 padding=1, adds, rectifies, maxPool2d 2, relu,
    dropout 0.3, scale 1.7, normed 16, lif, conv 16 3 padding=1 groups=2, norm, plif vReset=0, flatten,
    linear 5`,
  'spikes read twice by a neuron': `normed 12, lif, addsPool, normed 12, lif, addsMore, normed 12, lif,
    sumsPool, normed 12, lif, adaptiveAvgPool2d 1, flatten, linear 5`,
  'plif, dropout': `normed 8, plif, dropout 0.2, normed 8, plif detachReset=false, normed 8,
    plif decayInput=true, flatten, dropout 0.2, linear 20, lif, linear 5`,
}
const networks = Object.fromEntries(
  Object.entries(texts).map(([name, text]) => [name, netOf(input, text, own)]),
)

for (const [i, [name, network]] of Object.entries(networks).entries())
  for (const stepMode of ['m', 's'] as const)
    test(`${name}, step mode ${stepMode}: T of 1 to 9, frames, 1 to 3 threads`, async () => {
      for (const [timeSteps, batchSize, threads, frames] of [
        [1, 8, 1, false],
        [2, 3, 2, true],
        ...(isLong || (stepMode === 'm' && i % 2 === 1) ? [[4, 9, 1, false] as const] : []),
        [5, 1, 1, true],
        ...(isLong || (stepMode === 'm') === (i % 2 === 0) ? [[9, 16, 3, false] as const] : []),
      ] as const) {
        const options = { input, timeSteps, batchSize, threads, frames, stepMode }
        const what = `T=${timeSteps} B=${batchSize} threads=${threads} frames=${frames}`
        // At one step nothing depends on the leak.
        const { share } = await compareBits(what, network, options)
        assert.ok(share > 0.7, `${what}: ${share} of the gradients are not zero`)
      }
    })

const kept = new Map<string, Plan>()
/** The plan of a network of the table for a batch of 16; tests read the same ones. */
function tablePlan(name: string, timeSteps: number, kind: 'none' | 'layers'): Plan {
  const key = `${name} ${timeSteps} ${kind}`
  const of = { method: 'bptt', gradientCheckpoint: kind } as const
  const plan =
    kept.get(key) ?? makePlan(planOptions(networks[name], input, { ...of, timeSteps }), 1)
  kept.set(key, plan)
  return plan
}

test('they do make activations again, whole and in parts, and write gradients in parts', () => {
  const names = Object.keys(networks)
  const all = names.map((name) => madeAgain(tablePlan(name, 16, 'layers')))
  for (const made of all) assert.ok(made.whole + made.parts > 0, JSON.stringify(all))
  assert.ok(all.filter(({ parts }) => parts >= 16).length >= 2, JSON.stringify(all))
  assert.ok(all.filter(({ gradients }) => gradients >= 8).length >= 2, JSON.stringify(all))
  for (const name of names)
    assert.equal(madeAgain(tablePlan(name, 16, 'none')), { whole: 0, parts: 0, gradients: 0 })
})

test('random networks, in both engines', async () => {
  const random = testRandom(seed)
  let [whole, parts] = [0, 0]
  const rounds = ofLong(14, 28)
  for (let round = 0; round < rounds; round++) {
    const size = 6 + Math.floor(random() * 7)
    const shape = [random() < 0.3 ? 1 : 3, size, size] as const
    const network = randomNetwork(random, shape, 'bptt')
    const options = {
      input: shape,
      timeSteps: 1 + Math.floor(random() * 9),
      batchSize: 1 + Math.floor(random() * 17),
      stepMode: random() < 0.5 ? 'm' : 's',
      frames: random() < 0.3,
      inspect: random() < 0.2,
      engine: random() < 0.3 ? 'debug' : 'release',
    } as const
    const what = `round ${round} seed=${seed} ${JSON.stringify(options)}`
    const made = madeAgain((await compareBits(what, network, options)).plan)
    whole += made.whole
    parts += made.parts
  }
  const enough = whole > 0.4 * rounds && parts > 0.6 * rounds
  assert.ok(enough, `${whole} made again whole, ${parts} parts`)
})

test('with many steps it takes far less memory, and never more than without', () => {
  for (const name of Object.keys(networks))
    for (const timeSteps of [1, 4, 16]) {
      const [none, layers] = (['none', 'layers'] as const).map(
        (kind) => tablePlan(name, timeSteps, kind).memory,
      )
      assert.ok(layers.total <= none.total, `${name} T=${timeSteps}`)
      const most = name === 'resnet' ? 0.5 : 0.85
      if (timeSteps === 16)
        assert.ok(layers.total < most * none.total, `${name}: ${layers.total} of ${none.total}`)
    }
})

test.run()
