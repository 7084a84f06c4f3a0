/** Random layers of every kind that the product has, by its tables. */

import type { Cell, Layer, Shape } from '../../../src/index.js'
import * as sw from '../../../src/index.js'
import { type CellType, cellTypes, learnable } from '../../../src/network/cell.js'
import { fires } from '../../../src/network/kind.js'
import { sizesOf } from '../../../src/network/value.js'
import { weightTypes } from '../../../src/network/weights.js'
import { dynamicsOptions } from '../../../src/ops/neurons.js'
import { randomNeuron } from '../random-equations.js'
import { keysOf, surrogateNames } from '../tables.js'
import { integer, one, type Random } from './random.js'
import { modelOf, type Signal, type Sketch } from './sketch.js'

export { integer, one, type Random }

/** What sets a network apart. */
interface Nature {
  /** Numbers are multiples of 1/8, so that potentials may equal their thresholds. */
  readonly coarse: boolean
  /** Images, batches and channels are of more than one unit of work. */
  readonly large: boolean
  /** Over a hundred steps, and nothing that makes gradients grow with each. */
  readonly long: boolean
  /** A batch may be one image, of which a channel without pixels has no statistics. */
  readonly single: boolean
  /** Kinds of layers that there have long been, so that hashes of plans stay. */
  readonly settled: boolean
}

/** How often an option is given. */
type Share = number | ((key: string) => number)

/** Numbers for a network; what is reached is written down. */
export class Draw {
  readonly reached = new Set<string>()

  /** @param open what no network has yet */
  constructor(
    readonly random: Random,
    readonly is: Partial<Nature> = {},
    private readonly open: ReadonlySet<string> = new Set(),
  ) {}

  /** More often where it would be new. */
  prefers(name: string, share: number): boolean {
    return this.chance(this.open.has(name) ? 0.7 : share)
  }

  int(least: number, most: number): number {
    return integer(this.random, least, most)
  }

  one<T>(list: readonly T[]): T {
    return one(this.random, list)
  }

  /** One that is new for a kind, if there is one. */
  fresh<T extends string>(kind: string, list: readonly T[]): T {
    const found = list.filter((name) => this.open.has(`${kind} ${name}`))
    return this.one(found.length > 0 ? found : list)
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  /** A float32 number. */
  number(least: number, most: number): number {
    const value = least + (most - least) * this.random()
    return this.is.coarse ? Math.round(value * 8) / 8 : Math.fround(value)
  }

  /** One for the layer, each channel or each neuron. */
  numbers({ shape, flat }: Place, least: number, most: number): number | number[] {
    const [c, h, w] = shape
    const count = this.one([0, 0, flat ? c * h * w : c, c * h * w])
    if (count === 0) return this.number(least, most)
    return Array.from({ length: count }, () => this.number(least, most))
  }

  /** An option that is given, or left out. */
  options<K extends string>(
    what: string,
    draws: Readonly<Partial<Record<K, () => unknown>>>,
    share: Share = 0.4,
  ): Record<K, never> {
    const given = (keysOf(draws as Record<K, unknown>) as K[]).filter((key) =>
      this.prefers(`${what}.${key}`, typeof share === 'number' ? share : share(key)),
    )
    for (const key of given) this.reached.add(`${what}.${key}`)
    return Object.fromEntries(given.map((key) => [key, draws[key]?.()])) as Record<K, never>
  }
}

type Place = Pick<Signal, 'shape' | 'flat'>

/** A layer of a kind behind a signal; undefined where it does not fit. */
type Drawer = (d: Draw, x: Signal, sketch: Sketch) => Layer | undefined

const isImage = ({ shape, flat }: Signal): boolean => !flat && shape[1] > 1
const isSeries = ({ shape, flat }: Signal): boolean => !flat && shape[1] === 1 && shape[2] > 1
const sizeOf = ({ shape: [c, h, w] }: Place): number => c * h * w
const divisorsOf = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((i) => n % i === 0)

/** Whether a weight may read it. */
export const canWeigh = ({ trace }: Signal, { traits }: Sketch): boolean =>
  traits.presynaptic !== 'trace' || trace !== undefined

/** Width for each channel, so that groups divide both numbers of channels. */
function channels(
  d: Draw,
  from: number,
  { nodes }: Sketch,
): { to: number; groups: number; standardise: boolean } {
  const divisors = Array.from({ length: from }, (_, i) => i + 1).filter((n) => from % n === 0)
  const groups = d.chance(0.6) ? 1 : d.one(divisors)
  const parts = d.chance(d.is.large ? 0.7 : 0.1) ? d.one([8, 12, 16, 20, 40]) : d.int(1, 8)
  const most = d.is.large ? Math.max(1, Math.min(12, Math.floor(48 / groups))) : 4
  const to = groups === 1 ? parts : groups * d.int(1, most)
  const isDepthwise = groups === from && groups === to
  // The input's own channels are stored without padding, and no block of one group.
  const isStored = nodes.some(({ layer }) => fires(layer) || layer?.kind.startsWith('conv'))
  const fits = groups === 1 || (isDepthwise && isStored) || (to / groups) % 4 === 0
  return { to, groups, standardise: fits && d.chance(0.2) }
}

/** What the weight of a layer is, where the layer says so itself. Another program has no such. */
function ownWeights(d: Draw, { spikes }: Signal, groups = 1): Pick<sw.LinearOptions, 'weights'> {
  if (!d.is.single || d.is.settled || !d.chance(0.2)) return {}
  const types = spikes === undefined || groups > 1 ? (['f32'] as const) : weightTypes
  return { weights: d.one<sw.WeightType>(types) }
}

const conv2d: Drawer = (d, x, sketch) => {
  if (!isImage(x) || !canWeigh(x, sketch)) return undefined
  const [from, h, w] = x.shape
  const { to, groups, standardise } = channels(d, from, sketch)
  const kernel = d
    .one([
      [3, 3],
      [3, 3],
      [1, 1],
      [2, 3],
      [5, 5],
    ] as const)
    .map((k, i) => Math.min(k, x.shape[i + 1])) as [number, number]
  const padding = kernel.map((k) => d.int(0, k >> 1)) as [number, number]
  const stride = Math.min(h, w) > 5 ? d.one([1, 1, 2, [2, 1] as const]) : 1
  const isOne = (from / groups) * kernel[0] * kernel[1] === 1
  const bias = d.chance(0.6)
  const own = { bias, standardise: standardise && !isOne, padding, stride, groups }
  return sw.conv2d(from, to, kernel, { ...own, ...ownWeights(d, x, groups) })
}

const conv1d: Drawer = (d, x, sketch) => {
  if (!isSeries(x) || !canWeigh(x, sketch)) return undefined
  const [from, , length] = x.shape
  const { to, groups, standardise } = channels(d, from, sketch)
  const kernel = Math.min(d.one([1, 2, 3, 5]), length)
  const isOne = (from / groups) * kernel === 1
  const own = { bias: d.chance(0.6), standardise: standardise && !isOne, groups }
  const stride = length > 5 ? d.int(1, 2) : 1
  const more = { padding: d.int(0, kernel >> 1), stride, ...ownWeights(d, x, groups) }
  return sw.conv1d(from, to, kernel, { ...own, ...more })
}

/** A convolution whose taps are apart, along one axis or both. */
const dilated: Drawer = (d, x, sketch) => {
  if (x.flat || !canWeigh(x, sketch) || Math.max(x.shape[1], x.shape[2]) < 3) return undefined
  const [from, h, w] = x.shape
  const { to, groups, standardise } = channels(d, from, sketch)
  const axis = (size: number) => {
    const dilation = d.int(1, 3)
    const kernel = Math.max(1, Math.min(d.int(1, 3), Math.ceil(size / dilation)))
    const padding = d.int(0, Math.max(0, (kernel - 1) * dilation))
    return { kernel, dilation, padding, stride: size > 5 ? d.int(1, 2) : 1 }
  }
  const [down, across] = [axis(h), axis(w)]
  const both = (of: 'kernel' | 'dilation' | 'padding' | 'stride') => [down[of], across[of]] as const
  const isOne = (from / groups) * down.kernel * across.kernel === 1
  const own = { bias: d.chance(0.6), standardise: standardise && !isOne, groups }
  if (isSeries(x)) {
    const { kernel, ...along } = across
    const single = (from / groups) * kernel === 1
    return sw.conv1d(from, to, kernel, { ...own, ...along, standardise: standardise && !single })
  }
  const [stride, padding, dilation] = [both('stride'), both('padding'), both('dilation')]
  return sw.conv2d(from, to, both('kernel'), { ...own, stride, padding, dilation })
}

const transposed: Drawer = (d, x, sketch) => {
  if (x.flat || !canWeigh(x, sketch) || x.shape[1] * x.shape[2] > 200) return undefined
  const [from, h, w] = x.shape
  const { to, groups } = channels(d, from, sketch)
  const axis = (size: number) => {
    const [kernel, stride, dilation] = [d.int(1, 4), d.int(1, 3), d.one([1, 1, 2])]
    const most = (size - 1) * stride + dilation * (kernel - 1)
    const outputPadding = d.int(0, Math.max(stride, dilation) - 1)
    const padding = d.int(0, Math.min(kernel - 1, most >> 1))
    return { kernel, stride, dilation, padding, outputPadding }
  }
  const bias = d.chance(0.6)
  if (isSeries(x)) {
    const { kernel, ...along } = axis(w)
    return sw.convTranspose1d(from, to, kernel, { ...along, bias, groups })
  }
  const [down, across] = [axis(h), axis(w)]
  const both = (of: keyof typeof down) => [down[of], across[of]] as const
  const options = {
    ...{ stride: both('stride'), padding: both('padding'), dilation: both('dilation') },
    ...{ outputPadding: both('outputPadding'), bias, groups },
  }
  return sw.convTranspose2d(from, to, both('kernel'), options)
}

const upsample: Drawer = (d, x) => {
  const [, h, w] = x.shape
  if (x.flat || h * w > 100) return undefined
  const ofSeries = x.series
  const mode = d.one(['nearest', ofSeries ? 'linear' : 'bilinear'] as const)
  const how = { mode, alignCorners: mode !== 'nearest' && d.chance(0.5) }
  const one = d.one([1, 1.5, 2, 3])
  if (d.chance(0.5)) return sw.upsample({ scale: ofSeries ? one : [one, d.one([1, 2])], ...how })
  const size = [d.int(1, 2 * h), d.int(1, 2 * w)] as const
  return sw.upsample({ size: ofSeries ? size[1] : size, ...how })
}

const linear: Drawer = (d, x, sketch) => {
  const features = sizeOf(x)
  if (!x.flat || !canWeigh(x, sketch)) return undefined
  const standardise = features > 1 && d.chance(0.2)
  const to = d.int(4, 12)
  return sw.linear(features, to, { bias: d.chance(0.7), standardise, ...ownWeights(d, x) })
}

/** Windows of a pooling layer. */
function windows(d: Draw, size: number): { kernel: number; stride: number; padding: number } {
  const kernel = Math.min(d.one([2, 2, 3]), size)
  return { kernel, stride: d.int(1, 2), padding: d.int(0, kernel >> 1) }
}

const pool2d =
  (make: (kernel: number, options: sw.MaxPoolOptions) => Layer, more?: typeof rateOfPool): Drawer =>
  (d, x) => {
    if (!isImage(x) || x.shape[1] < 3 || x.shape[2] < 3) return undefined
    const { kernel, ...options } = windows(d, Math.min(x.shape[1], x.shape[2]))
    return make(kernel, { ...options, ...more?.(d) })
  }

const rateOfPool = (d: Draw): sw.MaxPoolOptions =>
  d.options('maxPool2d', { rate: () => 'official' })

const pool1d =
  (make: (kernel: number, options: sw.Pool1dOptions) => Layer): Drawer =>
  (d, x) => {
    if (!isSeries(x) || x.shape[2] < 3) return undefined
    const { kernel, ...options } = windows(d, x.shape[2])
    return make(kernel, options)
  }

const hasStatistics = ({ is }: Draw, { shape: [, h, w] }: Place): boolean => !is.single || h * w > 1

const normOptions = (d: Draw, what: string): sw.BatchNormOptions =>
  d.options(what, { eps: () => d.one([1e-3, 1e-4]), momentum: () => d.number(0.05, 0.5) })

/** What cells of all types are drawn with, by the options of the product's table. */
const cellDraws = (
  d: Draw,
  x: Place,
  oneTau: boolean,
): Readonly<Record<string, () => unknown>> => ({
  tau: () => (oneTau ? d.number(1.25, 4) : d.numbers(x, 1.25, 4)),
  tauSyn: () => d.numbers(x, 1.25, 3),
  tauAdaptation: () => d.numbers(x, 2, 9),
  beta: () => d.numbers(x, 0.125, 0.5),
  vThreshold: () => d.numbers(x, 0.375, 1),
  vReset: () => d.one([0, -0.25, 0.125]),
  reset: () => 'delayed',
  vRest: () => d.numbers(x, -0.25, 0.25),
  inputScale: () => d.numbers(x, 0.5, 1.5),
  fires: () => 'above',
  refractory: () => d.int(1, 2),
  detachReset: () => false,
  decayInput: () => true,
  surrogate: () => d.fresh('cell', surrogateNames),
  alpha: () => d.number(0.75, 3),
})

const makers: Readonly<Record<CellType, (options: object) => Cell>> = {
  lif: sw.lif,
  integrateAndFire: sw.integrateAndFire,
  plif: sw.plif,
  cubaLif: sw.cubaLif,
  alif: sw.alif,
  leakyIntegrator: sw.leakyIntegrator,
  integrator: sw.integrator,
}

interface CellNature {
  readonly types: readonly CellType[]
  readonly learns: boolean
  /** One time constant for the layer. */
  readonly oneTau?: boolean
  readonly share: Share
}

/** Neurons of any type: those of the table's options that are drawn make it a cell, or not. */
function neuronOf(d: Draw, x: Place, { types, learns, oneTau = false, share }: CellNature): Cell {
  const type = d.one(types.filter((name) => learns || name !== 'plif'))
  const { options } = cellTypes[type]
  const learn = learnable(type)
  const draws = cellDraws(d, x, oneTau)
  const known = Object.fromEntries(
    options
      .filter((key) => key !== 'learn' && !(d.is.long && key === 'detachReset'))
      .map((key) => [key, draws[key]]),
  )
  const given: Record<string, unknown> = d.options(type, known, share)
  const chosen = learn.filter((key) => learns && d.prefers(`${type}.learn ${key}`, 0.2))
  for (const key of chosen) {
    d.reached.add(`${type}.learn ${key}`)
    given[key] ??= draws[key]()
  }
  return makers[type](chosen.length > 0 ? { ...given, learn: chosen } : given)
}

function recurrence(d: Draw): sw.RecurrentOptions {
  const all = d.chance(0.7)
  d.reached.add(all ? 'recurrent' : 'recurrent.allToAll')
  return all ? { bias: d.chance(0.5) } : { allToAll: false }
}

const isSpiking = (type: CellType): boolean => cellTypes[type].options.includes('vThreshold')

/** Cells that spike, or integrators; `learns`: with parameters, `hears`: recurrent. */
export function randomCell(
  random: Random,
  shape: Shape,
  {
    learns,
    hears = false,
    spikes = true,
  }: Record<'learns', boolean> & Partial<Record<'hears' | 'spikes', boolean>>,
): Cell {
  const d = new Draw(random)
  const types = keysOf(cellTypes).filter((type) => isSpiking(type) === spikes)
  // With their own threshold neurons fire.
  const share = (key: string): number => (['vThreshold', 'surrogate'].includes(key) ? 1 : 0.5)
  const layer = neuronOf(d, { shape, flat: false }, { types, learns, share })
  return hears ? sw.recurrent(layer, recurrence(d)) : layer
}

/** Neurons that are all alike. */
const neuron: Drawer = (d, x, { traits }) => {
  const type = d.one([
    'lif',
    'integrateAndFire',
    ...(traits.neuron === 'surrogate' ? [] : ['plif']),
  ])
  const all = dynamicsOptions.slice(type === 'integrateAndFire' ? 2 : 0)
  const known = all.filter((key) => !(d.is.long && key === 'detachReset'))
  const one = { ...x, shape: [1, 1, 1], flat: true } as const
  const draws = cellDraws(d, one, true)
  const options = d.options('neuron', Object.fromEntries(known.map((key) => [key, draws[key]])))
  return makers[type as CellType](
    Object.fromEntries(Object.entries(options).map(([key, value]) => [key, [value].flat()[0]])),
  )
}

/** Whether its own spikes come to a layer as well. */
function hears(d: Draw, x: Signal, { traits, method }: Sketch, layer: Layer): boolean {
  const may = traits.neuron !== 'eligibility' && !d.is.long && sizeOf(x) <= 64 && fires(layer)
  const isTraced = traits.presynaptic !== 'trace' || !Number.isNaN(modelOf(layer)?.leak)
  return may && isTraced && d.prefers(`${method} recurrent`, 0.3)
}

const cell: Drawer = (d, x, sketch) => {
  const { traits } = sketch
  const drawn = neuronOf(d, x, {
    types: keysOf(cellTypes),
    learns: traits.neuron !== 'surrogate',
    oneTau: traits.presynaptic === 'trace',
    share: d.one([0, 0.2, 0.5]),
  })
  return hears(d, x, sketch, drawn) ? sw.recurrent(drawn, recurrence(d)) : drawn
}

/** Neurons of one's own: resets of each kind, rates, ranges, rests, numbers as output. */
const ownNeurons: readonly string[] = [
  'u = u*(1 - 1/tau) + x; spike = u >= theta; u = u - theta*detach(spike)',
  'u = u + (x - tanh(u))/tau; spike = theta < u; u = where(spike, -0.1, u)',
  'tau > 1; theta >= 0.125; 0 < b < 2\ndu/dt = (x - u)/tau; spike = u >= theta + b*a\n' +
    'a = 0.5*a + spike; u = u - theta*spike',
  'b <= 1; du/dt = x - u/tau - w; dw/dt = b*u - w/4\nspike = u > theta; u = where(spike, w, u)',
  'u = u*(1 - 1/tau) + x + b*spike; spike = u >= theta and rest <= 0 and not (x < -1)\n' +
    'u = where(detach(spike), min(u - theta, 0), u); rest = where(spike, 2, max(rest - 1, 0))',
  'u = u/2 + x*(0.75 + 0.5*rand()); spike = u >= theta + 0.1*randn(); u = where(spike, 0, u)',
  'v = v*(1 - 1/tau) + sigmoid(x); output = v - theta*sqrt(abs(v) + 1)',
  'theta < 1; u = u*(1 - 1/tau) + x; n = max(min(round(u), 3), 0); u = u - n; output = n + theta*u',
]

const activation = (d: Draw, x: Signal, learns: boolean): Layer => {
  const [text, name] = d.one([
    ['x * sigmoid(beta*x)', 'beta'],
    ['y = abs(x); where(x > 0, x, a*log(1 + y))', 'a'],
  ])
  const learn = learns && d.chance(0.5) ? [name] : []
  return sw.elementwise(text, { [name]: d.numbers(x, 0.5, 2) }, { learn })
}

const equations: Drawer = (d, x, sketch) => {
  const { traits } = sketch
  const learns = traits.neuron !== 'surrogate' && traits.presynaptic !== 'trace'
  if (d.chance(0.2)) return activation(d, x, learns)
  const known = d.chance(0.6) ? d.one(ownNeurons) : undefined
  const text = known ?? randomNeuron(d.random).text
  const names = ['tau', 'theta', 'b', 'p', 'q', 'r', 's', 'k']
  const parameters = Object.fromEntries(
    names
      .filter((name) => new RegExp(`\\b${name}\\b`).test(text))
      .map((name) => [name, name === 'tau' ? d.numbers(x, 1.5, 4) : d.numbers(x, 0.25, 0.75)]),
  )
  const layer = sw.neuron(text, parameters, {
    surrogate: d.one([...surrogateNames, '1/(1 + (alpha*x)^2)']),
    learn: learns ? Object.keys(parameters).filter(() => d.chance(0.4)) : [],
    ...(known ? { solver: d.one(['euler', 'exponentialEuler']), dt: d.one([1, 0.5]) } : {}),
  })
  return hears(d, x, sketch, layer) ? sw.recurrent(layer, recurrence(d)) : layer
}

const stabilizedLif: Drawer = (d, _x, { traits }) =>
  traits.stabilizes
    ? sw.stabilizedLif(
        d.options('stabilizedLif', {
          tau: () => d.number(1.25, 3),
          decayInput: () => true,
          vThreshold: () => d.number(0.5, 1.25),
          vReset: () => d.one([0, -0.25]),
          surrogate: () => d.fresh('stabilizedLif', surrogateNames),
          alpha: () => d.number(0.75, 3),
          momentum: () => d.number(0.125, 0.5),
        }),
      )
    : undefined

const groupNorm: Drawer = (d, x) => {
  const [c, h, w] = x.shape
  if (x.flat && h * w > 1) return undefined
  const fits = [1, 2, 3, 4].filter((n) => c % n === 0 && (c / n) * h * w >= 3)
  if (fits.length === 0) return undefined
  return sw.groupNorm(d.one(fits), c, { affine: d.chance(0.7), eps: d.one([1e-5, 1e-3]) })
}

const layerNorm: Drawer = (d, x) => {
  const [c, h, w] = x.shape
  const series = h === 1 ? [[c, w], [w]] : [[c, h, w], [h, w], [w]]
  const fits = (x.flat ? [[c * h * w]] : series).filter((of) => of.reduce((a, b) => a * b, 1) >= 3)
  if (fits.length === 0) return undefined
  return sw.layerNorm(d.one(fits), { affine: d.chance(0.7), eps: d.one([1e-5, 1e-3]) })
}

/** Between which steps a learnt delay reads. */
const spacing = (d: Draw) =>
  d.options('delays', {
    interpolation: () => d.one(['linear', 'gauss']),
    sigma: () => d.number(0, 2),
  })

/**
 * A row for each kind; a kind that is missing is an error of types. New ones come last: which
 * networks are drawn follows from the order.
 */
export const drawers: Readonly<Record<Layer['kind'] | 'neuron' | 'dilated', Drawer>> = {
  conv2d,
  linear,
  batchNorm2d: (d, x) =>
    x.flat || !hasStatistics(d, x)
      ? undefined
      : sw.batchNorm2d(x.shape[0], normOptions(d, 'batchNorm2d')),
  neuron,
  equations,
  cell,
  avgPool2d: pool2d(sw.avgPool2d),
  maxPool2d: pool2d(sw.maxPool2d, rateOfPool),
  adaptiveAvgPool2d: (d, x) =>
    isImage(x) ? sw.adaptiveAvgPool2d([d.int(1, x.shape[1]), d.int(1, x.shape[2])]) : undefined,
  flatten: (_d, x) => (x.flat ? undefined : sw.flatten()),
  dropout: (d) => sw.dropout(d.one([0.25, 0.5])),
  scale: (d, x) => {
    const factor = d.numbers(x, 0.5, 2)
    return sw.scale(typeof factor === 'number' && d.chance(0.2) ? -factor : factor)
  },
  identity: () => sw.identity(),
  relu: () => sw.relu(),
  stabilizedLif,
  timeMean: (_d, { isMean }, { traits, stepMode }) =>
    traits.loop === 'layers' && stepMode === 'm' && !isMean ? sw.timeMean() : undefined,
  adaptiveAvgPool1d: (d, x) =>
    isSeries(x) ? sw.adaptiveAvgPool1d(d.int(1, x.shape[2])) : undefined,
  avgPool1d: pool1d(sw.avgPool1d),
  batchNorm1d: (d, x) => {
    const { flat, shape } = x
    const [c, h, w] = shape
    if (h > 1 || (flat && w > 1) || !hasStatistics(d, x)) return undefined
    return sw.batchNorm1d(c, normOptions(d, 'batchNorm1d'))
  },
  conv1d,
  delay: (d, { shape: [c, h, w], flat }, { traits, timeSteps }) => {
    if (traits.neuron === 'surrogate') return undefined
    const learn =
      traits.neuron === 'time' && !flat && d.chance(0.3)
        ? { maxDelay: timeSteps + 1, ...spacing(d) }
        : undefined
    const each = (): number => (learn ? d.number(0, timeSteps + 1) : d.int(0, timeSteps + 1))
    const isOne = d.chance(0.5) || (flat && h * w > 1)
    return sw.delay(isOne ? each() : Array.from({ length: c }, each), learn)
  },
  groupNorm,
  layerNorm,
  maxPool1d: pool1d(sw.maxPool1d),
  sumPool1d: pool1d(sw.sumPool1d),
  sumPool2d: pool2d(sw.sumPool2d),
  dilated,
  convTranspose1d: (d, x, sketch) => (isSeries(x) ? transposed(d, x, sketch) : undefined),
  convTranspose2d: (d, x, sketch) => (isImage(x) ? transposed(d, x, sketch) : undefined),
  upsample,
  // Two values: `drawJoin`.
  mul: () => undefined,
  matmul: () => undefined,
  // It reads no value: `drawJoin`.
  parameter: () => undefined,
  permute: (d, x) => {
    const dims = sizesOf(x).map((_, i) => i + 1)
    for (let i = dims.length - 1; i > 0; i--) {
      const j = d.int(0, i)
      ;[dims[i], dims[j]] = [dims[j], dims[i]]
    }
    return sw.permute(dims)
  },
  expand: (d, x) => {
    const most = Math.max(1, Math.floor(200 / sizeOf(x)))
    return x.flat && x.shape[1] * x.shape[2] > 1
      ? undefined
      : sw.expand(sizesOf(x).map((n) => (n === 1 && most > 1 ? d.int(1, Math.min(5, most)) : -1)))
  },
  reshape: (d, x) => {
    const all = sizeOf(x)
    const first = d.one(divisorsOf(all))
    const second = d.one(divisorsOf(all / first))
    return sw.reshape(d.one([[all], [first, -1], [first, second, -1]]))
  },
  slice: (d, x) => {
    const sizes = sizesOf(x)
    const dim = d.int(1, sizes.length)
    const from = d.int(0, (sizes[dim - 1] - 1) >> 1)
    const to = d.one([undefined, -1, sizes[dim - 1]])
    return to === -1 && sizes[dim - 1] - from < 2 ? undefined : sw.slice(from, to, dim)
  },
  softmax: (d, x, { traits }) =>
    (traits.rows === 'one' && !x.isMean) || (x.flat && sizeOf(x) > x.shape[0])
      ? undefined
      : sw.softmax(d.int(1, sizesOf(x).length)),
  dcls1d: (d, x, { traits, timeSteps }) =>
    (x.flat || x.shape[1] * x.shape[2] === 1) && traits.neuron === 'time'
      ? sw.dcls1d(sizeOf(x), d.one([3, 7, 20]), {
          ...spacing(d),
          ...d.options('dcls1d', { kernelCount: () => d.int(1, 3), bias: () => d.chance(0.5) }),
          maxDelay: d.int(1, timeSteps + 1),
        })
      : undefined,
}
