/**
 * Charge and fire of the usual neuron where statistics are those of single steps: the loops of
 * learn-loops.ts with constants for each step. Their x̂ is another pass.
 */

import { chargeBody } from './learn-charge'

/** Term A; 4 steps. As `chargeBody`. */
export function neuronLearnGroups4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, false, false, true)
}

/** Term A; 2 steps. As `chargeBody`. */
export function neuronLearnGroups2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, false, false, true)
}

/** Term A; 1 step. As `chargeBody`. */
export function neuronLearnGroups1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, false, false, true)
}

/** Terms A and B; 4 steps. As `chargeBody`. */
export function neuronLearnGroupsB4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, true, false, false, true)
}

/** Terms A and B; 2 steps. As `chargeBody`. */
export function neuronLearnGroupsB2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, true, false, false, true)
}

/** Terms A and B; 1 step. As `chargeBody`. */
export function neuronLearnGroupsB1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, true, false, false, true)
}

/** Term A and the spikes S; 4 steps. As `chargeBody`. */
export function neuronLearnGroupsS4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, true, false, true)
}

/** Term A and the spikes S; 2 steps. As `chargeBody`. */
export function neuronLearnGroupsS2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, true, false, true)
}

/** Term A and the spikes S; 1 step. As `chargeBody`. */
export function neuronLearnGroupsS1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, true, false, true)
}
