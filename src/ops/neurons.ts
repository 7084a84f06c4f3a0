import { describe, fail } from '../base/errors.js'
import * as backward from '../compile/emit/neuron-record.js'
import {
  emitNeurons,
  type NeuronInput,
  type Neurons,
  sizesOf,
} from '../compile/emit/neuron-record.js'
import { parameterLayout } from '../compile/emit/neurons.js'
import { vectorLayout } from '../compile/layout.js'
import type { Contribution } from '../compile/tensors.js'
import type { Buffer } from '../kernels/records/words.js'
import { type Cell, isOneToOne, type NeuronOptions, recurrentWeight } from '../network/cell.js'
import { kindOf, type NeuronModel } from '../network/kind.js'
import { lif, plif } from '../nn/layers/cells.js'
import type { Equations } from '../nn/layers/equations.js'
import type { OpBuilder } from './builder.js'
import { type Planning, takes } from './op.js'
import * as is from './options.js'
import { checkShape, type Extent, extentOf, imageOf, still, withSteps } from './shapes.js'
import * as tensors from './tensor.js'

const residualOf = {
  /** As of the first current; default false. */
  affine: is.byStep,
  /** It is the same at every step: it has no time axis. Default false. */
  still: is.flag(),
}
/**
 * A second current, which is added to the first.
 * @interface
 */
export type ResidualOptions = is.OptionsIn<typeof residualOf>

export const dynamicsOptions = [
  'tau',
  'decayInput',
  'vThreshold',
  'vReset',
  'detachReset',
  'surrogate',
  'alpha',
] as const

/** What spiking neurons are, and what they read. */
export const charge = {
  ...is.ofLayer<NeuronOptions>(dynamicsOptions),
  /**
   * Shape of the current: [B, T, C, H, W], [B, T, C] or [T, N]. With `timeSteps` it is the same at
   * every step: [B, C, H, W] or [B, C].
   */
  input: is.needed<readonly number[]>(),
  /** Time steps, where the current has no time axis. */
  timeSteps: is.steps,
  /** τ is a parameter: 1/τ = σ(w), and w [1] is an argument (PLIF). Default false. */
  learnable: is.flag(),
  /**
   * An affine map of each channel in front of the neurons, scale·x + shift, as a normalisation has
   * it. true: vectors [C]; 'steps': one for each time step, [T, C]. Default false.
   */
  affine: is.byStep,
  /** A second current is added; perhaps with a map of its own. Default false. */
  residual: is.option((name, given?: boolean | ResidualOptions) =>
    given === undefined || given === false
      ? undefined
      : is.checkAll(name, residualOf, given === true ? {} : given),
  ),
  /**
   * Spikes of another layer are added to the current, times this factor; true: 1. Default false.
   */
  shortcut: is.option((name, given?: boolean | number) => {
    if (given !== undefined && typeof given !== 'boolean' && !Number.isFinite(given))
      fail(`${name} must be true, false or a finite factor, got ${describe(given)}`)
    return given === false || given === undefined ? undefined : Number(given)
  }),
}
type Charge = is.Checked<typeof charge>

/** Those of the options that a layer has. */
export const pick = <K extends string>(
  options: { readonly [name in K]?: unknown },
  names: readonly K[],
): object => Object.fromEntries(names.map((name) => [name, options[name]]))

/** Checks what a layer checks. */
export const neuronOf = (of: Charge): Cell => (of.learnable ? plif : lif)(pick(of, dynamicsOptions))

/** The current's axes, and those of the neurons over all steps. */
function extentsOf(what: string, input: readonly number[], timeSteps: number | undefined) {
  if (timeSteps !== undefined) {
    const own = extentOf(what, input, 'never')
    return { own, extent: withSteps(own, timeSteps) }
  }
  checkShape(what, input, 'T N', 'B T C', 'B T C H W')
  const isPlain = input.length === 2
  // One image, whose axis no shape shows.
  const all = extentOf(what, isPlain ? [1, ...input] : input, 'always')
  const own = isPlain ? { ...all, shape: [...input] } : all
  return { own, extent: own }
}

/** What neurons read, as checked. */
export function readsOf({ op, asked }: OpBuilder, of: Charge) {
  const extents = extentsOf(`${op}.input`, of.input, of.timeSteps)
  const { affine, residual, shortcut, learnable } = of
  const check = (name: string, map: string, has: unknown): void => {
    const set = `set ${map} to true or 'steps'`
    if (asked.has(name) && !has)
      fail(`${op}.outputs: '${name}' is of what ${map} has normalised; ${set}`)
  }
  check('xhat', 'affine', affine)
  check('residualXhat', 'residual.affine', residual?.affine)
  const second = residual?.still ? still(extents.extent) : extents.extent
  return { ...extents, second, affine, residual, shortcut, learnable }
}
type Reads = ReturnType<typeof readsOf>

/** Arguments that a step of neurons reads; those whose options are off are left out. */
export function readTensors({ asked }: OpBuilder, { extent, affine, residual, ...of }: Reads) {
  const map = (by: boolean | 'steps' | undefined, wanted = true) =>
    by && wanted && takes(tensors.groups(extent, by === 'steps'))
  return {
    /** The current. */
    input: takes(tensors.floats(of.own)),
    /** [C] or [T, C], with `affine`. */
    scale: map(affine),
    /** As `scale`. */
    shift: map(affine),
    /** As `scale`, for the output `xhat`. */
    mean: map(affine, asked.has('xhat')),
    /** As `mean`. */
    invStd: map(affine, asked.has('xhat')),
    /** The second current, with `residual`. */
    residual: residual && takes(tensors.floats(of.second)),
    /** As `scale`, of the second current. */
    residualScale: map(residual?.affine),
    /** As `residualScale`. */
    residualShift: map(residual?.affine),
    /** As `residualScale`, for the output `residualXhat`. */
    residualMean: map(residual?.affine, asked.has('residualXhat')),
    /** As `residualMean`. */
    residualInvStd: map(residual?.affine, asked.has('residualXhat')),
    /** 0 or 1, with `shortcut`: spikes of another layer. */
    shortcut: of.shortcut !== undefined && takes(tensors.spikes(extent)),
    /** [1], with `learnable`: 1/τ = σ(w). */
    w: of.learnable && takes(tensors.numbers([1])),
  }
}

/** The same as records read it. */
export function currentsOf(
  { own, extent, second, affine, residual, shortcut = 1 }: Reads,
  made: Readonly<Record<string, tensors.OpTensor>>,
) {
  const current = (name: string, of: Extent, by: boolean | 'steps'): NeuronInput => {
    const tensor = tensors.asFloat(made[name], of)
    if (!by) return { tensor }
    const [scale, shift, mean, invStd, xhat] = ['Scale', 'Shift', 'Mean', 'InvStd', 'Xhat'].map(
      (role): Buffer => {
        const own = role[0].toLowerCase() + role.slice(1)
        return made[name === 'input' ? own : name + role]?.buffer
      },
    )
    const groups = by === 'steps' ? extent.T : 1
    return { tensor, norm: { groups, scale, shift, mean, invStd }, xhat }
  }
  const inputs = [current('input', own, affine)]
  if (residual) inputs.push(current('residual', second, residual.affine))
  return { inputs, spikes: made.shortcut && { masks: made.shortcut.buffer, scale: shortcut } }
}

export type NeuronLayer = Cell | Equations

/** Tensors of what a layer learns, in the order of its state dict, or of its gradients. */
export function learnt(
  layer: NeuronLayer,
  extent: Extent,
  as: (make: tensors.Make<Float32Array>) => Planning<Float32Array> = takes,
  suffix = '',
): Readonly<Record<string, Planning<Float32Array>>> {
  const shape = imageOf(extent)
  const specs = kindOf(layer).parameters?.(layer, shape) ?? []
  const each = specs.map((spec) => {
    const layout = parameterLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1)
    return [spec.name + suffix, as(tensors.parameter(layout))]
  })
  return Object.fromEntries(each)
}

/** Neurons as records have them. */
type NeuronJob = ReturnType<typeof jobOf>

/** @throws SpikewasmError for numbers of another length than the shape has; `where` begins it */
export function jobOf(
  { b, op, made }: OpBuilder,
  layer: NeuronLayer,
  extent: Extent,
  reads: Partial<Pick<Neurons, 'inputs' | 'spikes'>> = {},
  { where = op, timeSteps = extent.T } = {},
) {
  const shape = imageOf(extent)
  const kind = kindOf(layer)
  kind.output(layer, { node: 0, shape, flat: false }, where)
  const model = kind.model?.(layer) as NeuronModel
  const placeOf = (name: string): Buffer => made[name]?.buffer
  const neurons: Neurons = {
    inputs: [{ tensor: tensors.asFloat(made.input, extent) }],
    // Forward and back draw the same numbers.
    name: 'neurons',
    model,
    shape,
    ...reads,
    parameters: new Map(Array.from(model.learn, ([key, name]) => [key, placeOf(name)])),
    recurrent: model.recurrence
      ? {
          weight: placeOf(recurrentWeight(layer)),
          bias: placeOf('recurrent.bias'),
          oneToOne: isOneToOne(layer),
        }
      : undefined,
  }
  return { extent, layer, neurons, scope: scopeOf(b, extent, timeSteps) }
}

/** Where neurons run. */
export const scopeOf = (b: OpBuilder['b'], { B: images, T }: Extent, timeSteps: number) => ({
  b,
  images,
  callSteps: T,
  context: { images },
  options: { timeSteps },
})

/** What of neurons is counted: who asks for spikes alone has nothing counted. */
export const isCounted = ({ asked }: OpBuilder): boolean =>
  ['counts', 'rates', 'eligibilities', 'surrogates'].some((name) => asked.has(name))

/**
 * Neurons over all steps.
 * @param own name of what they give: spikes, or numbers
 */
export function emitForward(o: OpBuilder, job: NeuronJob, own: string): void {
  const { b, made, asked } = o
  const { extent, scope, neurons } = job
  const result = made[own]
  const spiking = 'counts' in result ? (result as tensors.SpikesTensor) : undefined
  const counts = spiking && isCounted(o) ? spiking.counts.buffer : undefined
  /** The potentials come first. */
  const carry = (bytes: number): Buffer => {
    const room = tensors.floats(still(extent), undefined, bytes / 4)
    made.potential = room(o, { name: 'potential', updated: true })
    made.state = tensors.behind(made.potential, 'state', bytes / 4)
    return made.potential.buffer
  }
  const { units } = sizesOf(scope, neurons)
  const results = {
    masks: spiking?.buffer,
    out: spiking ? undefined : result.buffer,
    counts,
    eligibility: made.eligibilities?.buffer,
    countPartials: counts && b.buffer('spike sums', units * 4, 'statistics'),
    surrogateOut: made.surrogates?.buffer,
  }
  emitNeurons(scope, neurons, results, asked.has('potential') ? carry : undefined)
  const { timeSteps } = scope.options
  if (made.rates && spiking)
    tensors.emitSpikeFloats(b, spiking, extent, timeSteps, made.rates.buffer, true)
}

/** Gradients through time, of those that arrive. */
export function emitBackward(
  o: OpBuilder,
  { extent, layer, scope, neurons }: NeuronJob,
  arriving: readonly Contribution[],
): void {
  const { b, made } = o
  const { model, recurrent } = neurons
  const gradientOf = (name: string): Buffer => made[`${name}Gradient`]?.buffer
  const before = recurrent && tensors.floats(extent)(o, { name: 'spikesBefore' }).buffer
  const inputs = before && tensors.floats(extent)(o, { name: 'currents' }).buffer
  if (before)
    emitNeurons(scope, neurons, {
      masks: tensors.spikes(extent)(o, { name: 'spikes' }).buffer,
      recurrent: { inputs, presynaptic: before },
    })
  const { bytes } = sizesOf(scope, neurons)
  const { size } = model.learn
  const traces = size > 0 ? b.buffer('derivatives', bytes * size) : undefined
  const out = made.inputGradient.buffer
  // In the order in which a network adds two: the sum is the same.
  const contributions = arriving.length === 2 ? arriving.toReversed() : arriving
  backward.emitNeuronsBackward(scope, neurons, out, contributions, { traces, inputs })
  const learn = new Map([...model.learn].map(([key, name]) => [key, gradientOf(name)] as const))
  if (traces) backward.emitLearnGradients(scope, neurons, traces, undefined, learn)
  if (before) {
    const biasOut = recurrent?.bias && gradientOf('recurrent.bias')
    const weight = gradientOf(recurrentWeight(layer))
    const places = { out: weight, biasOut, in: before, delta: out }
    backward.emitRecurrentGradient(scope, neurons, places, false)
  }
}
