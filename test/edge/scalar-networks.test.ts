/** Networks exported without SIMD: the same bits as with it, and as `predict`. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NetMode } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import * as api from '../../src/index.js'
import { randomNetwork } from '../support/draw/networks.js'
import { testRandom } from '../support/engine.js'
import { isLong, ofLong } from '../support/long.js'
import { netOf } from '../support/net.js'
import { basicBlock } from '../support/networks.js'
import { checkNoVectors } from '../support/scalar.js'

const seed = Number(process.env.SEED ?? 7)

interface Exports {
  readonly memory: WebAssembly.Memory
  input_ptr(): number
  input_len(): number
  output_ptr(): number
  output_len(): number
  infer(): void
  step(): void
  reset(): void
}

const start = (bytes: Uint8Array): Exports =>
  new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource))
    .exports as unknown as Exports

const SAMPLES = 2

/** Trains a little, so that statistics move, and compares the outputs of both files. */
async function check(
  network: Parameters<typeof api.compile>[0],
  options: api.CompileOptions,
  mode: NetMode = 'infer',
): Promise<number> {
  const model = await api.compile(network, { batchSize: SAMPLES, ...options })
  try {
    return await compare(model, options, mode)
  } finally {
    await model.dispose()
  }
}

async function compare(
  model: api.Model,
  options: api.CompileOptions,
  mode: NetMode,
): Promise<number> {
  const { input, frames = false, timeSteps = 4 } = options
  const random = testRandom(seed)
  const frame = input.reduce((a, b) => a * b, 1)
  const size = frames ? frame * timeSteps : frame
  const uniform = (count: number): Float32Array => Float32Array.from({ length: count }, random)
  for (let i = 0; i < 2; i++) await model.trainStep(uniform(SAMPLES * size), [0, 1])
  const x = uniform(SAMPLES * size)
  const { logits } = await model.predict(x)
  const { simd, scalar } = await exportWasm(model, { target: 'both', mode })
  checkNoVectors(scalar)
  const nets = [start(simd), start(scalar)]
  let moved = 0
  for (let i = 0; i < SAMPLES; i++) {
    const [a, b] = nets.map((net) =>
      run(net, x.subarray(i * size, (i + 1) * size), mode, frames, timeSteps),
    )
    const expected = logits.subarray(i * a.length, (i + 1) * a.length)
    a.forEach((value, c) => {
      assert.is(b[c], value, `sample ${i} class ${c}: ${b[c]} without SIMD, ${value} with`)
      if (mode === 'infer') assert.is(b[c], expected[c], `sample ${i} class ${c} against predict`)
      if (value !== a[0]) moved++
    })
  }
  return moved
}

/** Bits of the output for a sample, or for as many steps as it has. */
function run(net: Exports, x: Float32Array, mode: NetMode, frames: boolean, steps: number) {
  const input = new Float32Array(net.memory.buffer, net.input_ptr(), net.input_len())
  if (mode === 'infer') {
    input.set(x)
    net.infer()
  } else {
    net.reset()
    for (let t = 0; t < steps; t++) {
      input.set(frames ? x.subarray(t * input.length, (t + 1) * input.length) : x)
      net.step()
    }
  }
  return Float32Array.from(new Float32Array(net.memory.buffer, net.output_ptr(), net.output_len()))
}

const networks: Record<string, [string | api.Module, api.CompileOptions, NetMode?]> = {
  mlp: [api.mlp([1, 8, 8], 10), { input: [1, 8, 8] }],
  cnn: [api.cnn([1, 12, 12], 10), { input: [1, 12, 12] }],
  'cnn by steps': [api.cnn([1, 12, 12], 10), { input: [1, 12, 12], stepMode: 's' }],
  'cnn in mode step': [api.cnn([1, 12, 12], 10), { input: [1, 12, 12], stepMode: 's' }, 'step'],
  'mlp in mode step, 5 frames': [
    api.mlp([2, 6, 6], 4),
    { input: [2, 6, 6], stepMode: 's', frames: true, timeSteps: 5 },
    'step',
  ],
  'strided blocks with shortcuts': [
    `conv 8 3 padding=1 bias=false, norm, lif, strided 13 2, strided 16 2, strided 16 1,
    adaptiveAvgPool2d 1, flatten, linear 10`,
    { input: [3, 16, 16], timeSteps: 2 },
  ],
  'a learnable time constant': [
    'flatten, linear 20, plif, linear 5',
    { input: [3, 8, 8], method: 'bptt' },
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
    { input: [3, 8, 8], timeSteps, stepMode: timeSteps === 5 ? 's' : 'm' },
  ]
for (const timeSteps of [5, 9])
  networks[`cells, T = ${timeSteps}`] = [
    `conv 6 3 padding=1, cubaLif tau=1.5x2x2.5x3x4x5 tauSyn=2 refractory=1 vReset=0, avgPool2d 2,
    thresholds, flatten, linear 12, adaptive, linear 5, integrator`,
    { input: [3, 8, 8], timeSteps, method: 'bptt' },
    timeSteps === 5 ? 'step' : 'infer',
  ]

/** What texts call by names of their own. */
const own = {
  strided: (channels: number, to: number, stride: number) => basicBlock(channels, to, stride),
  thresholds: () =>
    api.integrateAndFire({ vThreshold: Array.from({ length: 96 }, (_, i) => 0.1 + i / 100) }),
  adaptive: () =>
    api.recurrent(api.alif({ tau: 2, vThreshold: 0.5, fires: 'above', learn: ['tau', 'beta'] })),
  integrator: () => api.leakyIntegrator({ tauSyn: 2, decayInput: true, learn: ['tauSyn'] }),
}

for (const [name, [network, options, mode]] of Object.entries(networks))
  test(`${name}: lanes give the bits of vectors`, async () => {
    const made = typeof network === 'string' ? netOf(options.input, network, own) : network
    assert.ok((await check(made, options, mode)) > 0, 'all outputs are the same')
  })

test('random networks give the same bits in lanes', async () => {
  for (let i = 0; i < ofLong(6, 14); i++) {
    const random = testRandom(seed + i)
    const input = [[1, 8, 8] as const, [3, 9, 9] as const][i & 1]
    const timeSteps = [1, 2, 4, 5, 9][i % 5]
    const frames = i % 3 === 0
    const byStep = i % 4 === 1
    try {
      await check(
        randomNetwork(random, input, 'rate'),
        { input, timeSteps, frames, stepMode: byStep || i % 4 === 2 ? 's' : 'm' },
        byStep ? 'step' : 'infer',
      )
    } catch (error) {
      throw new Error(`network with seed ${seed + i}: ${(error as Error).message}`)
    }
  }
})

test.run()
