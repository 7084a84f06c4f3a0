/** Batch normalisation: statistics forward; its affine map is applied by whoever reads it. */

import { fail } from '../../base/errors.js'
import { complete, type Rules, range } from '../../base/rules.js'
import {
  giveTensorGradient,
  gradientRows,
  overGradient,
  takeGradient,
} from '../../compile/emit/gradients.js'
import { emitNeurons, type Neurons } from '../../compile/emit/neuron-record.js'
import {
  allTimeBound,
  emitNormBackward,
  emitNormFinish,
  emitNormStatistics,
} from '../../compile/emit/norm.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { defineLayer, type LayerPlan, type Pass } from '../../compile/pass.js'
import { type Norm, noPool } from '../../compile/tensors.js'
import { normAllTime, normEvaluate } from '../../kernels/records/norm.js'
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
    const { b, context, images, training, callSteps } = pass
    const { method } = context
    const tensor = floatsOf(pass, node, x)
    const { stored } = tensor
    // Groups of rows that have statistics of their own: one, or one a step.
    const groups = byStep(pass) ? tensor.steps : 1
    const bytes = groups * stored * 4
    const vector = (name: string): Buffer =>
      training
        ? b.buffer(`${node.name} ${name}`, bytes, 'kept')
        : pass.forParameters(`${node.name} ${name}`, bytes, 'statistics')
    const averages = training && method.presynaptic === 'mean'
    let xhat: Buffer | undefined
    const norm: Required<Norm> = {
      name: node.name,
      tensor,
      groups,
      scale: vector('scale'),
      shift: vector('shift'),
      mean: vector('mean'),
      invStd: vector('inverse deviation'),
      claimMean() {
        if (!averages || xhat) return undefined
        const bytes = images * tensor.shape[1] * tensor.shape[2] * stored * 4
        xhat = pass.carried(`${node.name} normalised mean`, bytes, 'kept')
        return xhat
      },
      averageUnread: () => {
        if (averages && !xhat) averageAlone(pass, norm)
      },
      gradient: [],
    }
    const meanInvStd =
      averages && byStep(pass)
        ? pass.carried(`${node.name} mean inverse deviation`, stored * 4, 'kept')
        : undefined
    const frozen = isAllTime(pass)
      ? pass.carried(`${node.name} frozen statistics`, 2 * stored * 4, 'statistics')
      : undefined
    const used = frozen && b.buffer(`${node.name} used statistics`, 2 * bytes, 'kept')
    const weight = context.parameter(node.index, 'weight')
    const shared = {
      channels: stored,
      groups,
      weight,
      bias: context.parameter(node.index, 'bias'),
      epsilon: layer.eps,
      runningMean: context.statistic(node.index, 'running_mean'),
      runningVar: context.statistic(node.index, 'running_var'),
      scale: norm.scale,
      shift: norm.shift,
    }
    const output = { shape: node.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
    if (!training) {
      pass.fromParameters(() => b.emit(normEvaluate, 1, shared))
      return output
    }
    const rows = images * node.shape[1] * node.shape[2] * tensor.steps
    const repeats =
      byStep(pass) || isOfMeans(pass.options.graph, node) ? 1 : callSteps / tensor.steps
    // As PyTorch: the deviation of one value is 0, whatever it is.
    if ((rows / images / groups) * repeats === 1)
      context.lone ??=
        `${node.name} (${labelOf(node)}): expected more than 1 value per channel when ` +
        'training, '
    const { buffer: partial, units } =
      tensor.moments ??
      emitNormStatistics(b, node.name, { channels: stored, groups, rows }, tensor.buffer)
    const { momentum } = layer
    const { mean, invStd } = norm
    const { timeSteps: totalSteps, frames, normFallback } = pass.options
    const moves = callSteps / tensor.steps
    const still = frozen && { runningMean: undefined, runningVar: undefined }
    const sums = { rows, units, partial, repeats, moves: byStep(pass) ? moves : undefined }
    const found = { momentum, mean, invStd, meanInvStd, totalSteps }
    emitNormFinish(b, { ...shared, ...still, ...sums, ...found })
    if (frozen && used)
      b.emit(normAllTime, 1, {
        ...shared,
        ...{ realChannels: tensor.shape[0], momentum, mean, invStd, frozen },
        totals: pass.carried(`${node.name} totals over time`, 2 * stored * 8, 'statistics'),
        bound: allTimeBound(frames),
        ...{ totalSteps, moves, used, byLayer: normFallback === 'layer' || undefined },
      })

    pass.backward(node, () => {
      if (norm.gradient.length === 0) return
      const steps = gradientRows(pass, tensor)
      const groups = method.rows === 'steps' ? norm.groups : 1
      const delta = takeGradient(pass, { ...norm, shape: tensor.shape, stored }, steps)
      const rows = images * tensor.shape[1] * tensor.shape[2] * steps
      const name = `${node.name} input gradient`
      const out = overGradient(pass, delta, { name, shape: tensor.shape, steps, stored })
      const sizes = { name: node.name, rows, channels: stored, groups }
      const places = { delta, out, xhat, in: tensor.buffer, mean, invStd, meanInvStd, used, weight }
      emitNormBackward(b, {
        ...sizes,
        ...places,
        weightGradient: context.gradient(node.index, 'weight'),
        biasGradient: context.gradient(node.index, 'bias'),
        accumulate: context.accumulate,
        inParts(rowsPerUnit, emit) {
          const perImage = rows / images
          pass.byImages([tensor], { perImage, perUnit: rowsPerUnit }, (firstUnit) =>
            emit(perImage * pass.images, firstUnit),
          )
        },
      })
      giveTensorGradient(tensor, out, steps)
    })
    return output
  },
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
    ...{ name, shape, model: currentAlone(), parameters: new Map() },
    inputs: [{ tensor: norm.tensor, norm, xhat: norm.claimMean() }],
  }
  const state = (bytes: number): Buffer => pass.carried(`${name} state`, bytes, 'scratch')
  emitNeurons(pass, neurons, {}, context.outer ? state : undefined)
}
