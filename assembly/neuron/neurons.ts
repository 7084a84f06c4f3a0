/**
 * Neurons from equations. What a layer computes is a function in the module's table, which was made
 * for it (src/equations): (record, first pixel, end, t, scratch) → spikes.
 */

import { gather } from '../activity/contributions'
import { sumLanes } from '../base/lanes'
import { address, word } from '../base/record'
import { endOf } from '../base/units'
import { NeuronWord } from '../opcodes'
import { activityOf, addActivity, validEnd } from './counting'

/** Runs a function of the table; returns its spikes. */
// @ts-ignore: decorator
@inline
export function runPixels(
  kernel: u32,
  rec: usize,
  first: i32,
  end: i32,
  t: i32,
  scratch: usize,
): u32 {
  return call_indirect<u32>(kernel, rec, first, end, t, scratch)
}

/**
 * Forward over the T steps of a call, which go on from those before where State is set. Activity
 * += what `ActivityCount` says, of valid images, if wanted: by the function Counting, which leaves
 * four sums of changes in scratch.
 */
export function neuron(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const per = word(rec, NeuronWord.PixelsPerUnit)
  const end = endOf(word(rec, NeuronWord.Pixels), per, unit)
  let first = unit * per
  let spikes: u32 = 0
  const activity = activityOf(
    address(rec, NeuronWord.Activity),
    address(rec, NeuronWord.ActivityWanted),
    unit,
  )
  if (activity) {
    const valid = validEnd(first, end, word(rec, NeuronWord.ImagePixels))
    if (<u32>first < valid) {
      spikes = runPixels(word(rec, NeuronWord.Counting), rec, first, valid, t, scratch)
      addActivity(activity, sumLanes(v128.load(scratch)), spikes)
      first = valid
    }
  }
  if (first < end) spikes += runPixels(word(rec, NeuronWord.Kernel), rec, first, end, t, scratch)
  if (!word(rec, NeuronWord.CountPartials)) return
  const partial = address(rec, NeuronWord.CountPartials) + ((<usize>unit) << 2)
  if (word(rec, NeuronWord.State) && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** Delta of pixels = the sum of the contributions. */
export function gatherUnit(rec: usize, first: i32, end: i32): void {
  const steps = word(rec, NeuronWord.T)
  const rowBytes = address(rec, NeuronWord.C) << 2
  gather(
    address(rec, NeuronWord.Delta) + <usize>first * steps * rowBytes,
    0,
    first,
    end,
    word(rec, NeuronWord.Contributions),
    word(rec, NeuronWord.ContributionCount),
    word(rec, NeuronWord.H),
    word(rec, NeuronWord.W),
    steps,
    rowBytes,
    word(rec, NeuronWord.PixelsPerRun),
  )
}

/** Delta = the sum of the contributions, and then ∂L/∂x, where it lies. */
export function neuronBackwardTime(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const per = word(rec, NeuronWord.PixelsPerUnit)
  const end = endOf(word(rec, NeuronWord.Pixels), per, unit)
  gatherUnit(rec, unit * per, end)
  runPixels(word(rec, NeuronWord.Kernel), rec, unit * per, end, t, scratch)
}
