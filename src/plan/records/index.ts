/** The kind of record of each operation. */

import { Op } from '../../../assembly/opcodes.js'
import { materialise } from './activity.js'
import { dropout, dropoutFloats } from './dropout.js'
import { gradientSum, neuronBackwardOnline, neuronBackwardRate } from './gradient.js'
import { neuron, neuronBackwardTime } from './neuron.js'
import {
  normBackwardApply,
  normBackwardFinish,
  normBackwardReduce,
  normEvaluate,
  normFinish,
  normStatistics,
} from './norm.js'
import { clear, sgd } from './optimizer.js'
import { maxPool, maxPoolBackward, maxPoolFloats } from './pool.js'
import type { RecordKind } from './schema.js'
import { sumScalars, timeSum, trace } from './sums.js'

export const records: Readonly<Partial<Record<Exclude<Op, Op.None>, RecordKind>>> = {
  [Op.NormStatistics]: normStatistics,
  [Op.NormFinish]: normFinish,
  [Op.NormEvaluate]: normEvaluate,
  [Op.NormBackwardReduce]: normBackwardReduce,
  [Op.NormBackwardFinish]: normBackwardFinish,
  [Op.NormBackwardApply]: normBackwardApply,
  [Op.Neuron]: neuron,
  [Op.NeuronBackwardRate]: neuronBackwardRate,
  [Op.NeuronBackwardTime]: neuronBackwardTime,
  [Op.NeuronBackwardOnline]: neuronBackwardOnline,
  [Op.Materialise]: materialise,
  [Op.MaxPool]: maxPool,
  [Op.MaxPoolFloats]: maxPoolFloats,
  [Op.MaxPoolBackward]: maxPoolBackward,
  [Op.TimeSum]: timeSum,
  [Op.GradientSum]: gradientSum,
  [Op.Dropout]: dropout,
  [Op.DropoutFloats]: dropoutFloats,
  [Op.Trace]: trace,
  [Op.Clear]: clear,
  [Op.SumScalars]: sumScalars,
  [Op.Sgd]: sgd,
}
