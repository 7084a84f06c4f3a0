/**
 * The interpreter: every worker runs the same program at the same time, takes its units of each
 * record and then some of the others', and meets them at a barrier behind each record.
 *
 *   program: u32 sections | u32 address of the counters, one for each worker | u32 0 | u32 0 |
 *   sections × { u32 first record, u32 records, u32 repeats, u32 index of the first }
 *
 * A section runs its records `repeats` times with t = 0, 1, … (the loop over T of step mode s).
 */

import { materialise } from '../activity/materialise'
import { convDense } from '../conv/forward'
import { convInputGradient, transposeWeight } from '../conv/input-gradient'
import { convNarrow, narrowWeightGradient } from '../conv/narrow'
import { biasGradient, convWeightGradient, reduceSplits } from '../conv/weight-gradient'
import { crossEntropy } from '../loss/cross-entropy'
import { neuronBackwardRate } from '../neuron/backward-rate'
import { neuronBackwardTime } from '../neuron/backward-time'
import { neuron } from '../neuron/neuron'
import {
  normBackwardApply,
  normBackwardFinish,
  normBackwardReduce,
  normEvaluate,
  normFinish,
  normStatistics,
} from '../norm/norm'
import { weightStandardise, weightStandardiseBackward } from '../norm/standardise'
import { Control, Counter, Fault, Op, Rec } from '../opcodes'
import { sgd } from '../optimizer/sgd'
import {
  clear,
  dropout,
  dropoutFloats,
  maxPool,
  maxPoolBackward,
  maxPoolFloats,
  sumScalars,
  timeSum,
  trace,
} from '../pool/pool'
import { spikeConv, spikeForward } from '../spikes/forward'
import { listWeightGradient, rateLists } from '../spikes/list-gradient'
import { spikeLists } from '../spikes/lists'
import {
  winogradInputGradient,
  winogradInputTransform,
  winogradKernelTransform,
} from '../winograd/input-gradient'
import { winogradWeightGradient, winogradWeightTransform } from '../winograd/weight-gradient'
import { choose } from './choose'

/** Runs one unit of a record. */
export function execute(rec: usize, unit: i32, t: i32, scratch: usize): void {
  switch (<i32>load<u16>(rec)) {
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
    case Op.WinogradKernelTransform:
      winogradKernelTransform(rec, unit, t, scratch)
      break
    case Op.ListWeightGradient:
      listWeightGradient(rec, unit, t, scratch)
      break
    case Op.RateLists:
      rateLists(rec, unit, t, scratch)
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
    case Op.CrossEntropy:
      crossEntropy(rec, unit, t, scratch)
      break
    case Op.Sgd:
      sgd(rec, unit, t, scratch)
      break
    default:
      unreachable()
  }
}

/**
 * Runs a program. Returns a `Fault` (None when all went well). Control.Progress tells the record
 * they are at. scratch: this worker's scratch. spins: how often to look at the epoch before
 * sleeping. timeout: milliseconds that a barrier waits at most.
 */
export function run(
  program: usize,
  worker: i32,
  workers: i32,
  scratch: usize,
  spins: i32,
  timeout: i32,
): i32 {
  const sections = load<i32>(program)
  const counters = <usize>load<u32>(program, 4)
  let section = program + 16
  for (let s = 0; s < sections; s++) {
    const records = load<i32>(section, 4)
    const repeats = load<i32>(section, 8)
    const index = load<i32>(section, 12)
    for (let t = 0; t < repeats; t++) {
      let rec = <usize>load<u32>(section)
      for (let i = 0; i < records; i++) {
        if (isWanted(load<u32>(rec, Rec.Condition << 2), t)) {
          // Every worker is at the same record, so they all write the same.
          store<i32>(Control.Progress, index + i)
          const fault = runRecord(rec, t, counters, worker, workers, scratch, spins, timeout)
          if (fault != Fault.None) return fault
        }
        rec += Rec.Bytes
      }
    }
    section += 16
  }
  return Fault.None
}

/**
 * What `Rec.Condition` says at step t. Every worker reads the same, since the flags were written
 * before the last barrier.
 */
// @ts-ignore: decorator
@inline
function isWanted(condition: u32, t: i32): bool {
  if (condition == 0) return true
  if (condition == 1) return ((load<u32>(Control.StepMask) >> t) & 1) != 0
  return load<u32>(<usize>condition) != 0
}

/** Where the units of a worker begin. */
// @ts-ignore: decorator
@inline
function share(units: i32, worker: i32, workers: i32): i32 {
  return <i32>((<i64>units * worker) / workers)
}

/**
 * Units are the workers' in equal shares, each in one piece (of each group of units): the first
 * worker has the first images in most records, and finds what it wrote in its own cache. Who is
 * done with its own takes from the next one's.
 */
function runRecord(
  rec: usize,
  t: i32,
  counters: usize,
  worker: i32,
  workers: i32,
  scratch: usize,
  spins: i32,
  timeout: i32,
): i32 {
  const units = load<i32>(rec, Rec.Units << 2)
  if (workers == 1) {
    for (let unit = 0; unit < units; unit++) execute(rec, unit, t, scratch)
    return Fault.None
  }
  if (ASC_FEATURE_THREADS) {
    const groups = <i32>load<u16>(rec, 2)
    const inGroup = units / groups
    let owner = worker
    for (let left = workers; left; left--) {
      const first = share(inGroup, owner, workers)
      const count = share(inGroup, owner + 1, workers) - first
      const counter = counters + <usize>owner * Counter.Bytes
      for (;;) {
        const taken = atomic.add<i32>(counter, 1)
        if (taken >= count * groups) break
        const group = taken / count
        execute(rec, group * inGroup + first + taken - group * count, t, scratch)
      }
      if (++owner == workers) owner = 0
    }
    return barrier(counters, workers, spins, timeout)
  }
  unreachable()
  return Fault.Trapped
}

/**
 * Waits until all workers have arrived. The last one resets the counters while nobody reads them,
 * then opens the barrier by moving the epoch, whose sequentially consistent store makes all work
 * before it visible. A poison word ends the wait with an error, and so does the time-out.
 */
function barrier(counters: usize, workers: i32, spins: i32, timeout: i32): i32 {
  const epoch = atomic.load<i32>(Control.Epoch)
  if (atomic.add<i32>(Control.Arrived, 1) == workers - 1) {
    for (let i = 0; i < workers; i++) store<i32>(counters + <usize>i * Counter.Bytes, 0)
    atomic.store<i32>(Control.Arrived, 0)
    atomic.store<i32>(Control.Epoch, epoch + 1)
    atomic.notify(Control.Epoch, -1)
  } else {
    let left = spins
    while (left > 0 && atomic.load<i32>(Control.Epoch) == epoch) left--
    let waited = 0
    while (atomic.load<i32>(Control.Epoch) == epoch) {
      if (atomic.load<i32>(Control.Poison) != Fault.None) return Fault.Aborted
      if (waited >= timeout) {
        atomic.store<i32>(Control.Poison, Fault.TimedOut)
        atomic.notify(Control.Epoch, -1)
        return Fault.TimedOut
      }
      // Short waits, so that a poison word written without a notification is seen too.
      atomic.wait<i32>(Control.Epoch, epoch, 100_000_000)
      waited += 100
    }
  }
  return atomic.load<i32>(Control.Poison) != Fault.None ? Fault.Aborted : Fault.None
}
