/**
 * Exported networks with weights of whole numbers: the bits of the model that was trained, whatever
 * their mode and target, and of a model that was rounded when it was exported.
 */
import * as assert from 'uvu/assert'
import { callsOf, type NetMode, type NetTarget } from '../../src/edge/abi.js'
import { showSample } from '../../src/edge/accuracy.js'
import { exportWasm } from '../../src/edge/export.js'
import { openNet } from '../../src/edge/net.js'
import * as api from '../../src/index.js'
import { differing, numbers, sizeOf, uniform } from '../support/exported.js'
import { integerTypes, mostOf, rounded } from '../support/integers.js'
import { learnSame } from '../support/learning.js'
import { isLong, ofLong } from '../support/long.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'

const image = [3, 9, 8] as const
/** Layers and blocks that texts call by names of their own. */
const own = {
  fires: () => api.lif({ vThreshold: 0.3 }),
  currents: (channels: number, to: number, stride: number) =>
    basicBlock(channels, to, stride, { vThreshold: 0.3 }),
  spikes: (channels: number) => {
    const conv = `conv ${channels} 3 padding=1 bias=false, norm, lif vThreshold=0.3`
    return api.residual(netOf([channels, 9, 8], `${conv}, ${conv}`))
  },
  silenced: (channels: number) =>
    api.block(
      {
        a: api.conv2d(channels, channels, 3, { padding: 1 }),
        n: api.lif(),
        drop: api.dropout(0.5),
      },
      (m, x, { add }) => add(m.drop(m.n(m.a(x))), x),
    ),
}

type Case = readonly [
  network: string,
  options?: Omit<Partial<api.CompileOptions>, 'input'>,
  mode?: NetMode,
]
const networks: Readonly<Record<string, Case>> = {
  mlp: ['flatten, linear 40, fires, linear 10'],
  cnn: ['conv 8 3 padding=1, norm, fires, avgPool2d 2, conv 12 3, norm, fires, flatten, linear 10'],
  'sums of currents': [
    'conv 8 3 padding=1, fires, currents 8 1, currents 12 2, adaptiveAvgPool2d 1, flatten, linear 10',
  ],
  'sums of spikes': [
    'conv 8 3 padding=1, fires, spikes, spikes, conv 12 3 stride=2, fires, flatten, linear 10',
  ],
  'larger weights, whose sums of spikes and of pools are sorted': [
    'conv 62 3 padding=1, fires, spikes, conv 64 3, fires, avgPool2d 2, conv 64 3, fires, flatten, linear 10',
  ],
  'standardised weights': [
    'conv 8 3 standardise=true, fires, conv 20 3 standardise=true, fires, flatten, linear 9 standardise=true',
  ],
  'padded channels, a linear layer behind pooling': [
    'conv 5 3, fires, conv 33 2, fires, avgPool2d 2, flatten, linear 7',
  ],
  'dropout behind pooling, of one branch of a sum': [
    `conv 8 3 padding=1, fires, silenced, conv 9 3, fires, avgPool2d 2, dropout 0.25, flatten, linear 7`,
  ],
  'dropout behind pooling, then a maximum': [
    'conv 8 3 padding=1, fires, avgPool2d 2, dropout 0.25, maxPool2d 2, conv 9 1, fires, flatten, linear 7',
  ],
  'floats between, groups, dilation': [
    `conv 8 3 padding=1, fires, conv 8 3 padding=1 groups=2, norm, fires, conv 12 3 dilation=2 padding=2, norm, fires,
     conv 6 1, relu, conv 6 1, norm, fires, flatten, linear 7`,
  ],
  'a layer that is told otherwise': [
    'conv 8 3, fires, conv 9 3 weights=f32, fires, conv 9 1 weights=int6, fires, flatten, linear 7',
  ],
  bptt: [
    'conv 8 3, norm, fires, maxPool2d 2, conv 9 2, norm, plif, flatten, linear 10, leakyIntegrator',
    { method: 'bptt', timeSteps: 9 },
  ],
  ottt: ['conv 8 3, fires, conv 9 3, fires, flatten, linear 10', { method: 'ottt', timeSteps: 6 }],
  'step mode s': ['conv 8 3, norm, fires, conv 9 3, fires, flatten, linear 10', { stepMode: 's' }],
  'step mode s, streamed': [
    'conv 8 3, norm, fires, delay 2, conv 9 3, fires, avgPool2d 2, flatten, linear 10',
    { stepMode: 's' },
    'step',
  ],
}

/** A model after two steps of training, with moments away from where they start. */
async function trained(
  [text, options]: Case,
  weights: api.WeightType,
  seed: number,
): Promise<api.Model> {
  const given = { input: image, batchSize: 3, timeSteps: 4, seed, weights, ...options }
  const model = await modelOf(netOf(image, text, own), given)
  model.optimizer = api.sgd({ lr: 0.3 })
  const random = numbers(seed)
  for (const step of [0, 1]) await model.trainStep(uniform(random, 3 * sizeOf(model)), [step, 2, 3])
  model.resetOptimizer()
  return model
}

/** Compares files of a model with `predict`, sample by sample; returns how many outputs there are. */
async function expectPredicted(
  model: api.Model,
  files: readonly Uint8Array[],
  random: () => number,
  samples: number,
): Promise<number> {
  const nets = await Promise.all(files.map(openNet))
  const seen = new Set<number>()
  for (let sample = 0; sample < samples; sample++) {
    const x = uniform(random, sizeOf(model) * (model.frames ? model.timeSteps : 1))
    const { logits } = await model.predict(x)
    for (const net of nets)
      for (const call of callsOf(net.info)) {
        showSample(net, call, new Uint8Array(x.buffer))
        const { mode, target } = net.info
        assert.is(differing(net.output, logits), 0, `${mode}, ${target}, sample ${sample}`)
      }
    for (const value of logits) seen.add(value)
  }
  return seen.size
}

const targets: readonly NetTarget[] = ['simd', 'scalar']
const filesOf = (model: api.Model, mode: NetMode): Promise<Uint8Array[]> =>
  Promise.all(targets.map((target) => exportWasm(model, { mode, target })))

for (const [i, [name, of]] of Object.entries(networks).entries())
  for (const weights of integerTypes)
    test(`${name}, ${weights}: files have the bits of the model that was trained`, async () => {
      const model = await trained(of, weights, i + 1)
      assert.ok(model.session.plan.integers.length > 0, 'nothing is of whole numbers')
      const files = await filesOf(model, of[2] ?? 'infer')
      const random = numbers(i + 50)
      assert.ok((await expectPredicted(model, files, random, 8)) > 20)
      // So have models of the same parameters for other purposes.
      const options = { input: image, timeSteps: 4, weights, ...of[1] }
      const network = netOf(image, of[0], own)
      const other = await modelOf(network, { ...options, batchSize: 5, purpose: 'inference' })
      other.loadStateDict(model.stateDict())
      const x = uniform(random, 7 * sizeOf(model))
      const { logits } = await model.predict(x)
      assert.is(differing((await other.predict(x)).logits, logits), 0, 'purpose inference')
    })

for (const weights of integerTypes)
  test(`streams of ${weights} give the bits of a file's steps, in any number`, async () => {
    const of = networks['step mode s, streamed']
    const model = await trained(of, weights, 3)
    const options = { input: image, stepMode: 's', weights, purpose: 'stream' } as const
    const stream = await modelOf(netOf(image, of[0], own), options)
    stream.loadStateDict(model.stateDict())
    const [net] = await Promise.all((await filesOf(model, 'step')).map(openNet))
    const random = numbers(4)
    for (let step = 0; step < 9; step++) {
      const x = uniform(random, sizeOf(model))
      const { logits } = await stream.step(x)
      net.input.set(x)
      net.step()
      assert.is(differing(net.output, logits), 0, `step ${step}`)
    }
  })

test('files of mode both have the bits of predict and of step mode s', async () => {
  const model = await trained(networks.cnn, 'int6', 3)
  const network = netOf(image, networks.cnn[0], own)
  const stepwise = await modelOf(network, { input: image, stepMode: 's', weights: 'int6' })
  stepwise.loadStateDict(model.stateDict())
  for (const net of await Promise.all((await filesOf(model, 'both')).map(openNet))) {
    const x = uniform(numbers(2), sizeOf(model))
    const bytes = new Uint8Array(x.buffer)
    showSample(net, 'infer', bytes)
    assert.is(differing(net.output, (await model.predict(x)).logits), 0)
    showSample(net, 'step', bytes)
    assert.is(differing(net.output, (await stepwise.predict(x)).logits), 0)
  }
})

// Files of float models whose weights are rounded.

for (const [i, name] of [
  'cnn',
  'standardised weights',
  'floats between, groups, dilation',
  'a layer that is told otherwise',
].entries())
  for (const weights of integerTypes)
    test(`${name}: a float model as ${weights} has the bits of a model of rounded weights`, async () => {
      const model = await trained(networks[name], 'f32', i + 1)
      const network = netOf(image, networks[name][0], own)
      const other = await modelOf(network, { input: image, timeSteps: 4, weights })
      const { parameters, integers } = other.session.plan
      const whole = integers.map((of) => of.name)
      // Others are bytes whatever spikes meet, unless their layer has weights: 'f32'.
      const { nodes } = other.session.graph
      const others = parameters.filter(({ name, layout, node }) => {
        const { weights: own } = nodes[node].layer as { weights?: api.WeightType }
        return layout.blocks && own !== 'f32' && !whole.includes(name)
      })
      assert.ok(whole.length > 0 && others.length > 0)
      const names = others.map((of) => of.name)
      other.loadStateDict(rounded(model.stateDict(), names, mostOf.int8))
      const files = await Promise.all(
        targets.map((target) => exportWasm(model, { weights, target })),
      )
      assert.ok((await expectPredicted(other, files, numbers(i + 9), 5)) > 20)
    })

// Files that learn.

const ways = ['rate m', 'rate s', 'bptt m', 'bptt s', 'sltt s', 'ottt s', 'os s']
const learners = ['cnn', 'sums of spikes', 'standardised weights', 'a layer that is told otherwise']
for (const [i, way] of ways.entries())
  for (const name of way.startsWith('ottt') ? ['ottt'] : ofLong([learners[i % 4]], learners))
    test(`${name}, ${way}: a file learns the bits of trainStep`, async () => {
      const [method, stepMode] = way.split(' ') as [api.Method, api.StepMode]
      const options = { ...networks[name][1], method, stepMode, timeSteps: 3 }
      const model = await trained([networks[name][0], options], integerTypes[i % 2], i + 1)
      assert.ok(model.session.plan.integers.length > 0)
      model.optimizer = api.sgd({ lr: 0.1 })
      const target = targets[i % 3 === 2 ? 1 : 0]
      await learnSame(model, numbers(7), ofLong(4, 25), { target })
    })

for (const method of ['sltt', 'ottt'] as const)
  test(`${method} that moves at every step: so does a file`, async () => {
    const options = { method, update: 'everyStep', timeSteps: 5 } as const
    const model = await trained([networks.ottt[0], options], 'int8', 3)
    model.optimizer = api.sgd({ lr: 0.1 })
    await learnSame(model, numbers(5), 4)
  })

if (isLong)
  for (const name of ['mlp', 'cnn', 'sums of currents', 'sums of spikes', 'bptt'])
    for (const weights of integerTypes)
      test(`${name}, ${weights}: 1,000 samples`, async () => {
        const model = await trained(networks[name], weights, 5)
        await expectPredicted(model, await filesOf(model, 'infer'), numbers(6), 1000)
      })

test.run()
