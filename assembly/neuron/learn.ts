/**
 * The usual neuron with eligibility or h': soft detached reset, v0 = 0, at most two terms.
 *
 * The state of a neuron is z = u − θ, the argument of its surrogate. scale' = κ·scale and shift' =
 * κ·shift − θ are computed once per unit, so that θ and κ cost nothing at a step:
 *
 *   charge  z_t = scale'·x_t + shift' + r_t,  r_1 = λ·v
 *   fire    s_t = 1 if z_t ≥ 0
 *   reset   r_{t+1} = λ z_t + (s_t ? 0 : λ·θ)
 *
 * A tie fires, as in all kernels. The other kernels round u, this one rounds u − θ: a spike may
 * differ where the rounding moves u across θ.
 *
 * Pixels run in blocks whose z stay in the first-level cache. Charge and fire write z, then the
 * surrogates read it. In a single loop the chain from step to step and the divisions would wait
 * for each other. The loops write out the 4, 2 or 1 steps that they take at a time. They load
 * their constants from memory, since V8 otherwise computes them again in each turn.
 *
 * Scratch, in vectors of 4 floats:
 *
 *   head | weights [T] | marks [T] | channels [C/4] | z [pairs][T][2]
 *
 * The vectors of a block's pixels [pixels][C/4] go in pairs, so that V8 can join what happens to
 * the two of a pair into operations on 256 bits. Where statistics are those of single steps,
 * channels are [C/4][T].
 */

import { NeuronScratch, NeuronWord } from '../opcodes'
import { hasGroups, TERM_B } from './dynamics'
import { normalisedMean } from './general'
import {
  neuronLearnGroups1,
  neuronLearnGroups2,
  neuronLearnGroups4,
  neuronLearnGroupsB1,
  neuronLearnGroupsB2,
  neuronLearnGroupsB4,
  neuronLearnGroupsS1,
  neuronLearnGroupsS2,
  neuronLearnGroupsS4,
} from './learn-groups'
import {
  neuronLearn1,
  neuronLearn2,
  neuronLearn4,
  neuronLearnB1,
  neuronLearnB2,
  neuronLearnB4,
  neuronLearnS1,
  neuronLearnS2,
  neuronLearnS4,
  neuronLearnStill1,
  neuronLearnStill2,
  neuronLearnStill4,
} from './learn-loops'
import { DERIVATIVE, GROUP_A, GROUP_B, HEAD, isStill, LOOP, prepare, SLOPE } from './learn-prepare'
import { addSurrogates } from './surrogate-loops'

/** Most floats of z in a block of pixels, its last pair whole. A single pixel may have more. */
const BLOCK_FLOATS: u32 = NeuronScratch.BlockFloats

/** Runs pixels first … end − 1 and returns their spikes. Writes what `neuron` writes. */
export function runLearn(
  rec: usize,
  first: u32,
  end: u32,
  t0: u32,
  scratch: usize,
  lambda: f32,
  kappa: f32,
): u32 {
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const vectors = load<u32>(rec, NeuronWord.C * 4) >> 2
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const eligibility = <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const derivative = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4)
  const stateBytes = (<usize>steps) << 4
  const weights = scratch + HEAD
  const channels = weights + stateBytes * 2
  const states = prepare(rec, scratch, weights, channels, t0, lambda, kappa)
  const groups = hasGroups(rec)
  const groupBytes: usize = !groups ? 0 : load<u32>(rec, NeuronWord.B * 4) ? GROUP_B : GROUP_A
  const pairBytes = stateBytes * 2
  const block = max<i32>(1, (BLOCK_FLOATS - steps * 4) / (steps * vectors * 4))
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel += block) {
    const pixels = min(block, end - pixel)
    for (let t: u32 = 0; t < steps; t += stepsAtOnce(steps - t)) {
      store<u32>(scratch + LOOP, weights + stateBytes + ((<usize>t) << 4))
      store<u32>(scratch + LOOP, channels + <usize>t * groupBytes, 12)
      spikes += charge(
        rec,
        scratch,
        pixel,
        pixels,
        t0 + t,
        t,
        stepsAtOnce(steps - t),
        states + ((<usize>t) << 5),
      )
    }
    const at = (<usize>pixel * vectors) << 4
    if (eligibility) {
      for (let t: u32 = 0; t < steps; t += stepsAtOnce(steps - t)) {
        const z = states + ((<usize>t) << 5)
        const n = stepsAtOnce(steps - t)
        addSurrogates(
          kind,
          n,
          eligibility + at,
          z,
          pairBytes,
          pixels * vectors,
          weights + ((<usize>t) << 4),
          scratch + SLOPE,
          t0 + t > 0,
        )
      }
    }
    if (groups) normalisedMeans(rec, pixel, pixels, t0)
    if (derivative) derivatives(rec, scratch, pixel, pixels, states)
  }
  return spikes
}

/** x̂ of a block of pixels, where it is wanted, with statistics of single steps. */
function normalisedMeans(rec: usize, first: u32, pixels: u32, t: i32): void {
  for (let pixel = first; pixel < first + pixels; pixel++) {
    normalisedMean(rec, rec, pixel, t)
    normalisedMean(rec, rec + TERM_B, pixel, t)
  }
}

/** SurrogateOut of a block of pixels, from their z: a row for each step. */
function derivatives(rec: usize, head: usize, first: u32, pixels: u32, z: usize): void {
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const vectors = load<u32>(rec, NeuronWord.C * 4) >> 2
  const pairBytes = (<usize>steps) << 5
  const rowBytes = (<usize>vectors) << 4
  let out = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4) + <usize>first * steps * rowBytes
  for (let vector: u32 = 0; vector < pixels * vectors; vector += vectors) {
    // A pixel of an odd number of vectors begins in the middle of a pair, or ends there.
    const odd = vector & 1
    const pair = z + <usize>(vector >> 1) * pairBytes
    for (let step: usize = 0; step < pairBytes; step += 32) {
      if (odd) derivative(rec, head, out, pair + 16 + step, 1)
      const rest = pair + <usize>odd * pairBytes + step
      derivative(rec, head, out + ((<usize>odd) << 4), rest, vectors - odd)
      out += rowBytes
    }
  }
}

/** The same for so many vectors at one step; the first one begins a pair, or is alone. */
function derivative(rec: usize, head: usize, out: usize, z: usize, count: u32): void {
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const pairBytes = (<usize>load<u32>(rec, NeuronWord.T * 4)) << 5
  addSurrogates(kind, 1, out, z, pairBytes, count, head + DERIVATIVE, head + SLOPE, false)
}

/** Steps that a loop takes when so many are left. */
// @ts-ignore: decorator
@inline
function stepsAtOnce(left: u32): u32 {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1
}

/**
 * n steps of the pixels first … first + pixels − 1. `step` is the first of them within the call,
 * `t` the same within all calls; z belongs to the first pixel at that step. Returns the spikes.
 */
function charge(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  n: u32,
  z: usize,
): u32 {
  const plane = step >> 3
  store<u32>(
    head + LOOP,
    load<u32>(rec, NeuronWord.Masks * 4) + plane * load<u32>(rec, NeuronWord.PlaneBytes * 4),
    4,
  )
  store<u32>(
    head + LOOP,
    load<u32>(rec, NeuronWord.S * 4) + plane * load<u32>(rec, NeuronWord.SPlaneBytes * 4),
    8,
  )
  if (hasGroups(rec)) return chargeGroups(rec, head, first, pixels, t, step, n, z)
  if (isStill(rec)) {
    if (n == 4) return neuronLearnStill4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnStill2(rec, head, first, pixels, t, step, z)
    return neuronLearnStill1(rec, head, first, pixels, t, step, z)
  }
  if (load<u32>(rec, NeuronWord.B * 4)) {
    if (n == 4) return neuronLearnB4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnB2(rec, head, first, pixels, t, step, z)
    return neuronLearnB1(rec, head, first, pixels, t, step, z)
  }
  if (load<u32>(rec, NeuronWord.S * 4)) {
    if (n == 4) return neuronLearnS4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnS2(rec, head, first, pixels, t, step, z)
    return neuronLearnS1(rec, head, first, pixels, t, step, z)
  }
  if (n == 4) return neuronLearn4(rec, head, first, pixels, t, step, z)
  if (n == 2) return neuronLearn2(rec, head, first, pixels, t, step, z)
  return neuronLearn1(rec, head, first, pixels, t, step, z)
}

/** The same where statistics are those of single steps. */
function chargeGroups(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  n: u32,
  z: usize,
): u32 {
  if (load<u32>(rec, NeuronWord.B * 4)) {
    if (n == 4) return neuronLearnGroupsB4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnGroupsB2(rec, head, first, pixels, t, step, z)
    return neuronLearnGroupsB1(rec, head, first, pixels, t, step, z)
  }
  if (load<u32>(rec, NeuronWord.S * 4)) {
    if (n == 4) return neuronLearnGroupsS4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnGroupsS2(rec, head, first, pixels, t, step, z)
    return neuronLearnGroupsS1(rec, head, first, pixels, t, step, z)
  }
  if (n == 4) return neuronLearnGroups4(rec, head, first, pixels, t, step, z)
  if (n == 2) return neuronLearnGroups2(rec, head, first, pixels, t, step, z)
  return neuronLearnGroups1(rec, head, first, pixels, t, step, z)
}
