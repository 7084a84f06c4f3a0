/** BatchNorm: statistics forward; its affine map is applied by whoever reads it. */

import { NormWord, Op, Surrogate } from '../../../assembly/opcodes.js'
import type { BatchNorm2d } from '../../nn/layers/index.js'
import { roundUp } from '../../round-up.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { neuronScratch, neuronWords } from '../neuron-record.js'
import { type Pass, perUnit } from '../pass.js'
import { type Norm, noPool } from '../tensors.js'
import { type Buffer, f32, ref, type Words } from '../words.js'
import type { LayerPlan } from './layer.js'
import { materialise } from './sum.js'

/** Rows of one unit of the normalisation kernels, a multiple of the groups. */
export function normRows(rows: number, stored: number, groups: number): number {
  const wanted = Math.max(groups, Math.min(rows, Math.ceil(16384 / stored)))
  return roundUp(wanted, groups)
}

/** Groups of rows that have batch statistics of their own: one, or one a step. */
const groupsOf = ({ training, context }: Pass): number =>
  training && context.method.statistics === 'step' ? context.callSteps : 1

export const batchNorm2d: LayerPlan<BatchNorm2d> = {
  wants: (pass) => ({ moments: pass.training && groupsOf(pass) === 1 }),

  lower(pass, node, layer, x) {
    const { b, context, images, training } = pass
    const { method, outer, callSteps } = context
    const plain = plainFloat(x)
    const tensor = plain && !plain.input ? plain : materialise(pass, node, x)
    const { stored } = tensor
    const groups = groupsOf(pass)
    const vector = (name: string, kept = false): Buffer =>
      b.buffer(`${node.name} ${name}`, groups * stored * 4, kept ? 'kept' : 'scratch')
    const averages = training && method.presynaptic === 'mean'
    let xhat: Buffer | undefined
    const norm: Norm = {
      name: node.name,
      tensor,
      groups,
      scale: vector('scale', training),
      shift: vector('shift', training),
      mean: vector('mean', training),
      invStd: vector('inverse deviation', training),
      claimMean() {
        if (!averages || xhat) return undefined
        // In an outer loop it is added to from step to step.
        xhat = b.buffer(
          `${node.name} normalised mean`,
          images * tensor.shape[1] * tensor.shape[2] * stored * 4,
          'kept',
          outer,
        )
        return xhat
      },
      averageUnread: () => {
        if (averages && !xhat) averageBySilentNeurons(pass, norm)
      },
      gradient: [],
    }
    const meanInvStd =
      averages && outer
        ? b.buffer(`${node.name} mean inverse deviation`, stored * 4, 'kept', true)
        : undefined
    const rows = images * node.shape[1] * node.shape[2] * tensor.steps
    const shared: Words = {
      [NormWord.C]: stored,
      [NormWord.Groups]: groups,
      [NormWord.Weight]: context.parameter(node.index, 'weight'),
      [NormWord.Bias]: context.parameter(node.index, 'bias'),
      [NormWord.Mean]: ref(norm.mean),
      [NormWord.InvStd]: ref(norm.invStd),
      [NormWord.MeanInvStd]: meanInvStd ? ref(meanInvStd) : 0,
      [NormWord.TotalSteps]: pass.options.timeSteps,
    }
    const words: Words = {
      ...shared,
      [NormWord.In]: ref(tensor.buffer as Buffer),
      [NormWord.Rows]: rows,
      [NormWord.RunningMean]: context.statistic(node.index, 'running_mean'),
      [NormWord.RunningVar]: context.statistic(node.index, 'running_var'),
      [NormWord.Scale]: ref(norm.scale),
      [NormWord.Shift]: ref(norm.shift),
      [NormWord.Epsilon]: f32(layer.eps),
      [NormWord.Momentum]: f32(layer.momentum),
      [NormWord.Repeats]: callSteps / tensor.steps,
    }
    const output = { shape: node.shape, terms: [{ tensor, norm, pool: noPool, scale: 1 }] }
    if (!training) {
      b.emitWords(Op.NormEvaluate, 1, words)
      return output
    }
    const rowsPerUnit = normRows(rows, stored, groups)
    const units = tensor.moments?.units ?? Math.ceil(rows / rowsPerUnit)
    const partial =
      tensor.moments?.buffer ??
      b.buffer(`${node.name} partial sums`, units * groups * 4 * stored * 4)
    const statistics: Words = {
      ...words,
      [NormWord.RowsPerUnit]: rowsPerUnit,
      [NormWord.Units]: units,
      [NormWord.Partial]: ref(partial),
    }
    if (!tensor.moments) b.emitWords(Op.NormStatistics, units, statistics)
    b.emitWords(Op.NormFinish, Math.ceil(stored / 32), statistics, 64)

    pass.backward(node, () => {
      if (norm.gradient.length === 0) return
      const steps = gradientRows(pass, tensor)
      const delta = takeGradient(pass, { ...norm, shape: tensor.shape, stored }, steps)
      const rows = images * tensor.shape[1] * tensor.shape[2] * steps
      const rowsPerUnit = normRows(rows, stored, groups)
      const units = Math.ceil(rows / rowsPerUnit)
      const out = gradientBuffer(pass, `${node.name} input gradient`, tensor.shape, steps, stored)
      const words: Words = {
        ...shared,
        // Time means read x̂ alone: the currents need not be kept.
        [NormWord.In]: xhat ? 0 : ref(tensor.buffer as Buffer),
        [NormWord.Xhat]: xhat ? ref(xhat) : 0,
        [NormWord.Rows]: rows,
        [NormWord.RowsPerUnit]: rowsPerUnit,
        [NormWord.Units]: units,
        [NormWord.Partial]: ref(
          b.buffer(`${node.name} partial sums`, units * groups * 2 * stored * 4),
        ),
        [NormWord.Delta]: ref(delta),
        [NormWord.Out]: ref(out),
        [NormWord.WeightGradient]: context.gradient(node.index, 'weight'),
        [NormWord.BiasGradient]: context.gradient(node.index, 'bias'),
        [NormWord.Coefficients]: ref(
          b.buffer(`${node.name} coefficients`, groups * 3 * stored * 4),
        ),
        [NormWord.Accumulate]: context.accumulate ? 1 : 0,
      }
      b.emitWords(Op.NormBackwardReduce, units, words)
      b.emitWords(Op.NormBackwardFinish, 1, words)
      b.emitWords(Op.NormBackwardApply, units, words)
      giveTensorGradient(tensor, out, steps)
    })
    return output
  },
}

/**
 * Time mean of x̂ for a normalisation that no neuron reads directly: neurons that never fire
 * average it.
 */
function averageBySilentNeurons(pass: Pass, norm: Norm): void {
  const { b, context } = pass
  const { stored, shape } = norm.tensor
  const pixels = pass.images * shape[1] * shape[2]
  const pixelsPerUnit = perUnit(pixels, stored)
  const units = Math.ceil(pixels / pixelsPerUnit)
  const masks = b.buffer(
    `${norm.name} unused masks`,
    pixels * stored * Math.ceil(context.callSteps / 8),
  )
  const counts = b.buffer(`${norm.name} unused counts`, pixels * stored)
  const countPartials = b.buffer(`${norm.name} unused sums`, units * 4)
  const potential = context.outer
    ? pass.stateBuffer(`${norm.name} unused potential`, pixels * stored * 4)
    : undefined
  const words = neuronWords(pass, {
    shape,
    stored,
    pixelsPerUnit,
    a: { tensor: norm.tensor, norm, xhat: norm.claimMean() },
    masks,
    counts,
    countPartials,
    potential,
    lambda: 0,
    kappa: 1,
    threshold: 3e38,
    reset: null,
    detach: true,
    surrogate: Surrogate.Sigmoid,
    alpha: 1,
  })
  b.emitWords(Op.Neuron, units, words, neuronScratch(context.callSteps, stored))
}
