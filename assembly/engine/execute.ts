/** From an operation's number to its kernel. */

import { activeFloats, activeSpikes } from '../activity/active'
import { delay, delaySpikes } from '../activity/delay'
import { join, joinSpikes, split } from '../activity/join'
import { materialise } from '../activity/materialise'
import { recordSpikes } from '../activity/record'
import { relu, reluBackward } from '../activity/relu'
import { scaled } from '../activity/scaled'
import { convDense } from '../conv/forward'
import { convInputGradient, transposeWeight } from '../conv/input-gradient'
import { convNarrow } from '../conv/narrow'
import { narrowWeightGradient } from '../conv/narrow-weight-gradient'
import { biasGradient, convWeightGradient, reduceSplits } from '../conv/weight-gradient'
import { groupedExpand, groupedExtract } from '../grouped/dense'
import { groupedForward, groupedInputGradient, groupedTranspose } from '../grouped/forward'
import { groupedSpikes } from '../grouped/spikes'
import { groupedWeightGradient } from '../grouped/weight-gradient'
import { crossEntropy } from '../loss/cross-entropy'
import { meanSquaredError } from '../loss/mean-squared-error'
import { output } from '../loss/output'
import { ratePenalty } from '../loss/rate-penalty'
import { selfDistillation } from '../loss/self-distillation'
import { tet } from '../loss/tet'
import { neuronBackwardRate } from '../neuron/backward-rate'
import { learnFinish, learnGradient } from '../neuron/learn-gradient'
import { neuron, neuronBackwardTime } from '../neuron/neurons'
import { recurrent, recurrentBackward } from '../neuron/recurrent'
import { recurrentGradient } from '../neuron/recurrent-weight'
import { stabilizedSums, stabilizedThreshold } from '../neuron/stabilized'
import { normAllTime } from '../norm/all-time'
import { normBackwardApply, normBackwardFinish, normBackwardReduce } from '../norm/backward'
import { normEvaluate, normFinish, normStatistics } from '../norm/forward'
import { groupNorm, groupNormBackward } from '../norm/group-norm'
import { weightStandardise, weightStandardiseBackward } from '../norm/standardise'
import { Op, Rec } from '../opcodes'
import { adam, stepStart } from '../optimizer/adam'
import { blend, clipFinish, squaredNorm } from '../optimizer/blend'
import { sgd } from '../optimizer/sgd'
import { adaptivePool, adaptivePoolBackward } from '../pool/adaptive'
import { dropout, dropoutFloats } from '../pool/dropout'
import { maxPool, maxPoolBackward, maxPoolFloats } from '../pool/max-pool'
import { clear, sumScalars, timeSum } from '../pool/sums'
import { trace, traceGradient } from '../pool/trace'
import { spikeForwardBytes } from '../spikes/byte-forward'
import { spikeConv, spikeForward } from '../spikes/forward'
import { listWeightGradient } from '../spikes/list-gradient'
import { spikeLists } from '../spikes/lists'
import { patternWeightGradient } from '../spikes/pattern-gradient'
import { patternLists } from '../spikes/pattern-lists'
import { rateLists } from '../spikes/rate-lists'
import {
  winogradInputGradient,
  winogradInputTransform,
  winogradKernelTransform,
} from '../winograd/input-gradient'
import { winogradStrideGradient, winogradStrideKernels } from '../winograd/stride-gradient'
import { winogradWeightGradient, winogradWeightTransform } from '../winograd/weight-gradient'
import { choose } from './choose'

/** Runs one unit of a record at step t. `scratch` is the worker's own. */
export function execute(rec: usize, unit: i32, t: i32, scratch: usize): void {
  switch (load<i32>(rec, Rec.Op << 2) & Rec.OpMask) {
    case Op.None:
      break
    case Op.ConvDense:
      convDense(rec, unit, t, scratch)
      break
    case Op.SpikeLists:
      spikeLists(rec, unit, t, scratch)
      break
    case Op.SpikeConv:
      spikeConv(rec, unit, t, scratch)
      break
    case Op.SpikeForward:
      spikeForward(rec, unit, t, scratch)
      break
    case Op.SpikeForwardBytes:
      spikeForwardBytes(rec, unit, t, scratch)
      break
    case Op.TransposeWeight:
      transposeWeight(rec, unit, t, scratch)
      break
    case Op.ConvInputGradient:
      convInputGradient(rec, unit, t, scratch)
      break
    case Op.ConvWeightGradient:
      convWeightGradient(rec, unit, t, scratch)
      break
    case Op.ReduceSplits:
      reduceSplits(rec, unit, t, scratch)
      break
    case Op.BiasGradient:
      biasGradient(rec, unit, t, scratch)
      break
    case Op.WinogradInputTransform:
      winogradInputTransform(rec, unit, t, scratch)
      break
    case Op.WinogradInputGradient:
      winogradInputGradient(rec, unit, t, scratch)
      break
    case Op.WinogradWeightTransform:
      winogradWeightTransform(rec, unit, t, scratch)
      break
    case Op.WinogradWeightGradient:
      winogradWeightGradient(rec, unit, t, scratch)
      break
    case Op.WinogradStrideKernels:
      winogradStrideKernels(rec, unit, t, scratch)
      break
    case Op.WinogradStrideGradient:
      winogradStrideGradient(rec, unit, t, scratch)
      break
    case Op.WinogradKernelTransform:
      winogradKernelTransform(rec, unit, t, scratch)
      break
    case Op.ListWeightGradient:
      listWeightGradient(rec, unit, t, scratch)
      break
    case Op.RateLists:
      rateLists(rec, unit, t, scratch)
      break
    case Op.PatternLists:
      patternLists(rec, unit, t, scratch)
      break
    case Op.PatternWeightGradient:
      patternWeightGradient(rec, unit, t, scratch)
      break
    case Op.ConvNarrow:
      convNarrow(rec, unit, t, scratch)
      break
    case Op.NarrowWeightGradient:
      narrowWeightGradient(rec, unit, t, scratch)
      break
    case Op.NormStatistics:
      normStatistics(rec, unit, t, scratch)
      break
    case Op.NormFinish:
      normFinish(rec, unit, t, scratch)
      break
    case Op.NormEvaluate:
      normEvaluate(rec, unit, t, scratch)
      break
    case Op.NormBackwardReduce:
      normBackwardReduce(rec, unit, t, scratch)
      break
    case Op.NormBackwardFinish:
      normBackwardFinish(rec, unit, t, scratch)
      break
    case Op.NormBackwardApply:
      normBackwardApply(rec, unit, t, scratch)
      break
    case Op.NormAllTime:
      normAllTime(rec, unit, t, scratch)
      break
    case Op.StabilizedSums:
      stabilizedSums(rec, unit, t, scratch)
      break
    case Op.StabilizedThreshold:
      stabilizedThreshold(rec, unit, t, scratch)
      break
    case Op.Neuron:
      neuron(rec, unit, t, scratch)
      break
    case Op.NeuronBackwardRate:
    case Op.NeuronBackwardOnline:
    case Op.GradientSum:
      neuronBackwardRate(rec, unit, t, scratch)
      break
    case Op.NeuronBackwardTime:
      neuronBackwardTime(rec, unit, t, scratch)
      break
    case Op.Materialise:
      materialise(rec, unit, t, scratch)
      break
    case Op.ActiveSpikes:
      activeSpikes(rec, unit, t, scratch)
      break
    case Op.ActiveFloats:
      activeFloats(rec, unit, t, scratch)
      break
    case Op.RecordSpikes:
      recordSpikes(rec, unit, t, scratch)
      break
    case Op.MaxPool:
      maxPool(rec, unit, t, scratch)
      break
    case Op.MaxPoolFloats:
      maxPoolFloats(rec, unit, t, scratch)
      break
    case Op.TimeSum:
      timeSum(rec, unit, t, scratch)
      break
    case Op.MaxPoolBackward:
      maxPoolBackward(rec, unit, t, scratch)
      break
    case Op.DropoutFloats:
      dropoutFloats(rec, unit, t, scratch)
      break
    case Op.Dropout:
      dropout(rec, unit, t, scratch)
      break
    case Op.Trace:
      trace(rec, unit, t, scratch)
      break
    case Op.TraceGradient:
      traceGradient(rec, unit, t, scratch)
      break
    case Op.WeightStandardise:
      weightStandardise(rec, unit, t, scratch)
      break
    case Op.WeightStandardiseBackward:
      weightStandardiseBackward(rec, unit, t, scratch)
      break
    case Op.Clear:
      clear(rec, unit, t, scratch)
      break
    case Op.SumScalars:
      sumScalars(rec, unit, t, scratch)
      break
    case Op.Choose:
      choose(rec, unit, t, scratch)
      break
    case Op.Relu:
      relu(rec, unit, t, scratch)
      break
    case Op.ReluBackward:
      reluBackward(rec, unit, t, scratch)
      break
    case Op.Output:
      output(rec, unit, t, scratch)
      break
    case Op.CrossEntropy:
      crossEntropy(rec, unit, t, scratch)
      break
    case Op.MeanSquaredError:
      meanSquaredError(rec, unit, t, scratch)
      break
    case Op.Tet:
      tet(rec, unit, t, scratch)
      break
    case Op.SelfDistillation:
      selfDistillation(rec, unit, t, scratch)
      break
    case Op.RatePenalty:
      ratePenalty(rec, unit, t, scratch)
      break
    case Op.Sgd:
      sgd(rec, unit, t, scratch)
      break
    case Op.StepStart:
      stepStart(rec, unit, t, scratch)
      break
    case Op.Adam:
      adam(rec, unit, t, scratch)
      break
    case Op.SquaredNorm:
      squaredNorm(rec, unit, t, scratch)
      break
    case Op.ClipFinish:
      clipFinish(rec, unit, t, scratch)
      break
    case Op.Blend:
      blend(rec, unit, t, scratch)
      break
    case Op.GroupedForward:
      groupedForward(rec, unit, t, scratch)
      break
    case Op.GroupedSpikes:
      groupedSpikes(rec, unit, t, scratch)
      break
    case Op.GroupedTranspose:
      groupedTranspose(rec, unit, t, scratch)
      break
    case Op.GroupedInputGradient:
      groupedInputGradient(rec, unit, t, scratch)
      break
    case Op.GroupedWeightGradient:
      groupedWeightGradient(rec, unit, t, scratch)
      break
    case Op.GroupedExpand:
      groupedExpand(rec, unit, t, scratch)
      break
    case Op.GroupedExtract:
      groupedExtract(rec, unit, t, scratch)
      break
    case Op.Scaled:
      scaled(rec, unit, t, scratch)
      break
    case Op.AdaptivePool:
      adaptivePool(rec, unit, t, scratch)
      break
    case Op.AdaptivePoolBackward:
      adaptivePoolBackward(rec, unit, t, scratch)
      break
    case Op.GroupNorm:
      groupNorm(rec, unit, t, scratch)
      break
    case Op.GroupNormBackward:
      groupNormBackward(rec, unit, t, scratch)
      break
    case Op.Delay:
      delay(rec, unit, t, scratch)
      break
    case Op.DelaySpikes:
      delaySpikes(rec, unit, t, scratch)
      break
    case Op.Join:
      join(rec, unit, t, scratch)
      break
    case Op.JoinSpikes:
      joinSpikes(rec, unit, t, scratch)
      break
    case Op.Split:
      split(rec, unit, t, scratch)
      break
    case Op.Recurrent:
      recurrent(rec, unit, t, scratch)
      break
    case Op.RecurrentBackward:
      recurrentBackward(rec, unit, t, scratch)
      break
    case Op.RecurrentGradient:
      recurrentGradient(rec, unit, t, scratch)
      break
    case Op.LearnGradient:
      learnGradient(rec, unit, t, scratch)
      break
    case Op.LearnFinish:
      learnFinish(rec, unit, t, scratch)
      break
    default:
      unreachable()
  }
}
