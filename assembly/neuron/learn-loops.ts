/** The loops of the usual neuron, one for each kind of input and number of steps. */

import { chargeBody } from './learn-charge'

/** Term A; 4 steps. As `chargeBody`. */
export function neuronLearn4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, false, false, false)
}

/** Term A; 2 steps. As `chargeBody`. */
export function neuronLearn2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, false, false, false)
}

/** Term A; 1 step. As `chargeBody`. */
export function neuronLearn1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, false, false, false)
}

/** Terms A and B; 4 steps. As `chargeBody`. */
export function neuronLearnB4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, true, false, false, false)
}

/** Terms A and B; 2 steps. As `chargeBody`. */
export function neuronLearnB2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, true, false, false, false)
}

/** Terms A and B; 1 step. As `chargeBody`. */
export function neuronLearnB1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, true, false, false, false)
}

/** Term A and the spikes S; 4 steps. As `chargeBody`. */
export function neuronLearnS4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, true, false, false)
}

/** Term A and the spikes S; 2 steps. As `chargeBody`. */
export function neuronLearnS2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, true, false, false)
}

/** Term A and the spikes S; 1 step. As `chargeBody`. */
export function neuronLearnS1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, true, false, false)
}

/** Term A, the same at every step; 4 steps. As `chargeBody`. */
export function neuronLearnStill4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, false, true, false)
}

/** Term A, the same at every step; 2 steps. As `chargeBody`. */
export function neuronLearnStill2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, false, true, false)
}

/** Term A, the same at every step; 1 step. As `chargeBody`. */
export function neuronLearnStill1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, false, true, false)
}
