/** Batch normalisation: statistics forward; its affine map is applied by whoever reads it. */

import { fail } from '../../base/errors.js'
import { complete, type Rules, range } from '../../base/rules.js'
import * as gradients from '../../compile/emit/gradients.js'
import { emitNeurons, type Neurons } from '../../compile/emit/neuron-record.js'
import * as norms from '../../compile/emit/norm.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { defineLayer, type FloatBuffer, type LayerPlan, type Pass } from '../../compile/pass.js'
import { type Norm, noPool } from '../../compile/tensors.js'
import { normAllTime, normEvaluate } from '../../kernels/records/norm.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import type { Buffer } from '../../kernels/records/words.js'
import {
  count,
  type Layer,
  type LayerKind,
  labelOf,
  layerOf,
  type OfKind,
} from '../../network/kind.js'
import { currentAlone } from '../../network/presets.js'
import type { Graph, GraphNode } from '../../network/trace.js'
import { show, type Value } from '../../network/value.js'
import { affineParameters, epsilon } from '../../network/weights.js'

/** Options of `batchNorm2d` and `batchNorm1d`; each has a default. */
export interface BatchNormOptions {
  /** Added to the variance, > 0; default 1e-5. */
  eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  momentum?: number
}

/** What layers of batch normalisation have in common. */
interface BatchNormalising extends Readonly<Required<BatchNormOptions>> {
  /** C of the input, [C, H, W] or [C, L], or its features. */
  readonly channels: number
}

/** What `batchNorm2d` makes. */
export interface BatchNorm2d extends OfKind<'batchNorm2d'>, BatchNormalising {}

/** What `batchNorm1d` makes. */
export interface BatchNorm1d extends OfKind<'batchNorm1d'>, BatchNormalising {}

const rules: Rules<Required<BatchNormOptions>> = { eps: epsilon, momentum: range('0…1', 0.1) }

/** Whether each step of a batch has statistics of its own. */
const byStep = ({ training, context }: Pass): boolean =>
  training && context.method.statistics !== 'call'

/** Whether running statistics normalise each step, and move behind all. */
const isAllTime = ({ training, context }: Pass): boolean =>
  training && context.method.statistics === 'allTime'

const normalised: LayerPlan<BatchNormalising> &
  Pick<LayerKind<BatchNormalising>, 'parameters' | 'statistics'> = {
  parameters: ({ channels }) => affineParameters([channels]),
  statistics: ({ channels }) => [
    { name: 'running_mean', shape: [channels], initial: 0 },
    { name: 'running_var', shape: [channels], initial: 1 },
  ],
  wants: (pass) => ({ moments: pass.training && !(byStep(pass) && pass.callSteps > 1) }),

  lower(pass, node, layer, x) {
    const { b, context, training } = pass
    const tensor = floatsOf(pass, node, x)
    const { stored } = tensor
    // Groups of rows that have statistics of their own: one, or one a step.
    const groups = byStep(pass) ? tensor.steps : 1
    const norm = normOf(pass, node, tensor, groups)
    const averages = training && context.method.presynaptic === 'mean'
    const meanInvStd =
      averages && byStep(pass)
        ? pass.carried(`${node.name} mean inverse deviation`, stored * 4, 'kept')
        : undefined
    const map = {
      channels: stored,
      groups,
      weight: context.parameter(node.index, 'weight'),
      bias: context.parameter(node.index, 'bias'),
      epsilon: layer.eps,
      runningMean: context.statistic(node.index, 'running_mean'),
      runningVar: context.statistic(node.index, 'running_var'),
      scale: norm.scale,
      shift: norm.shift,
    }
    if (!training) pass.fromParameters(() => b.emit(normEvaluate, 1, map))
    else {
      const used = emitStatistics(pass, node, layer, norm, map, meanInvStd)
      pass.backward(node, () => {
        if (norm.gradient.length > 0) lowerGradients(pass, node, norm, meanInvStd, used)
      })
    }
    return { shape: node.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
  },
}

/** `xhat`: where the time mean of x̂ goes, once somebody has claimed it. */
type BatchNorm = Required<Norm> & { readonly tensor: FloatBuffer; xhat: Buffer | undefined }

/** Where the map of a normalisation and its statistics lie. */
function normOf(pass: Pass, { name }: GraphNode, tensor: FloatBuffer, groups: number): BatchNorm {
  const { b, context, images, training } = pass
  const bytes = groups * tensor.stored * 4
  const vector = (role: string): Buffer =>
    training
      ? b.buffer(`${name} ${role}`, bytes, 'kept')
      : pass.forParameters(`${name} ${role}`, bytes, 'statistics')
  const averages = training && context.method.presynaptic === 'mean'
  const norm: BatchNorm = {
    name,
    tensor,
    groups,
    scale: vector('scale'),
    shift: vector('shift'),
    mean: vector('mean'),
    invStd: vector('inverse deviation'),
    claimMean() {
      if (!averages || norm.xhat) return undefined
      const bytes = images * tensor.shape[1] * tensor.shape[2] * tensor.stored * 4
      norm.xhat = pass.carried(`${name} normalised mean`, bytes, 'kept')
      return norm.xhat
    },
    averageUnread() {
      if (averages && !norm.xhat) averageAlone(pass, norm)
    },
    xhat: undefined,
    gradient: [],
  }
  return norm
}

/**
 * Emits the statistics of a batch, and the map that follows from them.
 *
 * @returns the statistics that each step was normalised by, where these may be running ones
 */
function emitStatistics(
  pass: Pass,
  node: GraphNode,
  { momentum }: BatchNormalising,
  norm: BatchNorm,
  map: FieldsOf<typeof normEvaluate>,
  meanInvStd: Buffer | undefined,
): Buffer | undefined {
  const { b, context, images, callSteps, options } = pass
  const { tensor, groups, mean, invStd } = norm
  const { stored, steps } = tensor
  const frozen = isAllTime(pass)
    ? pass.carried(`${node.name} frozen statistics`, 2 * stored * 4, 'statistics')
    : undefined
  const used = frozen && b.buffer(`${node.name} used statistics`, 2 * groups * stored * 4, 'kept')
  const rows = images * node.shape[1] * node.shape[2] * steps
  const moves = callSteps / steps
  const repeats = byStep(pass) || isOfMeans(options.graph, node) ? 1 : moves
  // As PyTorch: the deviation of one value is 0, whatever it is.
  const where = `${node.name} (${labelOf(node)})`
  if ((rows / images / groups) * repeats === 1)
    context.lone ??= `${where}: expected more than 1 value per channel when training, `
  const { buffer: partial, units } =
    tensor.moments ??
    norms.emitNormStatistics(b, node.name, { channels: stored, groups, rows }, tensor.buffer)
  const { timeSteps: totalSteps, frames, normFallback } = options
  const still = frozen && { runningMean: undefined, runningVar: undefined }
  const sums = { rows, units, partial, repeats, moves: byStep(pass) ? moves : undefined }
  const found = { momentum, mean, invStd, meanInvStd, totalSteps }
  norms.emitNormFinish(b, { ...map, ...still, ...sums, ...found })
  if (frozen && used)
    b.emit(normAllTime, 1, {
      ...map,
      realChannels: tensor.shape[0],
      momentum,
      mean,
      invStd,
      frozen,
      totals: pass.carried(`${node.name} totals over time`, 2 * stored * 8, 'statistics'),
      bound: norms.allTimeBound(frames),
      totalSteps,
      moves,
      used,
      byLayer: normFallback === 'layer' || undefined,
    })
  return used
}

/** Hands back the gradient, and emits those of weight and bias. */
function lowerGradients(
  pass: Pass,
  node: GraphNode,
  norm: BatchNorm,
  meanInvStd: Buffer | undefined,
  used: Buffer | undefined,
): void {
  const { b, context, images } = pass
  const { tensor, mean, invStd, xhat } = norm
  const { shape, stored } = tensor
  const steps = gradients.gradientRows(pass, tensor)
  const delta = gradients.takeGradient(pass, { ...norm, shape, stored }, steps)
  const rows = images * shape[1] * shape[2] * steps
  const name = `${node.name} input gradient`
  const out = gradients.overGradient(pass, delta, { name, shape, steps, stored })
  const places = { delta, out, xhat, in: tensor.buffer, mean, invStd, meanInvStd, used }
  norms.emitNormBackward(b, {
    ...places,
    name: node.name,
    rows,
    channels: stored,
    groups: context.method.rows === 'steps' ? norm.groups : 1,
    weight: context.parameter(node.index, 'weight'),
    weightGradient: pass.gradient(node.index, 'weight'),
    biasGradient: pass.gradient(node.index, 'bias'),
    accumulate: context.accumulate,
    inParts(rowsPerUnit, emit) {
      const perImage = rows / images
      pass.byImages([tensor], { perImage, perUnit: rowsPerUnit }, (firstUnit) =>
        emit(perImage * pass.images, firstUnit),
      )
    },
  })
  gradients.giveTensorGradient(tensor, out, steps)
}

type Make<L> = (channels: number, options?: BatchNormOptions, ...more: []) => L

/**
 * A kind of batch normalisation, and the function that makes its layers.
 * @param wants what the input must be, for messages
 * @param fits whether one that is not flat may be it
 */
function maker<L extends Layer & BatchNormalising>(
  name: L['kind'],
  wants: (channels: number) => string,
  fits: (x: Value) => boolean = () => true,
): Make<L> {
  const make: Make<L> = (channels, options = {}, ...more) => {
    const own = complete(name, rules, options, more)
    const fields = { channels: count(`${name}.channels`, channels), ...own }
    return layerOf(kind, fields as Omit<L, 'kind'>)
  }
  const kind = defineLayer<L>(name, {
    again: ({ channels, ...options }: Omit<L, 'kind'>) => make(channels, options),
    output({ channels }, x, where) {
      const [c, h, w] = x.shape
      if (!(c === channels && fits(x) && !(x.flat && h * w > 1)))
        fail(`${where}: expects ${wants(channels)}, got ${show(x)}`)
      return [x.shape, x.flat]
    },
    ...normalised,
  })
  return make
}

/**
 * Batch normalisation, [C, H, W] → [C, H, W]: y = weight · (x − mean) / √(variance + eps) + bias.
 *
 * In training, mean and variance of a channel are those of the batch: over samples, height, width
 * and, in step mode m, time steps, as in tdBN (Zheng et al., AAAI 2021) without its scale by the
 * threshold. In step mode s each time step has statistics of its own. Evaluation uses the running
 * statistics.
 *
 * Parameters `weight` (starts at 1) and `bias` (0), running statistics `running_mean` (0) and
 * `running_var` (1), each [channels].
 * @param channels C of the input, an integer ≥ 1
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const batchNorm2d: (
  channels: number,
  options?: BatchNormOptions,
  ...more: []
) => BatchNorm2d = maker('batchNorm2d', (channels) => `${channels} channels`)

/**
 * Batch normalisation of a series, [C, L] → [C, L], or of features, [C] → [C]: all else as
 * `batchNorm2d`.
 * @param channels C of the input, an integer ≥ 1
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const batchNorm1d: (
  channels: number,
  options?: BatchNormOptions,
  ...more: []
) => BatchNorm1d = maker(
  'batchNorm1d',
  (channels) => `[${channels}, L] or [${channels}]`,
  ({ shape }) => shape[1] === 1,
)

/** Is a node behind means over time alone, so that it is there once and not at each step? */
function isOfMeans({ nodes }: Graph, { index }: GraphNode): boolean {
  const means = new Set<number>()
  for (const { kind, index: at, inputs } of nodes)
    if (kind === 'timeMean' || (inputs.length > 0 && inputs.every((i) => means.has(i))))
      means.add(at)
  return means.has(index)
}

/** Time mean of x̂ for a normalisation that no neuron reads: by neurons without results. */
function averageAlone(pass: Pass, norm: Norm): void {
  const { context } = pass
  const { shape } = norm.tensor
  const { name } = norm
  const neurons: Neurons = {
    name,
    shape,
    model: currentAlone(),
    parameters: new Map(),
    inputs: [{ tensor: norm.tensor, norm, xhat: norm.claimMean() }],
  }
  const state = (bytes: number): Buffer => pass.carried(`${name} state`, bytes, 'scratch')
  emitNeurons(pass, neurons, {}, context.outer ? state : undefined)
}
