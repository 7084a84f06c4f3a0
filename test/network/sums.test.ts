/** Sums of sums: equal terms put together, long ones written out; by the reference of a chain. */

import * as assert from 'uvu/assert'
import {
  type Apply,
  avgPool2d,
  batchNorm2d,
  block,
  conv2d,
  flatten,
  identity,
  type Layer,
  lif,
  linear,
  type Module,
  networkFromJSON,
  type Ops,
  residual,
  scale,
  sequential,
  type Value,
} from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { checkGradients, makeCase } from '../support/case.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { expectClose } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { methodModes } from '../support/tables.js'

/** What a graph of sums is made of: children, and how they are called. */
interface Sums {
  readonly children: Record<string, Module>
  readonly steps: readonly ({ child: string; of: number } | { adds: readonly number[] })[]
  /** How often it holds its input. */
  readonly factor: number
}

const channels = 6

/**
 * Sums, factors and copies of one value, in any order. Copies are tensors of their own: with enough
 * of them a sum is written out.
 */
function randomSums(random: () => number, kind: 'any' | 'doubled' | 'long', copies: boolean): Sums {
  const below = (n: number): number => Math.floor(random() * n)
  const children: Record<string, Module> = {}
  const steps: Sums['steps'][number][] = []
  const factors = [1]
  const add = (adds: readonly number[]): void => {
    steps.push({ adds })
    factors.push(adds.reduce((sum, i) => sum + factors[i], 0))
  }
  const call = (layer: Layer, factor: number, of: number): void => {
    const child = `c${steps.length}`
    children[child] = layer
    steps.push({ child, of })
    factors.push(factor * factors[of])
  }
  const copy = (of: number): void => {
    if (copies) call(scale(Array<number>(channels).fill(0.5)), 0.5, of)
    else call(scale(0.5), 0.5, of)
  }
  if (kind === 'doubled') for (let i = 0; i < 12; i++) add([i, i])
  if (kind === 'long') for (let i = 0; i < 80; i++) copy(0)
  if (kind === 'long') add(factors.map((_, i) => i))
  for (let i = 2 + below(12); i > 0; i--) {
    const of = (): number => below(factors.length)
    const draw = random()
    if (draw < 0.2) call(scale(0.25), 0.25, of())
    else if (draw < 0.3) copy(of())
    else if (draw < 0.4) call(identity(), 1, of())
    else add(Array.from({ length: 2 + below(3) }, of))
  }
  const last = factors.length - 1
  // About as large as it was, so that neurons fire.
  const back = Math.fround(1 / factors[last])
  call(scale(back), back, last)
  return { children, steps, factor: factors[last + 1] }
}

function wire({ steps }: Sums, m: Record<string, Apply>, x: Value, { add }: Ops): Value {
  const values = [x]
  for (const step of steps)
    values.push(
      'adds' in step ? add(...step.adds.map((i) => values[i])) : m[step.child](values[step.of]),
    )
  return values[values.length - 1]
}

const blockOf = (sums: Sums): Module => block(sums.children, (m, x, ops) => wire(sums, m, x, ops))

for (const [j, [method, stepMode]] of methodModes().entries())
  for (const [k, kind] of (['any', 'doubled', 'long'] as const).entries())
    for (const seed of ofLong([1], [1, 2, 3, 4, 5]))
      test(`${kind} sums by ${method} ${stepMode}, seed ${seed}`, async () => {
        const random = testRandom(100 * seed + 10 * j + k)
        const currents = randomSums(random, kind, true)
        // Weights of ottt read spikes, which a factor leaves spikes.
        const spikes = randomSums(random, kind, method !== 'ottt')
        const layers = (first: Layer | Module, second: Layer | Module) =>
          [
            conv2d(2, channels, 3, { padding: 1 }),
            batchNorm2d(channels),
            first,
            lif(),
            second,
            avgPool2d(2),
            flatten(),
            linear(channels * 4, 3),
          ] as Layer[]
        const chain = layers(scale(currents.factor), scale(spikes.factor))
        const options = { input: [2, 4, 4], timeSteps: 3, batchSize: 3, method, stepMode } as const
        const c = await makeCase(chain, { ...options, frames: j % 2 === 0 }, seed)
        await c.spare?.model.dispose()
        const graph = layers(blockOf(currents), blockOf(spikes))
        const model = await modelOf(sequential(...graph), c.options)
        model.loadStateDict(c.state)
        const { loss } = await model.trainStep(c.x, c.y, { update: false })
        expectClose('output', model.output(), c.reference.output, 1e-4)
        expectClose('loss', [loss], [c.reference.loss], 1e-4)
        checkGradients('sums', c, model.gradients(), c.reference.gradients, 1e-4)
      })

const options = { input: [4], timeSteps: 2, batchSize: 2 } as const

test('a value that is doubled twenty times costs nothing', async () => {
  const twenty = Array.from({ length: 20 }, () => residual(identity()))
  const model = await modelOf(sequential(...twenty, linear(4, 2), scale(2 ** -20)), options)
  const plain = await modelOf(sequential(linear(4, 2)), options)
  const { data: weight } = plain.stateDict()['0.weight']
  model.loadStateDict({
    '20.weight': { shape: [2, 4], data: weight },
    '20.bias': { shape: [2], data: new Float32Array(2) },
  })
  plain.loadStateDict({
    '0.weight': { shape: [2, 4], data: weight },
    '0.bias': { shape: [2], data: new Float32Array(2) },
  })
  const x = Float32Array.from([1, 2, 3, 4])
  const [{ logits }, { logits: expected }] = [await model.predict(x), await plain.predict(x)]
  assert.equal(logits, expected, 'a power of two changes no bit')
  const { records } = model.session.plan.programs.single ?? { records: [] }
  assert.ok(records.length < 10, `${records.length} records`)
})

const refused: readonly [string, () => Module, RegExp][] = [
  [
    'doubled 200 times',
    () => sequential(...Array.from({ length: 200 }, () => residual(identity())), linear(4, 2)),
    /add\): the network adds a value to itself so often that its factor is no float32; scale/,
  ],
  [
    'whose sums read all that is before them',
    () =>
      block(
        Object.fromEntries([
          ...Array.from({ length: 500 }, (_, i) => [`r${i}`, lif()]),
          ['last', linear(4, 2)],
        ]),
        (m, x, { add }) => {
          const values = [x]
          for (let i = 0; i < 500; i++) {
            values.push(m[`r${i}`](values[values.length - 1]))
            values.push(add(...values.filter((_, k) => k % 2 === 1 || k === 0), values[0]))
          }
          return m.last(values[values.length - 1])
        },
      ),
    /the network is too large to plan: its layers read sums and joins of more than 80000 values/,
  ],
]
for (const [what, make, message] of refused)
  test(`a network ${what} ends in one message`, () =>
    expectRefusal(() => modelOf(sequential(make()), options), message))

test('a network of 2500 layers, or of blocks 400 deep, compiles, saves and comes back', async () => {
  let deep: Module = linear(4, 2)
  for (let i = 0; i < 400; i++) deep = sequential(deep)
  const long = sequential(...Array.from({ length: 2498 }, () => identity()), linear(4, 2))
  for (const network of [long, deep]) {
    const model = await modelOf(sequential(network), { ...options, purpose: 'inference' })
    const { network: json } = model.toJSON()
    assert.ok(model.summary().includes('linear'))
    const again = await modelOf(networkFromJSON(model.toJSON()), {
      ...options,
      purpose: 'inference',
    })
    assert.equal(again.toJSON().network, json)
    for (const of of [model, again]) await of.dispose()
  }
})

test.run()
