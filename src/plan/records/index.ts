/** The kind of record of each operation. */

import type { Op } from '../../../assembly/opcodes.js'
import { reluBackward, reluForward } from '../layers/relu.js'
import * as active from './active.js'
import { materialise } from './activity.js'
import { convolutionRecords } from './convolution.js'
import { dropout, dropoutFloats } from './dropout.js'
import * as gradient from './gradient.js'
import { groupNorm, groupNormBackward } from './group-norm.js'
import * as loss from './loss.js'
import * as neurons from './neuron.js'
import * as norm from './norm.js'
import * as optimizer from './optimizer.js'
import * as pool from './pool.js'
import { byOp, type RecordKind } from './schema.js'
import { selfDistillation } from './self-distillation.js'
import * as signals from './signals.js'
import * as stabilized from './stabilized.js'
import { sumScalars, timeSum, trace, traceGradient } from './sums.js'

type Table = Readonly<Record<Exclude<Op, Op.None>, RecordKind>>

/** By operation. One that has no kind of record is an error of the table's type. */
export const records: Table = byOp([
  active.activeSpikes,
  active.activeFloats,
  active.recordSpikes,
  norm.normStatistics,
  norm.normFinish,
  norm.normEvaluate,
  norm.normBackwardReduce,
  norm.normBackwardFinish,
  norm.normBackwardApply,
  norm.normAllTime,
  neurons.neuron,
  neurons.neuronBackwardTime,
  neurons.recurrent,
  neurons.recurrentBackward,
  neurons.recurrentGradient,
  neurons.learnGradient,
  neurons.learnFinish,
  stabilized.stabilizedSums,
  stabilized.stabilizedThreshold,
  gradient.neuronBackwardRate,
  gradient.neuronBackwardOnline,
  gradient.gradientSum,
  materialise,
  pool.maxPool,
  pool.maxPoolFloats,
  pool.maxPoolBackward,
  timeSum,
  trace,
  traceGradient,
  sumScalars,
  dropout,
  dropoutFloats,
  optimizer.clear,
  optimizer.sgd,
  optimizer.stepStart,
  optimizer.adam,
  optimizer.squaredNorm,
  optimizer.clipFinish,
  optimizer.blend,
  loss.output,
  loss.crossEntropy,
  loss.meanSquaredError,
  loss.tet,
  loss.ratePenalty,
  selfDistillation,
  ...convolutionRecords,
  reluForward,
  reluBackward,
  signals.scaled,
  pool.adaptivePool,
  pool.adaptivePoolBackward,
  groupNorm,
  groupNormBackward,
  signals.delay,
  signals.delaySpikes,
  signals.join,
  signals.joinSpikes,
  signals.split,
])
