/**
 * Neurons from equations. What a layer computes is a function in the module's table, which was made
 * for it (src/kernels/equations): (record, first pixel, end, t, scratch) → spikes.
 */

import { gather } from '../activity/contributions'
import { sumLanes } from '../base/lanes'
import { endOf } from '../base/units'
import { NeuronRecord } from '../generated/records'
import { activityOf, addActivity, validEnd } from './counting'

/** Runs a function of the table; returns its spikes. */
// @ts-ignore: decorator
@inline
export function runPixels(
  kernel: u32,
  rec: NeuronRecord,
  first: i32,
  end: i32,
  t: i32,
  scratch: usize,
): u32 {
  return call_indirect<u32>(kernel, changetype<usize>(rec), first, end, t, scratch)
}

/**
 * Forward over the T steps of a call, which go on from those before where State is set. Activity
 * += what `ActivityCount` says, of valid images, if wanted: by the function Counting, which leaves
 * four sums of changes in scratch.
 */
export function neuron(rec: NeuronRecord, unit: i32, t: i32, scratch: usize): void {
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  let first = unit * per
  let spikes: u32 = 0
  const activity = activityOf(rec.activity, rec.activityWanted, unit)
  if (activity) {
    const valid = validEnd(first, end, rec.imagePixels)
    if (<u32>first < valid) {
      spikes = runPixels(rec.counting, rec, first, valid, t, scratch)
      addActivity(activity, sumLanes(v128.load(scratch)), spikes)
      first = valid
    }
  }
  if (first < end) spikes += runPixels(rec.kernel, rec, first, end, t, scratch)
  if (!(<i32>rec.countPartials)) return
  const partial = rec.countPartials + ((<usize>unit) << 2)
  if (<i32>rec.state && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** Delta of pixels = the sum of the contributions. */
export function gatherUnit(rec: NeuronRecord, first: i32, end: i32): void {
  const steps = rec.steps
  const rowBytes = rec.channels << 2
  gather(
    rec.delta + <usize>first * steps * rowBytes,
    0,
    first,
    end,
    <i32>rec.contributions,
    rec.contributionCount,
    rec.height,
    rec.width,
    steps,
    rowBytes,
    rec.pixelsPerRun,
  )
}

/** Delta = the sum of the contributions, and then ∂L/∂x, where it lies. */
export function neuronBackwardTime(rec: NeuronRecord, unit: i32, t: i32, scratch: usize): void {
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  gatherUnit(rec, unit * per, end)
  runPixels(rec.kernel, rec, unit * per, end, t, scratch)
}
