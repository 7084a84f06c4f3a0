/** BatchNorm: statistics forward; its affine map is applied by whoever reads it. */

import { labelOf } from '../nn/layers/kinds.js'
import { currentAlone } from '../nn/layers/presets.js'
import { giveTensorGradient, gradientRows, overGradient, takeGradient } from './gradients.js'
import type { LayerPlan } from './layers/layer.js'
import { plainFloat } from './materialise.js'
import { isOfMeans } from './means.js'
import { emitNeurons, type Neurons } from './neuron-record.js'
import { allTimeBound, emitNormBackward, emitNormFinish, emitNormStatistics } from './norm.js'
import type { Pass } from './pass.js'
import { normAllTime, normEvaluate } from './records/norm.js'
import { type Norm, noPool } from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** Whether each step of a batch has statistics of its own. */
const byStep = ({ training, context }: Pass): boolean =>
  training && context.method.statistics !== 'call'

/** Whether running statistics normalise each step, and move behind all. */
const isAllTime = ({ training, context }: Pass): boolean =>
  training && context.method.statistics === 'allTime'

export const batchNormalised: LayerPlan<{ readonly eps: number; readonly momentum: number }> = {
  wants: (pass) => ({ moments: pass.training && !(byStep(pass) && pass.callSteps > 1) }),

  lower(pass, node, layer, x) {
    const { b, context, images, training, callSteps } = pass
    const { method } = context
    const plain = plainFloat(x)
    const tensor = plain && !plain.input ? plain : materialise(pass, node, x)
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
        xhat = pass.carried(
          `${node.name} normalised mean`,
          images * tensor.shape[1] * tensor.shape[2] * stored * 4,
          'kept',
        )
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
    const shape = { channels: stored, groups }
    const weight = context.parameter(node.index, 'weight') || undefined
    const affine = {
      weight,
      bias: context.parameter(node.index, 'bias') || undefined,
      epsilon: layer.eps,
      runningMean: context.statistic(node.index, 'running_mean'),
      runningVar: context.statistic(node.index, 'running_var'),
      scale: norm.scale,
      shift: norm.shift,
    }
    const output = { shape: node.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
    if (!training) {
      pass.fromParameters(() => b.emit(normEvaluate, 1, { ...shape, ...affine }))
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
      emitNormStatistics(b, node.name, { ...shape, rows }, tensor.buffer as Buffer)
    emitNormFinish(b, {
      ...shape,
      ...affine,
      ...(frozen ? { runningMean: undefined, runningVar: undefined } : {}),
      rows,
      units,
      partial,
      repeats,
      moves: byStep(pass) ? callSteps / tensor.steps : undefined,
      momentum: layer.momentum,
      mean: norm.mean,
      invStd: norm.invStd,
      meanInvStd,
      totalSteps: pass.options.timeSteps,
    })
    if (frozen && used)
      b.emit(normAllTime, 1, {
        ...shape,
        ...affine,
        realChannels: tensor.shape[0],
        momentum: layer.momentum,
        mean: norm.mean,
        invStd: norm.invStd,
        frozen,
        totals: pass.carried(`${node.name} totals over time`, 2 * stored * 8, 'statistics'),
        bound: allTimeBound(pass.options.frames),
        totalSteps: pass.options.timeSteps,
        moves: callSteps / tensor.steps,
        used,
        byLayer: pass.options.normFallback === 'layer' || undefined,
      })

    pass.backward(node, () => {
      if (norm.gradient.length === 0) return
      const steps = gradientRows(pass, tensor)
      const groups = method.rows === 'steps' ? norm.groups : 1
      const delta = takeGradient(pass, { ...norm, shape: tensor.shape, stored }, steps)
      const rows = images * tensor.shape[1] * tensor.shape[2] * steps
      const name = `${node.name} input gradient`
      const out = overGradient(pass, delta, { name, shape: tensor.shape, steps, stored })
      emitNormBackward(b, {
        name: node.name,
        rows,
        channels: stored,
        groups,
        delta,
        out,
        xhat,
        in: tensor.buffer as Buffer,
        mean: norm.mean,
        invStd: norm.invStd,
        meanInvStd,
        used,
        weight,
        weightGradient: context.gradient(node.index, 'weight') || undefined,
        biasGradient: context.gradient(node.index, 'bias') || undefined,
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
