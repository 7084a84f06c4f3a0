/** Exported networks: the bits of `predict` and of each other, whatever their mode and target. */

import * as assert from 'uvu/assert'
import { callsOf, type ExportOptions, type NetMode, type NetTarget } from '../../src/edge/abi.js'
import { showSample } from '../../src/edge/accuracy.js'
import { exportWasm } from '../../src/edge/export.js'
import { type Net, netInfo, openNet } from '../../src/edge/net.js'
import * as api from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { resnetStages } from '../../src/model/models/resnet.js'
import { layerKinds } from '../../src/network/kind.js'
import { differing, numbers, randomModel, shake, sizeOf, uniform } from '../support/exported.js'
import { isLong, ofLong } from '../support/long.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'
import { checkNoVectors } from '../support/scalar.js'

type Random = () => number

const targets: readonly NetTarget[] = ['simd', 'scalar']

const open = async (model: api.Model, options: ExportOptions): Promise<Net> => {
  const bytes = (await exportWasm(model, options)) as Uint8Array
  if (options.target === 'scalar') checkNoVectors(bytes)
  return openNet(bytes)
}

/** Compares the outputs of a model's files with `predict`, bit by bit; returns them. */
async function expectPredicted(
  model: api.Model,
  random: Random,
  { mode = 'infer' as NetMode, of = targets.slice(0, 1) as typeof targets, what = '' } = {},
): Promise<number[]> {
  const nets = await Promise.all(of.map((target) => open(model, { mode, target })))
  const outputs: number[] = []
  for (let sample = 0; sample < 3; sample++) {
    const x = uniform(random, sizeOf(model) * (model.frames ? model.timeSteps : 1))
    const { logits, classes } = await model.predict(x)
    for (const net of nets) {
      showSample(net, callsOf(net.info)[0], new Uint8Array(x.buffer))
      const message = `${what} ${net.info.target}, sample ${sample}`
      assert.is(differing(net.output, logits), 0, message)
      assert.is(net.predictedClass(), classes[0], message)
      // Nothing lies at the start of memory: whatever is written there had no address.
      assert.ok(
        new Uint8Array(net.memory.buffer, 0, 64).every((byte) => byte === 0),
        message,
      )
    }
    outputs.push(...logits)
  }
  return outputs
}

test('random networks of every kind of layer give the bits of predict', async () => {
  const exported = new Set<string>()
  const all = (): boolean => exported.size === layerKinds.length
  // These have all kinds between them; where they have not any more, others follow.
  const first = [447, 637, 225, 212, 270, 108, 25, 222]
  const most = ofLong(0, 24)
  const seeds = [...first, ...Array.from({ length: 80 }, (_, i) => i + 1)]
  for (const [i, seed] of seeds.entries()) {
    if (i >= first.length + most && all()) break
    const random = numbers(seed)
    const model = await randomModel(random)
    const kinds = model.session.graph.nodes.flatMap(({ layer }) => (layer ? [layer.kind] : []))
    // Later ones are for the kinds that are still missing.
    if (i >= first.length + most && kinds.every((kind) => exported.has(kind))) continue
    const of = i % 2 === 0 ? targets : targets.slice(0, 1)
    await expectPredicted(model, random, { of, what: `seed ${seed},` })
    for (const kind of kinds) exported.add(kind)
  }
  const missing = 'a new kind: put it into randomNetwork'
  assert.equal([...exported].sort(), [...layerKinds].sort(), missing)
})

test('T calls of step give the bits of predict in step mode s', async () => {
  for (let seed = 101; seed <= ofLong(104, 112); seed++) {
    const random = numbers(seed)
    const of = seed % 2 === 0 ? targets : targets.slice(0, 1)
    const model = await randomModel(random, 's')
    await expectPredicted(model, random, { mode: 'step', of, what: `seed ${seed},` })
  }
})

/** Layers and blocks that texts call by names of their own. */
const own = {
  strided: (channels: number, to: number, stride: number) => basicBlock(channels, to, stride),
  thresholds: () =>
    api.integrateAndFire({ vThreshold: Array.from({ length: 96 }, (_, i) => 0.1 + i / 100) }),
  adaptive: () =>
    api.recurrent(api.alif({ tau: 2, vThreshold: 0.5, fires: 'above', learn: ['tau', 'beta'] })),
  integrator: () => api.leakyIntegrator({ tauSyn: 2, decayInput: true, learn: ['tauSyn'] }),
  // Sums that have the input as a term.
  around: () => api.residual(api.conv2d(3, 3, 3, { padding: 1 })),
  before: () =>
    api.block({ a: api.conv2d(3, 3, 1), n: api.lif() }, (m, x, { add }) => m.n(add(m.a(x), x))),
  three: () =>
    api.block({ a: api.conv2d(3, 3, 1), b: api.batchNorm2d(3) }, (m, x, { add }) =>
      add(add(m.a(x), x), m.b(x)),
    ),
}

const image = [3, 8, 8] as const
const stepwise = { stepMode: 's' } as const
const networks: Record<string, [string | api.Module, api.CompileOptions, NetMode?]> = {
  mlp: [api.mlp([1, 8, 8], 10), { input: [1, 8, 8] }],
  cnn: [api.cnn([1, 12, 12], 10), { input: [1, 12, 12] }],
  'cnn by steps': [api.cnn([1, 12, 12], 10), { input: [1, 12, 12], ...stepwise }],
  'cnn in mode step': [api.cnn([1, 12, 12], 10), { input: [1, 12, 12], ...stepwise }, 'step'],
  'mlp in mode step, 5 frames': [
    api.mlp([2, 6, 6], 4),
    { input: [2, 6, 6], ...stepwise, frames: true, timeSteps: 5 },
    'step',
  ],
  'strided blocks with shortcuts': [
    `conv 8 3 padding=1 bias=false, norm, lif, strided 13 2, strided 16 2, strided 16 1,
    adaptiveAvgPool2d 1, flatten, linear 10`,
    { input: [3, 16, 16], timeSteps: 2 },
  ],
  'a learnable time constant': [
    'flatten, linear 20, plif, linear 5',
    { input: image, method: 'bptt' },
  ],
}
// Millions of weights in both files.
if (isLong) {
  const classes = { inChannels: 3, classes: 10 }
  networks.resnet18 = [api.resnet18(classes), { input: [3, 32, 32], timeSteps: 2 }]
  networks.sewResnet34 = [api.sewResnet34(classes), { input: [3, 32, 32], timeSteps: 1 }]
  networks.vgg11 = [api.vgg11(classes), { input: [3, 32, 32], timeSteps: 2 }]
}
for (const timeSteps of ofLong([1, 5, 9], [1, 2, 4, 5, 9]))
  networks[`all kinds of layers, T = ${timeSteps}`] = [
    `conv 12 3 padding=1, norm, lif vReset=0, conv 24 3 padding=1 groups=3, lif vReset=null,
    maxPool2d 2, conv 24 3 padding=1 groups=24, lif decayInput=true, avgPool2d 2, dropout 0.5,
    flatten, linear 10`,
    { input: image, timeSteps, stepMode: timeSteps === 5 ? 's' : 'm' },
  ]
for (const [timeSteps, mode, methods] of [
  [5, 'step', { purpose: 'inference', frames: true, ...stepwise }],
  [9, 'infer', { method: 'bptt' }],
] as const)
  networks[`cells, T = ${timeSteps}`] = [
    `conv 6 3 padding=1, cubaLif tau=1.5x2x2.5x3x4x5 tauSyn=2 refractory=1 vReset=0, avgPool2d 2,
    thresholds, flatten, linear 12, adaptive, linear 5, integrator`,
    { input: image, timeSteps, ...methods },
    mode,
  ]
for (const sum of ['around', 'before', 'three'])
  for (const stepMode of ['m', 's'] as const)
    for (const mode of stepMode === 's' ? (['infer', 'step'] as const) : (['infer'] as const))
      networks[`the input as a term: ${sum}, ${mode}, step mode ${stepMode}`] = [
        `${sum}, conv 8 3, lif, flatten, linear 5`,
        { input: image, stepMode },
        mode,
      ]

for (const [name, [network, options, mode]] of Object.entries(networks))
  test(`${name}: both targets give the bits of predict`, async () => {
    const random = numbers(7)
    const made = typeof network === 'string' ? netOf(options.input, network, own) : network
    const model = await modelOf(made, { batchSize: 2, ...options })
    await shake(model, random)
    const outputs = await expectPredicted(model, random, { mode, of: targets })
    assert.ok(new Set(outputs).size > 1, 'all outputs are the same')
  })

/** Outputs after each frame of a stream. */
function stream(net: Net, frames: readonly Float32Array[], between = (): void => {}): Float32Array {
  const outputs: number[] = []
  net.reset()
  for (const frame of frames) {
    net.input.set(frame)
    net.step()
    outputs.push(...net.output, net.predictedClass())
    between()
  }
  return Float32Array.from(outputs)
}

for (const [i, [weights, stepMode]] of (
  [
    ['its own', undefined],
    ['its own', 's'],
    ['int8', undefined],
  ] as const
).entries())
  test(`random files of mode both, weights ${weights}, step mode ${stepMode ?? 'any'}: each call as in its own file`, async () => {
    for (let seed = 201 + 10 * i; seed <= ofLong(202, 206) + 10 * i; seed++) {
      const random = numbers(seed)
      const rounds = weights === 'int8'
      const model = await randomModel(random, stepMode, true, rounds ? 'f32' : undefined)
      const one = (mode: NetMode, target: NetTarget = 'simd') =>
        open(model, { mode, target, ...(rounds && { weights }) })
      const [infer, step] = [await one('infer'), await one('step')]
      const x = uniform(random, infer.input.length)
      const frames = Array.from({ length: model.timeSteps + 2 }, () =>
        uniform(random, sizeOf(model)),
      )
      const expected = stream(step, frames)
      infer.input.set(x)
      infer.infer()
      for (const target of targets) {
        const what = `seed ${seed}, ${target}`
        const both = await one('both', target)
        const ask = (): void => {
          both.input.set(x)
          both.infer()
          assert.is(differing(both.output, infer.output), 0, `${what}: infer`)
        }
        ask()
        assert.is(differing(stream(both, frames), expected), 0, `${what}: step`)
        assert.is(differing(stream(both, frames, ask), expected), 0, `${what}: step and infer`)
      }
    }
  })

test('the programs of mode both share what was computed from parameters', async () => {
  const conv = 'conv 32 3 padding=1 standardise=true, norm, lif'
  const model = await compileNet(`${conv}, ${conv}, flatten, linear 5`, {
    input: [2, 12, 12],
    batchSize: 1,
  })
  const [both, infer] = [await open(model, { mode: 'both' }), await open(model, {})]
  assert.is(both.info.weightBytes, infer.info.weightBytes)
})

test('weightBytes counts the numbers alone, without padding', async () => {
  const sized = async (network: api.Module, options: ExportOptions = {}) => {
    const model = await modelOf(network, { input: [1, 8, 8], batchSize: 1 })
    const { weightBytes } = netInfo((await exportWasm(model, options)) as Uint8Array)
    return [weightBytes, 4 * model.parameterCount]
  }
  const [mlp, numbersOfMlp] = await sized(models.mlp([1, 8, 8], 10, {}))
  assert.is(mlp, numbersOfMlp)
  // A normalisation of 3 channels: scale and shift, computed from its four rows.
  const network = netOf([1, 8, 8], 'conv 3 3, norm, lif, flatten, linear 5')
  const [normalised, trained] = await sized(network)
  assert.is(normalised, trained)
  // Bytes have a scale of four bytes for each output channel.
  const [bytes] = await sized(network, { weights: 'int8' })
  assert.is(bytes, 27 + 540 + 4 * (3 + 5) + 4 * (3 + 3 + 3 + 5))
})

/** The layers of resnet18 with a sixteenth of the weights. */
const narrow = (): api.Module =>
  api.sequential({
    ...resnetStages({ inChannels: 3 }, [16, 32, 64, 128], [2, 2, 2, 2]),
    avg_pool: api.adaptiveAvgPool2d(1),
    flatten: api.flatten(),
    classifier: api.linear(128, 10),
  })

type Size = readonly [model: keyof typeof models | 'narrow', side: number, KiB: number, NetTarget?]
const sizes: readonly Size[] = [
  ['mlp', 8, 8],
  ['cnn', 28, 14],
  ['mlp', 8, 24, 'scalar'],
  ['cnn', 28, 24, 'scalar'],
  ['narrow', 32, 40],
]
// They take seconds.
const large: readonly Size[] = [
  ['vgg11', 32, 40],
  ['resnet18', 32, 40],
  ['sewResnet34', 64, 40],
]
for (const [name, side, KiB, target = 'simd'] of [...sizes, ...(isLong ? large : [])])
  test(`${name}, ${target}: at most ${KiB} KiB over the weights, and pages for its memory`, async () => {
    const input = [side < 32 ? 1 : 3, side, side] as const
    const network = name === 'narrow' ? narrow() : models[name](input, 10, {})
    const model = await modelOf(network, { input, batchSize: 1 })
    await shake(model, numbers(3))
    const bytes = await exportWasm(model, { target })
    assert.equal(WebAssembly.Module.imports(new WebAssembly.Module(bytes as BufferSource)), [])
    const { memoryBytes, usedBytes } = netInfo(bytes)
    assert.ok(usedBytes <= memoryBytes && memoryBytes - usedBytes < 65536)
    if (name === 'cnn' && target === 'simd') assert.ok(memoryBytes <= 7 * 65536)
    const over = bytes.length - 4 * model.parameterCount
    assert.ok(over <= KiB * 1024, `${over} bytes`)
  })

test.run()
