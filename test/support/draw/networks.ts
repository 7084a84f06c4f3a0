/** Random networks of all layers, and all that plans and trains them, by the product's tables. */

import { type Purpose, purposes } from '../../../src/compile/context.js'
import { type BuiltIn, lossNames } from '../../../src/compile/loss-kind.js'
import {
  type MethodOptions,
  methodNames,
  methodOptions,
  methods,
  stepModesOf,
  traitsOf,
} from '../../../src/compile/methods.js'
import { optimizerKind, optimizerNames } from '../../../src/compile/optimizer-kind.js'
import type { PlanOptions } from '../../../src/compile/plan.js'
import { standardTraining } from '../../../src/compile/training.js'
import type { FitOptions, InputShape, Loss, Optimizer, Shape } from '../../../src/index.js'
import * as sw from '../../../src/index.js'
import { functions } from '../../../src/kernels/equations/evaluate.js'
import { cellTypes, learnable } from '../../../src/network/cell.js'
import { fires, layerKinds } from '../../../src/network/kind.js'
import { trace } from '../../../src/network/trace.js'
import { sizesOf } from '../../../src/network/value.js'
import { weightTypes } from '../../../src/network/weights.js'
import { matmul, mul } from '../../../src/nn/layers/attention.js'
import { parameter } from '../../../src/nn/layers/parameter.js'
import { testRandom } from '../engine.js'
import { keysOf, methodModes, surrogateNames } from '../tables.js'
import { canWeigh, Draw, drawers, type Random } from './layers.js'
import { Sketch } from './sketch.js'

/** A network, and how it is trained. */
export interface Drawn {
  readonly index: number
  readonly sketch: Sketch
  /** Signals that are outputs, the network's own last. */
  readonly outputs: readonly number[]
  readonly compile: sw.CompileOptions & Required<Pick<MethodOptions, 'method' | 'stepMode'>>
  readonly fit: Pick<FitOptions, 'accumulate' | 'clipNorm' | 'ema' | 'freeze' | 'schedule'>
  readonly loss: Loss
  readonly penalties: readonly sw.RatePenalty[]
  readonly optimizer: Optimizer
  /** Factors of the learning rate. */
  readonly factors: readonly number[]
  readonly classes: number
  /** Whether samples have weights. */
  readonly weighted: boolean
  readonly coarse: boolean
  readonly seed: number
  /** Parameters that it starts with; the others are drawn. */
  readonly start?: Readonly<Record<string, Float32Array>>
  /** Entries of the tables that it has. */
  readonly reached: ReadonlySet<string>
}

export const lossMakers: Readonly<Record<BuiltIn, (d?: Draw, online?: boolean) => Loss>> = {
  crossEntropy: (d, online) =>
    sw.crossEntropy(
      d?.options('crossEntropy', {
        labelSmoothing: () => d.number(0.125, 0.3),
        ...(online ? {} : { of: () => 'counts' }),
      }),
    ),
  mse: (d, online) => {
    if (!d) return sw.mse()
    const of = d.options('mse', {
      targets: () => 'values',
      ...(online ? {} : { of: () => 'counts' }),
    })
    const rates = { correctRate: () => 0.75, incorrectRate: () => 0.125 }
    return sw.mse('targets' in of ? of : Object.assign(of, d.options('mse', rates)))
  },
  tet: (d) =>
    sw.tet(d?.options('tet', { lambda: () => d.number(0, 1), mean: () => d.number(-0.5, 0.5) })),
  selfDistillation: (d) =>
    sw.selfDistillation(
      d?.options('selfDistillation', {
        alpha: () => d.number(0.5, 2),
        beta: () => d.number(0.125, 1),
        temperature: () => d.number(1, 4),
      }),
    ),
}

const methodDraws: Readonly<Record<string, (d: Draw, timeSteps: number) => unknown>> = {
  update: () => 'everyStep',
  mseWeight: (d) => d.number(0, 1),
  backwardSteps: (d, timeSteps) => d.int(1, timeSteps),
  gradientCheckpoint: () => 'layers',
  normFallback: () => 'layer',
  truncate: (d, timeSteps) => d.int(1, timeSteps),
}

const targetOptions = ['steps', 'ignore', 'labelSmoothing', 'classWeights', 'sampleWeights']

/** All that a hundred networks reach, by the product's tables. */
export const tables: Readonly<Record<string, readonly string[]>> = {
  layers: [...layerKinds, 'add', 'concat'],
  methods: methodModes().map((mode) => mode.join(' ')),
  recurrent: methodModes(({ neuron }) => neuron !== 'eligibility').map(([of]) => `${of} recurrent`),
  losses: lossNames,
  optimizers: optimizerNames,
  surrogates: ['cell', 'stabilizedLif'].flatMap((kind) =>
    surrogateNames.map((name) => `${kind} ${name}`),
  ),
  equations: [
    ...keysOf(functions).filter((name) => !name.startsWith('rand')),
    ...['dv/dt', 'exponentialEuler'],
  ],
  options: [
    ...keysOf(cellTypes).flatMap((type) => [
      ...cellTypes[type].options.filter((key) => key !== 'learn').map((key) => `${type}.${key}`),
      ...learnable(type).map((key) => `${type}.learn ${key}`),
    ]),
    ...methodNames.flatMap((method) => methods[method].options.map((key) => `${method}.${key}`)),
    ...lossNames.flatMap((kind) => fieldsOf(kind, lossMakers[kind]())),
    ...targetOptions.map((key) => `targets.${key}`),
    ...optimizerNames.flatMap((kind) => fieldsOf(kind, optimizerKind(kind).make({}))),
    ...['recurrent', 'recurrent.allToAll', 'maxPool2d.rate', 'frames', 'ties', 'large', 'long'],
    ...['accumulate', 'clipNorm', 'ema', 'freeze', 'schedule', 'L1', 'L2'],
  ],
}

/** Those that are always there; others are drawn as targets. */
function fieldsOf(kind: string, made: object): string[] {
  return Object.entries(made).flatMap(([key, value]) =>
    key === 'kind' || value === undefined ? [] : [`${kind}.${key}`],
  )
}

/** The networks of a seed: of eight candidates each, the one with most that is new. */
export function drawNetworks(seed: number, count: number): Drawn[] {
  const open = new Set(Object.values(tables).flat())
  return Array.from({ length: count }, (_, index) => {
    const candidates = Array.from({ length: 8 }, (_, i) =>
      drawOne(Math.imul(seed, 0x9e3779b1) + index * 8 + i, index, open),
    ).filter(isQuiet)
    const news = candidates.map(({ reached }) => [...reached].filter((one) => open.has(one)).length)
    const best = candidates[news.indexOf(Math.max(...news))]
    for (const one of best.reached) open.delete(one)
    return best
  })
}

/** Whether equations draw no noise: others would draw other numbers. */
const isQuiet = ({ sketch }: Drawn): boolean =>
  sketch.nodes.every(({ layer }) => layer?.kind !== 'equations' || !/\brandn?\(/.test(layer.text))

function drawOne(seed: number, index: number, open: ReadonlySet<string>): Drawn {
  const random = testRandom(seed)
  const [coarse, large, offline] = [0.25, 0.1, 0.6].map((share) => random() < share)
  const long = offline && !large && random() < 0.04
  const d = new Draw(random, { coarse, large, long }, open)
  for (const [name, is] of Object.entries({ ties: coarse, large, long }))
    if (is) d.reached.add(name)
  const modes = methodModes(({ backward }) => offline === (backward === 'afterwards'))
  const network = drawNetwork(d, d.one(modes))
  return { ...network, ...drawTraining(d, network), index, seed }
}

const images = (d: Draw): Shape =>
  [d.int(1, 4), ...[0, 0].map(() => d.int(4, d.is.large ? 16 : 8))] as never
const shapes: readonly ((d: Draw) => InputShape)[] = [
  images,
  (d) => [d.int(1, 4), d.int(6, 12)],
  (d) => [d.int(5, 16)],
  images,
]

function drawNetwork(d: Draw, [method, stepMode]: readonly [sw.Method, sw.StepMode]) {
  d.reached.add(`${method} ${stepMode}`)
  // Counts of spikes in bytes pass 127.
  const most = d.is.single ? d.one([1, 2, 4, 6, 9]) : d.int(1, 6)
  const timeSteps = d.is.long ? d.int(130, 160) : most
  const chosenLoss = drawLoss(d, method, stepMode)
  const shape = d.is.large && !d.is.single ? images : d.one(shapes)
  const sketch = new Sketch(shape(d), method, stepMode, timeSteps)
  const classes = d.int(2, 5)
  const outputs = drawLayers(d, sketch, classes, chosenLoss.kind === 'selfDistillation')
  for (const { kind, layer } of sketch.nodes) {
    d.reached.add(kind)
    if (layer && 'recurrence' in layer && layer.recurrence) d.reached.add(`${method} recurrent`)
    if (layer?.kind === 'equations') {
      const { text, solver } = layer
      for (const name of keysOf(functions)) if (text.includes(`${name}(`)) d.reached.add(name)
      if (text.includes('/dt')) d.reached.add(solver === 'euler' ? 'dv/dt' : solver)
    }
    if (layer && 'surrogate' in layer && fires(layer)) d.reached.add(`${kind} ${layer.surrogate}`)
  }
  // One more number would make other networks of those whose plans have hashes.
  const keys = methods[method].options.filter((key) => !(d.is.single && key === 'truncate'))
  const own = Object.fromEntries(keys.map((key) => [key, methodDraws[key]]))
  const chosen = d.options(
    method,
    Object.fromEntries(keysOf(own).map((key) => [key, () => own[key](d, timeSteps)])),
  ) as MethodOptions
  const { loss, weighted } = drawTargets(d, chosenLoss, classes, sketch.traits.rows === 'steps')
  const learnsDelays = sketch.nodes.some(
    ({ layer }) => layer?.kind === 'dcls1d' || (layer?.kind === 'delay' && layer.learn),
  )
  const given = { ...allowed(chosen, loss), ...(learnsDelays && { truncate: undefined }) }
  const frames = d.chance(0.5)
  if (frames) d.reached.add('frames')
  const names = sketch.nodes.flatMap(({ layer }, i) => (layer && fires(layer) ? [String(i)] : []))
  const online = sketch.traits.backward === 'everyCall'
  const penalties = online || names.length === 0 ? [] : drawPenalties(d, names)
  const batchSize = d.int(d.is.single ? 1 : 2, d.is.large ? 9 : 5)
  const seed = d.int(0, 2 ** 32 - 1)
  return {
    ...{ sketch, outputs, loss, weighted, penalties, classes, reached: d.reached },
    coarse: d.is.coarse ?? false,
    compile: {
      ...{ input: sketch.input, method, stepMode, timeSteps, frames, batchSize, seed, ...given },
    },
  }
}

/**
 * A network from an input to five classes, for tests of plans.
 *
 * @param method it has layers that this method trains
 * @param whole all steps are there at once, as `timeMean` needs them
 */
export function randomNetwork(
  random: Random,
  input: InputShape,
  method: sw.Method,
  whole = false,
): sw.Block {
  const modes = stepModesOf(method)
  const sketch = new Sketch(input, method, modes[whole ? 0 : modes.length - 1], 4)
  const d = new Draw(random, { large: true, single: true })
  return sketch.network(drawLayers(d, sketch, 5, false))
}

/** A network with everything that a plan is made for. */
export function randomPlanOptions(random: Random, settled = false): PlanOptions {
  const d = new Draw(random, { large: random() < 0.6, single: true, settled })
  const { sketch, outputs, compile, loss, penalties } = drawNetwork(d, d.one(methodModes()))
  const graph = trace(sketch.network(outputs), sketch.input)
  const isWhole = outputs.length > 1 || sketch.nodes.some(({ kind }) => kind === 'timeMean')
  const all: readonly Purpose[] = ['train', 'train', ...keysOf(purposes)]
  const { method, stepMode, timeSteps, frames, batchSize } = compile
  const names = graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  const layers = penalties.map((one) => ({
    ...one,
    layers: one.layers === '*' ? names : [one.layers].flat(),
  }))
  return {
    ...methodOptions(compile, timeSteps),
    ...{ graph, input: graph.nodes[0].shape, method, stepMode, timeSteps, frames, batchSize },
    inspect: d.chance(0.2),
    purpose: d.one(all.filter((purpose) => purpose !== 'stream' || !isWhole)),
    training: { ...standardTraining, loss, penalties: layers },
    ...(!settled && { weights: d.one(weightTypes) }),
  }
}

/** Options that exclude one another: what comes first counts. */
function allowed(options: MethodOptions, loss: Loss): MethodOptions {
  const { mseWeight, backwardSteps, ...rest } = options
  return {
    ...rest,
    ...(mseWeight !== undefined && loss.kind === 'crossEntropy' ? { mseWeight } : {}),
    ...(backwardSteps !== undefined && rest.update === undefined ? { backwardSteps } : {}),
  }
}

function drawLoss(d: Draw, method: sw.Method, stepMode: sw.StepMode): Loss {
  const { backward, rows, loop } = traitsOf({ method, stepMode })
  const kind = d.one(
    lossNames.filter((name) => {
      if (name === 'tet') return rows === 'steps'
      return name !== 'selfDistillation' || (loop === 'layers' && stepMode === 'm')
    }),
  )
  d.reached.add(kind)
  return lossMakers[kind](d, backward === 'everyCall')
}

/** Targets by step, those that do not count, and weights. Plans that have hashes are without. */
function drawTargets(d: Draw, loss: Loss, classes: number, hasSteps: boolean) {
  const { kind } = loss
  const make = (
    { crossEntropy: sw.crossEntropy, mse: sw.mse, tet: sw.tet } as Record<string, Maker>
  )[kind]
  if (d.is.single || !make) return { loss, weighted: false }
  const { of, correctRate, incorrectRate, ...rest } = { ...loss, kind: undefined } as LossOptions
  const { steps } = d.options('targets', hasSteps ? { steps: () => 'steps' } : {})
  const rates = rest.targets === 'labels' ? { correctRate, incorrectRate } : {}
  const own = steps ? { ...rest, targets: steps } : { ...rest, ...rates, of }
  const ignore = () => (kind === 'mse' ? d.one(['NaN', 0.5]) : -1)
  const more = d.options('targets', {
    ...(own.targets === undefined || own.targets === 'labels' ? {} : { ignore }),
    ...(kind === 'tet' && { labelSmoothing: () => d.number(0.125, 0.3) }),
    ...(kind !== 'mse' && {
      classWeights: () => Array.from({ length: classes }, () => d.number(0.125, 2)),
    }),
  })
  const { sampleWeights: weighted = false } = d.options('targets', { sampleWeights: () => true })
  const given = Object.entries({ ...own, ...more }).filter(([, value]) => value !== undefined)
  return { loss: make(Object.fromEntries(given)), weighted }
}

type Maker = (options: object) => Loss
type LossOptions = Record<string, unknown> & sw.MeanSquaredErrorOptions

/** Chains, branches and their ends. */
function drawLayers(d: Draw, sketch: Sketch, classes: number, exits: boolean): number[] {
  const early: number[] = []
  for (let i = d.int(2, d.is.single ? 12 : 5); i > 0; i--) {
    const at = sketch.last
    const before = sketch.signals[at]
    if (at > 0 && d.chance(0.15)) drawJoin(d, sketch)
    else if (d.chance(0.4)) put(d, sketch)
    else put(d, sketch, before.spikes ? [...usual, ...pools] : usual)
    if (exits && early.length === 0 && !before.flat && d.chance(0.4)) early.push(sketch.last)
  }
  const from = sketch.last
  const ends = [...early.slice(0, 1), from].map((at, i, all) =>
    drawEnd(d, sketch, at, classes, i === all.length - 1),
  )
  if (exits && ends.length === 1) ends.unshift(drawEnd(d, sketch, from, classes, false))
  return ends
}

type Kind = keyof typeof drawers
const kindsDrawn = Object.keys(drawers) as Kind[]
/** Those that hashes of plans were made with. */
const settled = kindsDrawn.slice(0, kindsDrawn.indexOf('sumPool2d') + 1)

/** Kinds that most networks have. */
const usual: readonly Kind[] = [
  ...(['conv2d', 'conv2d', 'conv2d', 'conv1d', 'linear'] as const),
  ...(['neuron', 'cell', 'equations', 'stabilizedLif'] as const),
]
const pools: readonly Kind[] = ['maxPool1d', 'maxPool2d', 'avgPool2d']

const kindsOf = (d: Draw): readonly Kind[] => (d.is.settled ? settled : kindsDrawn)

/** A layer of one of these kinds, if one fits. */
export function put(d: Draw, sketch: Sketch, kinds?: readonly Kind[]): void {
  const isRare = !kinds && !d.is.settled && sketch.signals[sketch.last].flat
  // Few networks have places for delays of synapses.
  const all = isRare && d.chance(0.4) ? ['dcls1d' as const] : (kinds ?? kindsOf(d))
  for (let tries = 2 * all.length; tries > 0; tries--) {
    const kind = d.one(all)
    const { shape, flat } = sketch.signals[sketch.last]
    // A layer of series of any kind has an image as one.
    const turns = !kinds && kind.endsWith('1d') && !flat && shape[1] > 1 && d.chance(0.5)
    if (turns) sketch.put(sw.adaptiveAvgPool2d([1, Math.max(4, shape[2])]))
    const layer = drawers[kind](d, sketch.signals[sketch.last], sketch)
    if (layer) return void sketch.put(layer)
  }
}

/** A branch of one or two layers, added to what it reads or joined with it. */
function drawJoin(d: Draw, sketch: Sketch): void {
  const from = sketch.last
  const { shape, flat } = sketch.signals[from]
  if (!d.is.settled && !(flat && shape[1] * shape[2] > 1) && d.prefers('parameter', 0.1)) {
    const sizes = sizesOf(sketch.signals[from]).map((n) => (d.chance(0.5) ? n : 1))
    const given = { shape: sizes as unknown as InputShape, start: { uniform: 1 } }
    sketch.put(mul(), from, sketch.put(parameter('parameter', given)))
    return
  }
  put(d, sketch, ['conv2d', 'conv1d', 'linear', 'neuron', 'relu', 'identity', 'batchNorm1d'])
  if (d.chance(0.5)) put(d, sketch, ['neuron'])
  const branch = sketch.signals[sketch.last]
  if (sketch.last === from || flat !== branch.flat) return
  const fits = shape.slice(1).every((size, i) => size === branch.shape[i + 1])
  const { traits, signals } = sketch
  const may = !d.is.settled && (traits.rows === 'steps' || signals[from].isMean || branch.isMean)
  const isMatrix = !flat && shape[1] === 1 && branch.shape[1] === 1
  const two = [from, sketch.last] as const
  if (may && isMatrix && shape[2] === branch.shape[2] && d.prefers('matmul', 0.5))
    sketch.put(matmul({ transposeB: true }), ...two)
  else if (may && fits && shape[0] === branch.shape[0] && d.prefers('mul', 0.3))
    sketch.put(mul(), ...two)
  else if (fits && shape[0] === branch.shape[0] && d.chance(0.6)) sketch.join('add', [...two])
  else if (fits) sketch.join('concat', [from, sketch.last])
}

/** From a signal to numbers of classes. */
function drawEnd(d: Draw, sketch: Sketch, from: number, classes: number, last: boolean): number {
  let at = from
  const then = (layer: sw.Layer): void => {
    at = sketch.put(layer, at)
  }
  if (!sketch.signals[at].flat) then(sw.flatten())
  const ready = canWeigh(sketch.signals[at], sketch) && sketch.signals[at].trace !== 'input'
  if (!ready || (last && d.chance(0.3))) then(sw.lif({ tau: d.number(1.25, 2.5), vThreshold: 0.5 }))
  const [c, h, w] = sketch.signals[at].shape
  then(sw.linear(c * h * w, classes))
  const ends = d.one(['', '', '', 'cell', 'neuron'] as const)
  const layer = ends === '' ? undefined : drawers[ends](d, sketch.signals[at], sketch)
  if (layer) then(layer)
  return at
}

function drawPenalties(d: Draw, names: readonly string[]): sw.RatePenalty[] {
  return (['L1', 'L2'] as const)
    .filter(() => d.chance(0.25))
    .map((norm) => {
      d.reached.add(norm)
      const layers = d.chance(0.5) ? '*' : d.one(names)
      return sw.ratePenalty({
        norm,
        layers,
        weight: d.number(0.25, 2),
        target: d.one([0, 0.25, 0.5]),
      })
    })
}

/** Plans are drawn without: what optimizers there are changes none of them. */
function drawTraining(d: Draw, { sketch, compile }: ReturnType<typeof drawNetwork>) {
  const everyStep = compile.update === 'everyStep'
  const kind = d.one(optimizerNames)
  d.reached.add(kind)
  const weighs = sketch.nodes.flatMap(({ layer }, i) =>
    layer && (layer.kind === 'linear' || layer.kind.startsWith('conv')) ? [String(i)] : [],
  )
  const known = Object.keys(optimizerKind(kind).make({}))
  const draws: Readonly<Record<string, () => unknown>> = {
    lr: () => Math.fround(0.002 + 0.05 * d.random()),
    momentum: () => d.number(0.125, 0.9),
    nesterov: () => true,
    weightDecay: () => d.number(0.001, 0.25),
    decay: () => 'all',
    betas: () => [0.5, 0.75],
    eps: () => 1e-3,
    alpha: () => 0.5,
    groups: () => [
      {
        params: `${d.one(weighs)}.*`,
        lr: 0.03125,
        ...(d.chance(0.5) ? { weightDecay: 0.25 } : {}),
      },
    ],
  }
  const given = d.options(
    kind,
    Object.fromEntries(known.filter((key) => draws[key]).map((key) => [key, draws[key]])),
  ) as Record<string, unknown>
  // Steps within a batch hang on one another: short ones, of which none is of rounding alone.
  const steady = everyStep ? { lr: 0.0078125, ...(kind === 'sgd' ? {} : { eps: 0.125 }) } : {}
  const steps = d.int(1, 3)
  const factors = Array.from({ length: steps }, () => d.number(0.25, 2))
  const scheduled = d.chance(0.3)
  if (scheduled) d.reached.add('schedule')
  const fit = d.options('fit', {
    clipNorm: () => d.one([0.125, 0.5, 4]),
    ...(everyStep ? {} : { accumulate: () => 2 }),
    ema: () => 0.75,
    freeze: () => [`${d.one(weighs)}.weight`],
  }) as Drawn['fit']
  for (const key of Object.keys(fit)) d.reached.add(key)
  return {
    optimizer: optimizerKind(kind).make({ ...given, ...steady }),
    factors: scheduled ? factors : factors.map(() => 1),
    fit,
  }
}
