/** `inputGradient`: the gradient of the loss by the input, against float64. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { type Case, makeCase, stepOnEngine } from '../support/case.js'
import { integer, one } from '../support/draw/random.js'
import { testRandom } from '../support/engine.js'
import { ofLong } from '../support/long.js'
import { expectSameBits, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'
import { layersOf } from '../support/net.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 11)

/** As the input lies: what all steps read has the sum over them. */
function expected({ options, reference }: Case): Float64Array {
  const { batchSize: B, timeSteps: T, frames } = options
  const steps = reference.inputGradient
  const size = steps[0].length / B
  const out = new Float64Array(B * size * (frames ? T : 1))
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let i = 0; i < size; i++)
        out[(frames ? b * T + t : b) * size + i] += steps[t][b * size + i]
  return out
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)

async function check(what: string, of: Case, limit = 1e-5): Promise<void> {
  const { model } = await stepOnEngine(of, { inputGradient: true })
  const [found, wanted] = [model.inputGradient(), expected(of)]
  await model.dispose()
  assert.is(found.length, of.x.length, what)
  const far = largest(found.map((value, i) => value - wanted[i]))
  const most = largest(wanted)
  assert.ok(most > 0 && far <= limit * most, `${what}: ${far / most} of the largest`)
}

/** Inputs whose first layers are of every kind that reads one. */
const firsts: Readonly<Record<string, readonly [string, number?]>> = {
  'conv 6 3 padding=1': ['3x5x6'],
  'conv 9 3 stride=2': ['2x7x6'],
  'conv 16 3 padding=1': ['8x8x8'],
  'conv 16 3 stride=2 padding=1': ['8x8x8'],
  'conv 5 5 padding=2 bias=false': ['1x6x5'],
  'conv 6 3 padding=1 groups=3': ['3x5x5'],
  'conv 3 3 groups=3': ['3x5x5'],
  'conv 8 3 padding=1 standardise=true': ['5x4x4'],
  'conv 7 3 stride=2 padding=1': ['6x9'],
  'transposed 5 3 stride=2': ['3x4x3'],
  'linear 9': ['7'],
  'linear 8 bias=false': ['12'],
  'flatten, linear 6': ['3x3x4'],
  'avgPool2d 2, conv 5 2': ['3x6x6'],
  'scale 1.5, conv 4 2': ['3x4x4'],
  'norm, conv 4 2': ['3x4x4'],
  'groupNorm 1, conv 4 2': ['3x4x4'],
  'lif vThreshold=0.4, conv 4 2': ['3x4x4'],
}

for (const [text, [sizes]] of Object.entries(firsts))
  for (const [i, [method, stepMode]] of usualModes.entries()) {
    // It traces no currents.
    if (method === 'ottt' && /norm/i.test(text)) continue
    const input = sizes.split('x').map(Number) as unknown as api.InputShape & readonly number[]
    const offline = method === 'rate' || method === 'bptt'
    const frames = offline && (i + text.length) % 2 === 0
    test(`${text} on ${sizes}: ${method} ${stepMode}${frames ? ', frames' : ''}`, async () => {
      const flat = input.length === 1 || text.startsWith('flatten') ? '' : 'flatten, '
      const end = `lif vThreshold=0.4, ${flat}linear 6, lif vThreshold=0.4, linear 3`
      const layers = layersOf(input, `${text}, ${end}`)
      const options = { input, timeSteps: 5, batchSize: 3, method, stepMode, frames }
      await check(text, await makeCase(layers, options, seed))
    })
  }

test('random networks have the input gradients of float64', async () => {
  for (let i = 0; i < ofLong(10, 200); i++) {
    const random = testRandom(seed + i)
    const [method, stepMode] = usualModes[i % usualModes.length]
    const offline = method === 'rate' || method === 'bptt'
    const input = [1, 1, 1].map(() => integer(random, 1, 8)) as unknown as api.InputShape &
      readonly number[]
    const kernel = one(
      random,
      [1, 2, 3].filter((k) => k <= Math.min(input[1], input[2])),
    )
    const padding = integer(random, 0, kernel >> 1)
    const first = one(random, [
      `conv ${integer(random, 1, 33)} ${kernel} padding=${padding}`,
      `conv ${integer(random, 1, 12)} ${kernel} stride=${integer(random, 1, 3)}`,
      `conv ${2 * input[0]} ${kernel} padding=${padding} groups=${input[0]}`,
      'flatten, linear 7',
    ])
    const flat = first.startsWith('flatten') ? '' : 'flatten, '
    const end = `lif vThreshold=0.3, ${flat}linear 6, lif vThreshold=0.3, linear 3`
    const options = { input, timeSteps: integer(random, 1, 6), batchSize: 2, method, stepMode }
    const of = { ...options, frames: offline && random() < 0.5 }
    const layers = layersOf(input, `${first}, ${end}`)
    await check(`network ${i}, ${first}, ${method}`, await makeCase(layers, of, seed + i))
  }
})

/** Three readers of the input, and no neurons: its gradient is a slope. */
const branches = (c: number): api.Block =>
  api.block(
    {
      a: api.conv2d(c, 4, 3, { padding: 1 }),
      b: api.conv2d(c, 4, 1),
      pool: api.avgPool2d(1),
      c: api.conv2d(c, 4, 3, { padding: 1, bias: false }),
      max: api.maxPool2d(3, { stride: 1, padding: 1 }),
      d: api.conv2d(c, 4, 1),
      act: api.elementwise('tanh(x)'),
      flat: api.flatten(),
      out: api.linear(4 * 20, 3),
    },
    (m, x, { add }) =>
      m.out(m.flat(m.act(add(m.a(x), m.b(x), m.c(m.pool(x)), m.d(m.max(m.act(x))))))),
  )

for (const c of [1, 3, 4])
  for (const method of ['bptt', 'rate'] as const)
    test(`several readers of ${c} channels: slopes of the loss (${method})`, async () => {
      const options = { input: [c, 4, 5] as const, timeSteps: 2, batchSize: 2, method }
      const model = await modelOf(branches(c), { ...options, inputGradient: true })
      const x = uniform(2 * c * 20, 1, seed)
      const loss = async () => (await model.trainStep(x, [0, 2], { update: false })).loss
      await loss()
      const found = model.inputGradient()
      for (const i of [0, 7, c * 20 - 1, c * 20 + 3]) {
        const [value, h] = [x[i], 2 ** -7]
        x[i] = value + h
        const [plus, above] = [x[i], await loss()]
        x[i] = value - h
        const slope = (above - (await loss())) / (plus - x[i])
        x[i] = value
        const apart = Math.abs(slope - found[i])
        assert.ok(apart <= 1e-3 * largest(found), `${i}: slope ${slope}, found ${found[i]}`)
      }
      await model.dispose()
    })

test('it leaves all other bits of a step, and has its own on threads', async () => {
  const layers = () =>
    layersOf([3, 8, 8], 'conv 12 3 padding=1, norm, lif, conv 8 3, lif, flatten, linear 3')
  const x = uniform(4 * 3 * 64, 2, seed)
  const step = async (options: Partial<api.CompileOptions>) => {
    const all = { input: [3, 8, 8] as const, timeSteps: 4, batchSize: 4, ...options }
    const model = await modelOf(api.sequential(...layers()), all)
    for (let i = 0; i < 2; i++) await model.trainStep(x, [0, 1, 2, 0])
    return model
  }
  for (const method of ['rate', 'bptt', 'sltt'] as const) {
    const plain = await step({ method })
    const wanted = await step({ method, inputGradient: true })
    expectSameBits(method, wanted.stateDict(), plain.stateDict())
    const found = async (model: api.Model) => {
      await model.trainStep(x, [0, 1, 2, 0], { update: false })
      return model.inputGradient()
    }
    const gradient = await found(wanted)
    assert.equal(await found(wanted), gradient, `${method}: each step has its own`)
    const threads = await step({ method, inputGradient: true, threads: 3 })
    assert.equal(await found(threads), gradient, method)
    if (method !== 'bptt') continue
    const again = { method, inputGradient: true, gradientCheckpoint: 'layers' } as const
    assert.equal(await found(await step(again)), gradient, 'made again')
  }
})

test('calls that find no gradient of the input are refused with what to do', async () => {
  const net = () => api.sequential(...layersOf([4], 'linear 3'))
  const model = await modelOf(net(), { input: [4], batchSize: 1 })
  await model.trainStep(new Float32Array(4), [0])
  await expectRefusal(
    () => model.inputGradient(),
    'inputGradient needs compile({ inputGradient: true }); compile the network again',
  )
  const fresh = await modelOf(net(), { input: [4], inputGradient: true })
  await expectRefusal(
    () => fresh.inputGradient(),
    "inputGradient needs a training step of the model's method, and none has run yet; call " +
      'trainStep or fit first',
  )
  const other = (options: Partial<api.CompileOptions>) =>
    modelOf(net(), { input: [4], inputGradient: true, ...options })
  await expectRefusal(
    () => other({ purpose: 'inference' }),
    "compile.inputGradient needs purpose 'train', got 'inference'; leave one of them out",
  )
  await expectRefusal(
    () => other({ method: 'sltt', frames: true }),
    "compile.inputGradient with frames needs method 'rate' or 'bptt', got 'sltt'; choose one of " +
      'them, or leave inputGradient out',
  )
  await expectRefusal(
    () => other({ inputGradient: 1 as never }),
    /^compile\.inputGradient must be true or false, got 1/,
  )
})

test.run()
