/**
 * A weight by groups as that of a convolution without groups, zero between the groups, and the
 * gradient back. Few large groups take less time so where the kernels without groups are the
 * faster.
 */

import { address, word } from '../base/record'
import { ConvWord, GroupedWord } from '../opcodes'

/** Floats from a group's first weight to that of output channel n of the group. */
// @ts-ignore: decorator
@inline
function groupWeight(rec: usize, weight: usize, g: i32, n: i32): usize {
  const taps = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW)
  const stored = (word(rec, GroupedWord.GroupOut) + 3) & ~3
  const floats = taps * word(rec, GroupedWord.GroupIn) * stored
  return weight + ((<usize>(g * floats + n)) << 2)
}

/**
 * Dense[block][k][n] = Weight of output channel n, 0 where k is an input of another group or none.
 * Unit = one block of output channels. Scratch: none.
 */
export function groupedExpand(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const width = word(rec, ConvWord.BlockWidth)
  const kRows = word(rec, ConvWord.KRows)
  const inC = word(rec, ConvWord.InC)
  const taps = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW)
  const groupIn = word(rec, GroupedWord.GroupIn)
  const groupOut = word(rec, GroupedWord.GroupOut)
  const real = word(rec, GroupedWord.Groups) * groupOut
  const rowBytes = (<usize>((groupOut + 3) & ~3)) << 2
  const out = address(rec, GroupedWord.Dense) + ((<usize>(unit * kRows * width)) << 2)
  memory.fill(out, 0, (<usize>(kRows * width)) << 2)
  for (let j = 0; j < width; j++) {
    const n = unit * width + j
    if (n >= real) return
    const g = n / groupOut
    let w = groupWeight(rec, address(rec, GroupedWord.Weight), g, n - g * groupOut)
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
export function groupedExtract(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const width = word(rec, ConvWord.BlockWidth)
  const kRows = word(rec, ConvWord.KRows)
  const inC = word(rec, ConvWord.InC)
  const taps = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW)
  const groupIn = word(rec, GroupedWord.GroupIn)
  const groupOut = word(rec, GroupedWord.GroupOut)
  const stored = (groupOut + 3) & ~3
  const rowBytes = (<usize>stored) << 2
  const add = word(rec, GroupedWord.Accumulate) != 0
  const dense = address(rec, GroupedWord.Dense)
  for (let j = 0; j < stored; j++) {
    const n = unit * groupOut + j
    const block = n / width
    let out = groupWeight(rec, address(rec, GroupedWord.Out), unit, j)
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
