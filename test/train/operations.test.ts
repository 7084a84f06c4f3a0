/** Operations, membrane updates and spikes beside a simulation that loops over everything. */
import * as assert from 'uvu/assert'
import { mean } from '../../src/base/numbers.js'
import {
  type CompileOptions,
  cubaLif,
  type Dataset,
  fromArrays,
  integrateAndFire,
  lif,
  type MaxPool2d,
  type Model,
  type Module,
  recurrent,
  residual,
  type StateDict,
} from '../../src/index.js'
import { type Graph, type GraphNode, trace } from '../../src/network/trace.js'
import { expectRefusals } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { modelOf, test } from '../support/models.js'
import { compileNet, netOf } from '../support/net.js'
import {
  averages,
  type ConvCase,
  forwardReference,
  inputGradientReference,
  outSize,
} from '../support/ops-convolution.js'
import { convOf } from '../support/reference.js'
import { type CellState, cellStart, cellStep } from '../support/reference-cells.js'

type Tensor = Float64Array
type Shape = readonly [number, number, number]

/** What the simulation counts. */
class Sums {
  macs = 0
  acs = 0
  dense = 0
  updates = 0
  active = 0
  outputs = 0
  /** Trains of the layers of neurons, [image][t·C·H·W]. */
  readonly trains = new Map<string, number[][]>()
}

const total = (values: Tensor): number => values.reduce((a, b) => a + b, 0)
/** 1 where a number is not 0, or everywhere. */
const ones = (values: ArrayLike<number>, all = false): Tensor =>
  Float64Array.from(values, (v) => Number(all || v !== 0))

/** A network that is run for one image after the other, and what of its layers with weights counts. */
class Simulation {
  readonly sums = new Sums()
  /** Operations of each layer, and whether all that it reads is 0 or ±1. */
  private readonly layers = new Map<string, { operations: number; binary: boolean }>()
  private cells = new Map<string, CellState>()
  private readonly state: Record<string, Tensor>

  constructor(
    private readonly graph: Graph,
    state: StateDict,
  ) {
    this.state = Object.fromEntries(
      Object.entries(state).map(([name, { data }]) => [name, Float64Array.from(data)]),
    )
  }

  run(image: Tensor, T: number): void {
    this.cells = new Map()
    for (const trains of this.sums.trains.values()) trains.push([])
    for (let t = 0; t < T; t++) {
      const values: Tensor[] = []
      for (const node of this.graph.nodes)
        values.push(node.inputs.length === 0 ? image : this.give(node, values))
    }
  }

  /** Puts the operations of layers together. */
  end(): Sums {
    for (const { operations, binary } of this.layers.values())
      this.sums[binary ? 'acs' : 'macs'] += operations
    return this.sums
  }

  private give(
    { layer, kind, name, inputs, shape: to }: GraphNode,
    values: readonly Tensor[],
  ): Tensor {
    const x = values[inputs[0]]
    const from = this.graph.nodes[inputs[0]].shape
    switch (layer?.kind) {
      case undefined:
        assert.is(kind, 'add')
        return x.map((_, i) => inputs.reduce((sum, of) => sum + values[of][i], 0))
      case 'conv2d':
      case 'conv1d':
      case 'linear': {
        const c = convOf({ layer, from, to }, 1)
        const [weight, bias] = ['weight', 'bias'].map((role) => this.state[`${name}.${role}`])
        this.count(name, (values, by) => forwardReference(c, values, by), x, weight)
        return forwardReference(c, x, weight, bias)
      }
      case 'convTranspose2d':
      case 'convTranspose1d': {
        const c = convOf({ layer, from, to }, 1)
        const weight = this.state[`${name}.weight`]
        this.count(name, (values, by) => inputGradientReference(c, by, values), x, weight)
        const bias = this.state[`${name}.bias`]
        const pixels = to[1] * to[2]
        return inputGradientReference(c, weight, x).map((v, i) => v + bias[Math.floor(i / pixels)])
      }
      case 'cell':
        return this.fire(layer, name, from, x)
      case 'stabilizedLif': {
        const [vThreshold] = this.state[`${name}.running_threshold`]
        const { tau, vReset } = layer
        return this.fire(lif({ tau, vReset, vThreshold }), name, from, x)
      }
      case 'avgPool2d':
        return averages(from[0], [from[1], from[2]], x, layer)
      case 'maxPool2d':
        return maxima(layer, from, x)
      case 'relu':
        return this.emit(x.map((v) => Math.max(0, v)))
      case 'scale':
        return x.map((v) => v * (layer.factor as number))
      default:
        assert.ok(layer?.kind === 'flatten' || layer?.kind === 'identity')
        return x
    }
  }

  /** What is added up where neither factor is 0, and what would be with all of them. */
  private count(
    name: string,
    sum: (x: Tensor, weight: Tensor) => Tensor,
    x: Tensor,
    weight: Tensor,
  ): void {
    const layer = this.layers.get(name) ?? { operations: 0, binary: true }
    this.layers.set(name, layer)
    this.sums.dense += total(sum(ones(x, true), ones(weight, true)))
    layer.operations += total(sum(ones(x), ones(weight)))
    if (x.some((v) => v !== 0 && Math.abs(v) !== 1)) layer.binary = false
  }

  private emit(out: Tensor): Tensor {
    this.sums.outputs += out.length
    this.sums.active += total(ones(out))
    return out
  }

  private fire(cell: ReturnType<typeof lif>, name: string, shape: Shape, x: Tensor): Tensor {
    const layer = { cell, name, shape, batch: 1, state: this.state }
    const known = this.cells.get(name)
    const state = known ?? cellStart(layer)
    this.cells.set(name, state)
    const before = state.v.slice()
    const { out, spikeBefore } = cellStep(layer, x, state, () => {})
    this.sums.updates += state.v.filter((v, i) => !known || v !== before[i]).length
    // What comes back is a linear layer of the spikes before, or of each neuron by itself.
    const n = x.length
    const [all, each] = ['weight', 'V'].map((of) => this.state[`${name}.recurrent.${of}`])
    const back = { T: 1, timed: false, B: 1, C: n, H: 1, W: 1, N: n } as const
    const one = { kernel: [1, 1], stride: [1, 1], padding: [0, 0] } as const
    const c: ConvCase = { ...back, ...one, groups: all ? 1 : n }
    if (all ?? each)
      this.count(name, (values, by) => forwardReference(c, values, by), spikeBefore, all ?? each)
    if (cell.vThreshold === null) return out
    const { trains } = this.sums
    if (!trains.has(name)) trains.set(name, [[]])
    const train = trains.get(name)?.at(-1)
    train?.push(...out)
    return this.emit(out)
  }
}

function maxima({ kernelSize, stride, padding }: MaxPool2d, [C, H, W]: Shape, x: Tensor): Tensor {
  const [height, width] = [H, W].map((n, i) => outSize(n, kernelSize[i], stride[i], padding[i]))
  return new Float64Array(C * height * width).map((_, at) => {
    const [c, row, column] = [Math.floor(at / width / height), Math.floor(at / width), at]
    const [top, left] = [row % height, column % width].map((n, i) => n * stride[i] - padding[i])
    let most = Number.NEGATIVE_INFINITY
    for (let y = Math.max(0, top); y < Math.min(H, top + kernelSize[0]); y++)
      for (let z = Math.max(0, left); z < Math.min(W, left + kernelSize[1]); z++)
        most = Math.max(most, x[(c * H + y) * W + z])
    return most
  })
}

interface Case {
  readonly input: Shape
  readonly text: string
  /** What its training needs. */
  readonly method?: CompileOptions['method']
}

const own: Readonly<Record<string, (channels: number) => Module>> = {
  around: (n) => residual(netOf([n, 6, 6], `conv ${n} 3 padding=1 bias=true, lif tau=2 vReset=0`)),
  thresholds: () => lif({ tau: 2, vThreshold: [0.5, 1, 0.25] }),
  hears: () => recurrent(integrateAndFire({ vThreshold: 0.5 }), { bias: true }),
  hearsCurrents: () => recurrent(cubaLif({ tauSyn: 2, tau: 2 }), { bias: true }),
  hearsItself: () => recurrent(lif({ tau: 2, vThreshold: 0.25 }), { allToAll: false }),
}
const cases: Readonly<Record<string, Case>> = {
  'edges, strides, groups, pooled spikes': {
    input: [3, 7, 6],
    text: `conv 8 3 padding=1 bias=true, lif tau=2, conv 12 3 stride=2 padding=2 groups=4 bias=true,
      lif tau=2 vReset=0, maxPool2d 3 stride=1 padding=1, conv 12 3 groups=12 bias=true,
      integrateAndFire, avgPool2d 2 stride=1, flatten, linear 5`,
  },
  'sums of spikes, relu, scales': {
    input: [2, 6, 6],
    text: `conv 16 3 padding=1 bias=true, relu, conv 16 1 bias=true, lif tau=2, around,
      conv 20 3 stride=3 padding=1 bias=true, integrateAndFire vReset=0, scale 0.5, flatten,
      linear 6, lif tau=2, linear 3`,
  },
  cells: {
    input: [2, 5, 4],
    method: 'bptt',
    text: `conv 6 3 padding=1 bias=true, cubaLif tauSyn=2 tau=2 vReset=0 refractory=1,
      conv 5 3 padding=1 bias=true, alif tau=2 tauAdaptation=2 beta=0.5,
      conv 3 3 stride=2 padding=1 bias=true, thresholds, hears, flatten, linear 7, hearsCurrents,
      linear 6, hearsItself, linear 7, linear 4, integrator, linear 3, leakyIntegrator tau=2`,
  },
  'kernels apart and transposed': {
    input: [3, 7, 6],
    text: `conv 8 3 dilation=2 padding=1x2 groups=1 bias=true, lif tau=2,
      transposed 12 3x2 stride=2x1 padding=1 outputPadding=1x0 dilation=1x2 groups=4 bias=true,
      lif tau=2 vReset=0, transposed 6 2 padding=1 bias=true, lif tau=2, flatten, linear 5`,
  },
  'a threshold that follows the potentials': {
    input: [2, 5, 4],
    method: 'os',
    text: `conv 5 3 padding=1 bias=true, stabilizedLif tau=2, conv 4 3 padding=1 bias=true,
      stabilizedLif tau=2 vReset=0, flatten, linear 3`,
  },
}

/** Eighths, a third of them 0: sums are exact in float32 and float64. */
function dyadic(count: number, seed: number, range = 6): Float32Array {
  const random = testRandom(seed)
  return Float32Array.from({ length: count }, () =>
    random() < 0.33 ? 0 : Math.round((random() - 0.4) * range) / 8,
  )
}

function quantise(model: Model, seed: number): StateDict {
  const state = Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, { shape, data }], i) => [
      name,
      {
        shape,
        data: name.endsWith('running_threshold')
          ? data.map(() => (3 + (i % 4)) / 4)
          : dyadic(data.length, seed + i),
      },
    ]),
  )
  model.loadStateDict(state)
  return state
}

const settings: readonly Partial<CompileOptions>[] = [
  { timeSteps: 3, stepMode: 'm', purpose: 'inference' },
  { timeSteps: 9, stepMode: 's', purpose: 'train' },
  { timeSteps: 4, stepMode: 'm', purpose: 'train', threads: 2, batchSize: 2 },
  { timeSteps: 3, stepMode: 's', purpose: 'inference', batchSize: 1 },
]

for (const [name, each] of Object.entries(cases))
  for (const setting of settings) {
    const { timeSteps: T = 0, stepMode, purpose } = setting
    test(`${name}: T ${T}, ${stepMode}, ${purpose} count what a loop over everything counts`, async () => {
      const samples = 5
      const net = netOf(each.input, each.text, own)
      const method =
        purpose !== 'train'
          ? {}
          : { method: each.method, ...(each.method === 'os' && { stepMode: 's' }) }
      const options = { input: [...each.input], batchSize: 3, ...setting, ...method }
      const shared = options as CompileOptions
      const model = await modelOf(net, { ...shared, record: true })
      const state = quantise(model, 11)
      const images = dyadic(samples * each.input.reduce((a, b) => a * b, 1), 3, 12)
      const labels = [0, 1, 2, 0, 1]
      const data = fromArrays({ images, labels, shape: [...each.input], classes: 3 })
      const simulation = new Simulation(trace(net, each.input), state)
      const size = images.length / samples
      for (let n = 0; n < samples; n++)
        simulation.run(Float64Array.from(images.subarray(n * size, (n + 1) * size)), T)
      const expected = simulation.end()
      for (let round = 0; round < 2; round++) {
        const { operations: found, firingRates } = await model.evaluate(data)
        assert.ok(found)
        // Five samples in batches of three: the fifth counts once, no repeat counts.
        assert.equal(firingRates, ratesOf(expected.trains))
        const uncounted = await model.evaluate(data, { operations: false })
        assert.equal(uncounted.firingRates, firingRates)
        assert.is(Math.round(found.effectiveMacs * samples), expected.macs)
        assert.is(Math.round(found.effectiveAcs * samples), expected.acs)
        assert.is(Math.round(found.dense * samples), expected.dense)
        assert.is(Math.round(found.membraneUpdates * samples), expected.updates)
        assert.ok(
          Math.abs(found.activationSparsity - (1 - expected.active / expected.outputs)) < 1e-12,
        )
        const weights = Object.entries(state).filter(([name]) =>
          /(weight|recurrent\.V)$/.test(name),
        )
        const all = weights.flatMap(([, { data }]) => [...data])
        const zero = all.filter((w) => w === 0).length
        assert.ok(Math.abs(found.connectionSparsity - zero / all.length) < 1e-12)
        assert.ok(expected.acs > 0 && expected.macs > 0 && zero > 0)
      }
      await checkSpikes(model, data, images, expected, T)
    })
  }

/** Share of the neurons and steps that have a spike, of each layer. */
const ratesOf = (trains: Sums['trains']): Record<string, number> =>
  Object.fromEntries([...trains].map(([name, images]) => [name, mean(images.flat())]))

/** Spike trains of `spikes` and `monitor` are those of the simulation. */
async function checkSpikes(
  model: Model,
  data: Dataset,
  images: Float32Array,
  { trains }: Sums,
  T: number,
): Promise<void> {
  const n = Math.min(2, model.batchSize)
  const { layers, labels, samples } = await model.monitor(data, { limit: 4 })
  assert.equal([samples, [...(labels ?? [])]], [4, [0, 1, 2, 0]])
  await model.predict(images.subarray(0, (n * images.length) / 5))
  assert.equal(model.session.settings.record, [...trains.keys()])
  for (const [name, all] of trains) {
    const expected = all.slice(0, 4)
    const { shape, data: spikes } = model.spikes(name)
    assert.equal(shape.slice(0, 2), [n, T])
    assert.equal([...spikes], expected.slice(0, n).flat(), name)
    const { spikes: recorded, rates, stepRates } = layers[name]
    assert.equal([...(recorded as Uint8Array)], expected.flat(), name)
    const size = shape[2] * shape[3] * shape[4]
    const wanted = expected.flatMap((train) =>
      Array.from({ length: size }, (_, i) => mean(train.filter((_, at) => at % size === i))),
    )
    assert.equal([...rates], [...Float32Array.from(wanted)], name)
    assert.ok(Math.abs(mean([...stepRates]) - mean(wanted)) < 1e-6)
  }
}

test('what is not recorded, or does not fit, is refused by name', async () => {
  const of = { input: [4], batchSize: 2, purpose: 'inference' } as const
  const text = 'flatten, linear 8, lif, linear 3'
  const [plain, model] = [
    await compileNet(text, of),
    await compileNet(text, { ...of, record: ['2'] }),
  ]
  const data = fromArrays({ images: new Float32Array(8), labels: [0, 1], shape: [4], classes: 3 })
  await expectRefusals([
    [() => plain.spikes('2'), /"2" are not kept; compile with record/],
    [() => plain.spikes('x'), /no layer of neurons "x"; there are 2/],
    [() => plain.monitor(data), /compile with record: true/],
    [() => model.spikes('2'), /nothing has run yet/],
    [() => model.monitor(data, { layers: ['1'] }), /no layer of neurons "1"/],
    [() => model.monitor(data, { maxBytes: 100 }), /take 128 bytes, more than maxBytes \(100\)/],
  ])
})

test('series and cells count, and are recorded', async () => {
  const input = [2, 8] as const
  const text = `conv 8 3 stride=2 padding=1, cubaLif tauSyn=2 tau=2 vThreshold=0.2, flatten, linear 3,
    leakyIntegrator tau=2`
  const model = await compileNet(text, { input, timeSteps: 5, batchSize: 2, record: true })
  const images = dyadic(3 * 16, 4, 20)
  const data = fromArrays({ images, labels: [0, 1, 2], shape: [...input], classes: 3 })
  const { operations } = await model.evaluate(data)
  const { layers } = await model.monitor(data)
  assert.equal(Object.keys(layers), ['1'])
  const { spikes = new Uint8Array(), rates } = layers['1']
  const fired = spikes.reduce((a, b) => a + b, 0)
  assert.ok(fired > 0)
  // Each spike of the series meets three weights; of T · 3 samples · 32 neurons.
  assert.is(Math.round((operations?.effectiveAcs ?? 0) * 3), fired * 3)
  assert.ok(Math.abs((operations?.activationSparsity ?? 0) - (1 - fired / (5 * 3 * 32))) < 1e-12)
  assert.is(rates.length, 3 * 32)
  // The taps of outputs at 0, 2, 4, 6 in a series of 8.
  assert.is(operations?.layers['0'].dense, 5 * (11 * 2 * 8))
})

test('in a stream spikes are those of the last step; long runs keep all', async () => {
  const shared = { input: [4], batchSize: 1, timeSteps: 300, record: true, seed: 2 } as const
  const text = 'flatten, linear 8, lif tau=2, linear 3'
  const stream = await compileNet(text, { ...shared, purpose: 'stream' })
  const long = await compileNet(text, { ...shared, purpose: 'inference' })
  const x = Float32Array.of(3, -2, 4, 1)
  await long.predict(x)
  const { shape, data } = long.spikes('2')
  assert.equal([...shape], [1, 300, 8, 1, 1])
  let total = 0
  for (let t = 0; t < 300; t++) {
    const { spikes } = await stream.step(x)
    const step = stream.spikes('2')
    assert.equal([...step.shape], [1, 1, 8, 1, 1])
    for (let i = 0; i < 8; i++) assert.is(step.data[i], data[t * 8 + i])
    total += step.data.reduce((a, b) => a + b, 0)
    assert.is(spikes['2'], total)
  }
  assert.ok(total > 255)
})

test.run()
