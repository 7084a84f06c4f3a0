/**
 * A weight by groups as that of a convolution without groups, zero between the groups, and the
 * gradient back. Few large groups take less time so where the kernels without groups are the
 * faster.
 */

import { GroupedRecord } from '../generated/records'

/** Floats from a group's first weight to that of output channel n of the group. */
// @ts-ignore: decorator
@inline
function groupWeight(rec: GroupedRecord, weight: usize, g: i32, n: i32): usize {
  const taps = rec.kernelH * rec.kernelW
  const stored = (rec.groupOut + 3) & ~3
  const floats = taps * rec.groupIn * stored
  return weight + ((<usize>(g * floats + n)) << 2)
}

/**
 * Dense[block][k][n] = Weight of output channel n, 0 where k is an input of another group or none.
 * Unit = one block of output channels. Scratch: none.
 */
export function groupedExpand(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const kRows = rec.kRows
  const inC = rec.inC
  const taps = rec.kernelH * rec.kernelW
  const groupIn = rec.groupIn
  const groupOut = rec.groupOut
  const real = rec.groups * groupOut
  const rowBytes = (<usize>((groupOut + 3) & ~3)) << 2
  const out = rec.dense + ((<usize>(unit * kRows * width)) << 2)
  memory.fill(out, 0, (<usize>(kRows * width)) << 2)
  for (let j = 0; j < width; j++) {
    const n = unit * width + j
    if (n >= real) return
    const g = n / groupOut
    let w = groupWeight(rec, rec.weight, g, n - g * groupOut)
    for (let tap = 0; tap < taps; tap++) {
      let to = out + ((<usize>((tap * inC + g * groupIn) * width + j)) << 2)
      for (let c = 0; c < groupIn; c++) {
        store<f32>(to, load<f32>(w))
        to += (<usize>width) << 2
        w += rowBytes
      }
    }
  }
}

/**
 * Out = (with Accumulate +=) the part of Dense, a gradient of the weight, that lies within the
 * groups; 0 behind GroupOut. Unit = group. Scratch: none.
 */
export function groupedExtract(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const kRows = rec.kRows
  const inC = rec.inC
  const taps = rec.kernelH * rec.kernelW
  const groupIn = rec.groupIn
  const groupOut = rec.groupOut
  const stored = (groupOut + 3) & ~3
  const rowBytes = (<usize>stored) << 2
  const add = rec.accumulate != 0
  const dense = rec.dense
  for (let j = 0; j < stored; j++) {
    const n = unit * groupOut + j
    const block = n / width
    let out = groupWeight(rec, rec.out, unit, j)
    for (let tap = 0; tap < taps; tap++) {
      const k = block * kRows + tap * inC + unit * groupIn
      let from = dense + ((<usize>(k * width + n - block * width)) << 2)
      for (let c = 0; c < groupIn; c++) {
        const x: f32 = j < groupOut ? load<f32>(from) : <f32>0
        store<f32>(out, add ? load<f32>(out) + x : x)
        from += (<usize>width) << 2
        out += rowBytes
      }
    }
  }
}
