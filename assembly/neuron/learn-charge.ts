/**
 * Charge and fire of the usual neuron over 4, 2 or 1 steps: the body of the loops for each kind of
 * input. The equations are in learn.ts, the layout of scratch in learn-prepare.ts.
 */

import { sumLanes, widenBytes } from '../base/lanes'
import { NeuronWord } from '../opcodes'
import { CHANNEL_A, CHANNEL_B, GROUP_A, GROUP_B, LOOP } from './learn-prepare'

/**
 * The body of all loops below: n steps of `pixels` pixels from `first` on. z [pairs][T][2] vectors
 * are written from step `step` of the call on; `t` counts the steps of all calls. Masks, counts, x̂
 * and V are written as `neuron` says. Returns the spikes.
 */
// @ts-ignore: decorator
@inline
export function chargeBody(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
  n: i32,
  hasB: bool,
  hasS: bool,
  still: bool,
  grouped: bool,
): u32 {
  const lambda = v128.load(head)
  const lambdaTheta = v128.load(head, 16)
  const scaleS = v128.load(head, 32)
  const marks = <usize>load<u32>(head + LOOP)
  const masks = <usize>load<u32>(head + LOOP, 4)
  const s = <usize>load<u32>(head + LOOP, 8)
  const channels = <usize>load<u32>(head + LOOP, 12)
  const aStep = <usize>load<u32>(rec, NeuronWord.AStepBytes * 4)
  const bStep = <usize>load<u32>(rec, NeuronWord.BStepBytes * 4)
  const vectors = load<u32>(rec, NeuronWord.C * 4) >> 2
  const pairBytes = (<usize>load<u32>(rec, NeuronWord.T * 4)) << 5
  const xhatA = <usize>load<u32>(rec, NeuronWord.AXhat * 4)
  const xhatB = <usize>load<u32>(rec, NeuronWord.BXhat * 4)
  const v = <usize>load<u32>(rec, NeuronWord.V * 4)
  const resume = v != 0 && step == 0 && t > 0
  const kept = step + n == load<u32>(rec, NeuronWord.T * 4) ? v : 0
  const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4)
  // With groups of statistics the constants are those of a step.
  const group = hasB ? GROUP_B : GROUP_A
  const channelBytes = grouped
    ? group * load<u32>(rec, NeuronWord.T * 4)
    : hasB
      ? CHANNEL_B
      : CHANNEL_A
  let at = (<usize>first * vectors) << 2
  let rowA =
    <usize>load<u32>(rec, NeuronWord.A * 4) +
    <usize>first * load<u32>(rec, NeuronWord.APixelBytes * 4) +
    <usize>step * aStep
  let rowB =
    <usize>load<u32>(rec, NeuronWord.B * 4) +
    <usize>first * load<u32>(rec, NeuronWord.BPixelBytes * 4) +
    <usize>step * bStep
  let total = i32x4.splat(0)
  let ahead: usize = 16
  for (; pixels; pixels--) {
    let a = rowA
    let b = rowB
    let channel = channels
    for (let left = vectors; left; left--) {
      let scale = v128.load(channel)
      let shift = v128.load(channel, 16)
      let scaleB = scale
      if (hasB) scaleB = grouped ? v128.load(channel, 32) : v128.load(channel, 64)
      const arriving = hasS ? widenBytes(s + at) : scale
      let mark = v128.load(marks)
      let current = sumTerms(a, b, arriving, mark, scale, shift, scaleB, scaleS, hasB, hasS)
      let state = current
      if (step) state = f32x4.add(current, remaining(v128.load(z - 32), lambda, lambdaTheta))
      else if (resume) state = f32x4.add(current, f32x4.mul(v128.load(v + (at << 2)), lambda))
      v128.store(z, state)
      let spikes = v128.and(firing(state), mark)
      if (n > 1) {
        mark = v128.load(marks, 16)
        if (grouped) {
          scale = v128.load(channel + group)
          shift = v128.load(channel + group, 16)
          if (hasB) scaleB = v128.load(channel + group, 32)
        }
        if (!still)
          current = sumTerms(
            a + aStep,
            b + bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 32)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
      }
      if (n > 2) {
        mark = v128.load(marks, 32)
        if (grouped) {
          scale = v128.load(channel + 2 * group)
          shift = v128.load(channel + 2 * group, 16)
          if (hasB) scaleB = v128.load(channel + 2 * group, 32)
        }
        if (!still)
          current = sumTerms(
            a + 2 * aStep,
            b + 2 * bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 64)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
        mark = v128.load(marks, 48)
        if (grouped) {
          scale = v128.load(channel + 3 * group)
          shift = v128.load(channel + 3 * group, 16)
          if (hasB) scaleB = v128.load(channel + 3 * group, 32)
        }
        if (!still)
          current = sumTerms(
            a + 3 * aStep,
            b + 3 * bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 96)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
      }
      if (kept) {
        const rest = v128.andnot(v128.load(head, 48), firing(state))
        v128.store(kept + (at << 2), f32x4.add(state, rest))
      }
      // Four bytes of masks, four of counts.
      const bytes = i8x16.shuffle(
        spikes,
        spikes,
        0,
        4,
        8,
        12,
        2,
        6,
        10,
        14,
        0,
        4,
        8,
        12,
        2,
        6,
        10,
        14,
      )
      if (t) {
        const before: u32 = step & 7 ? load<u32>(masks + at) : 0
        store<u32>(masks + at, before | i32x4.extract_lane(bytes, 0))
        store<u32>(counts + at, load<u32>(counts + at) + i32x4.extract_lane(bytes, 1))
      } else {
        v128.store32_lane(masks + at, bytes, 0)
        v128.store32_lane(counts + at, bytes, 1)
      }
      total = i32x4.add(total, i32x4.shr_u(spikes, 16))
      if (!grouped && xhatA)
        addNormalised(xhatA + (at << 2), a, aStep, channel + 32, t, step, n, still)
      if (!grouped && hasB && xhatB)
        addNormalised(xhatB + (at << 2), b, bStep, channel + 80, t, step, n, still)
      a += 16
      b += 16
      at += 4
      channel += channelBytes
      z += ahead
      ahead = pairBytes - ahead
    }
    rowA += <usize>load<u32>(rec, NeuronWord.APixelBytes * 4)
    rowB += <usize>load<u32>(rec, NeuronWord.BPixelBytes * 4)
  }
  return sumLanes(total)
}

/** The input at the step with this mark, as a part of z. a and b are the addresses of the terms. */
// @ts-ignore: decorator
@inline
function sumTerms(
  a: usize,
  b: usize,
  arriving: v128,
  mark: v128,
  scale: v128,
  shift: v128,
  scaleB: v128,
  scaleS: v128,
  hasB: bool,
  hasS: bool,
): v128 {
  let sum = f32x4.add(f32x4.mul(v128.load(a), scale), shift)
  if (hasB) sum = f32x4.add(sum, f32x4.mul(v128.load(b), scaleB))
  // Masks are bytes, so only the mark's bit of the mask meets them.
  if (hasS)
    sum = f32x4.add(sum, v128.and(i32x4.gt_s(v128.and(arriving, mark), i32x4.splat(0)), scaleS))
  return sum
}

/** All ones in the lanes that fire. */
// @ts-ignore: decorator
@inline
function firing(z: v128): v128 {
  return f32x4.ge(z, f32x4.splat(0))
}

/** r at the next step. */
// @ts-ignore: decorator
@inline
function remaining(z: v128, lambda: v128, lambdaTheta: v128): v128 {
  return f32x4.add(f32x4.mul(z, lambda), v128.andnot(lambdaTheta, firing(z)))
}

/** out [4] = the part of n steps in x̂, += at t > 0. x is loaded again, since registers are few. */
// @ts-ignore: decorator
@inline
function addNormalised(
  out: usize,
  x: usize,
  stepBytes: usize,
  channel: usize,
  t: u32,
  step: u32,
  n: i32,
  still: bool,
): void {
  if (still && step) return
  let sum = v128.load(x)
  if (!still && n > 1) sum = f32x4.add(sum, v128.load(x + stepBytes))
  if (!still && n > 2)
    sum = f32x4.add(sum, f32x4.add(v128.load(x + 2 * stepBytes), v128.load(x + 3 * stepBytes)))
  sum = f32x4.mul(sum, v128.load(channel))
  if (!step) sum = f32x4.add(sum, v128.load(channel, 16))
  if (t) sum = f32x4.add(sum, v128.load(out))
  v128.store(out, sum)
}
