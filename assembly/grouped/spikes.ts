/** Convolution by groups of channels on spikes, four steps at a time: masks instead of products. */

import { check } from '../base/check'
import { GroupedRecord } from '../generated/records'
import { Grouped } from '../opcodes'
import { depthSpikes4, depthSpikes8, listActive, spikeTile4, spikeTile8 } from './spike-tiles'
import { EDGE, EDGE_BIAS, fillTaps, insideFrom, insideTo, TABLE } from './taps'

/** Bytes of the patterns: 16 patterns × 4 steps × one vector of ones or zeros. */
const PATTERNS: usize = <usize>Grouped.PatternBytes

/**
 * Out[b][oy][ox][t][…] = Bias + Σ of the weights whose inputs fire at step t; the equation of
 * groupedForward on masks. Out is written, with zeros in padded channels. Unit = rowsPerUnit rows
 * of one image of Out. Scratch: 1216 + 16·taps·groupIn bytes (192, patterns, table, list).
 */
export function groupedSpikes(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  const T = rec.steps
  const height = rec.outH
  const width = rec.outW
  const inC = rec.inC
  const inPixels = rec.inH * rec.inW
  const outBytes = (<usize>rec.outC) << 2
  const dx = rec.strideW
  const depthwise = rec.depthwise != 0
  const depth = depthwise ? 1 : rec.groupIn
  const columns = rec.groupOut
  const weightRow = depthwise ? outBytes : (<usize>((columns + 3) & ~3)) << 2

  const rowsPerUnit = rec.rowsPerUnit
  const perImage = (height + rowsPerUnit - 1) / rowsPerUnit
  const image = unit / perImage
  const first = (unit - image * perImage) * rowsPerUnit
  const end = min(height, first + rowsPerUnit)
  const masks = rec.masks + <usize>(image * inPixels * inC)
  let out = rec.out + <usize>((image * height + first) * width * T) * outBytes
  check(first < height)
  memory.fill(scratch, 0, EDGE)
  fillPatterns(scratch + TABLE)

  const table = scratch + TABLE + PATTERNS
  const low = insideFrom(rec, false, 0, dx, width)
  const high = insideTo(rec, false, 0, dx, width)
  for (let y = first; y < end; y++) {
    let to = table
    for (let j = 0; j < width; j++) {
      // Pixels that see no padding share their table.
      if (j <= low || j >= high)
        to = fillTaps(rec, table, false, y, 0, j, dx, <usize>inC, 1, depth, weightRow)
      const source = masks + <usize>(j * dx * inC)
      if (depthwise) depthPixel(rec, out, source, to, scratch)
      else groupPixel(rec, out, source, to, scratch)
      out += <usize>T * outBytes
    }
  }
}

/** patterns[p][s] = ones where bit s of p is set. */
function fillPatterns(patterns: usize): void {
  for (let p = 0; p < 16; p++)
    for (let s = 0; s < 4; s++) {
      v128.store(patterns, i32x4.splat(-((p >> s) & 1)))
      patterns += 16
    }
}

/** All steps of one pixel; each channel is its own group. */
function depthPixel(
  rec: GroupedRecord,
  out: usize,
  masks: usize,
  end: usize,
  scratch: usize,
): void {
  const T = rec.steps
  const ldo = (<usize>rec.outC) << 2
  const weight = rec.weight
  const bias = rec.bias
  const planeBytes = rec.planeBytes
  const table = scratch + TABLE + PATTERNS
  for (let t = 0; t < T; t += 4) {
    const plane = masks + <usize>(t >> 3) * planeBytes
    const steps = min(4, T - t)
    for (let c: usize = 0; c < ldo; c += 32) {
      const b = bias ? bias + c : scratch
      const m = plane + (c >> 2)
      if (c + 32 <= ldo) depthSpikes8(out + c, ldo, m, table, end, weight + c, b, t & 7, steps)
      else depthSpikes4(out + c, ldo, m, table, end, weight + c, b, t & 7, steps)
    }
    out += ldo << 2
  }
}

/** All steps of one pixel, group by group. */
function groupPixel(
  rec: GroupedRecord,
  out: usize,
  masks: usize,
  end: usize,
  scratch: usize,
): void {
  const T = rec.steps
  const channels = rec.outC
  const ldo = (<usize>channels) << 2
  const bias = rec.bias
  const planeBytes = rec.planeBytes
  const groups = rec.groups
  const depth = rec.groupIn
  const columns = rec.groupOut
  const taps = rec.kernelH * rec.kernelW
  const stored = (columns + 3) & ~3
  const groupBytes = (<usize>(taps * depth * stored)) << 2
  const patterns = scratch + TABLE
  const table = patterns + PATTERNS
  const list = table + ((<usize>(taps * depth)) << 3)
  const real = (<usize>(groups * columns)) << 2
  for (let t = 0; t < T; t += 4) {
    let plane = masks + <usize>(t >> 3) * planeBytes
    let weight = rec.weight
    const steps = min(4, T - t)
    for (let g = 0; g < groups; g++) {
      const last = listActive(list, plane, table, end, t & 7, patterns)
      // Whole vectors: what spills over is overwritten by the next group.
      for (let n = 0; n < stored; ) {
        const at = g * columns + n
        const offset = (<usize>at) << 2
        const w = weight + ((<usize>n) << 2)
        const b = bias ? bias + offset : scratch
        if (n + 8 <= stored && at + 8 <= channels) {
          spikeTile8(out + offset, ldo, list, last, w, b, steps)
          n += 8
          continue
        }
        if (at + 4 <= channels) spikeTile4(out + offset, ldo, list, last, w, b, steps)
        else spikeEdge(out + offset, ldo, list, last, w, bias, offset, channels, steps, scratch)
        n += 4
      }
      plane += <usize>depth
      weight += groupBytes
    }
    if (real < ldo)
      for (let s = 0; s < steps; s++) memory.fill(out + <usize>s * ldo + real, 0, ldo - real)
    out += ldo << 2
  }
}

/** The last 1 to 3 columns of a pixel, for which a vector would reach into the next. */
function spikeEdge(
  out: usize,
  ldo: usize,
  list: usize,
  last: usize,
  w: usize,
  bias: usize,
  offset: usize,
  channels: i32,
  steps: i32,
  scratch: usize,
): void {
  const bytes = ((<usize>channels) << 2) - offset
  const tile = scratch + EDGE
  const b = scratch + EDGE_BIAS
  memory.fill(b, 0, 16)
  if (bias) memory.copy(b, bias + offset, bytes)
  spikeTile4(tile, 16, list, last, w, b, steps)
  for (let s: usize = 0; s < <usize>steps; s++) memory.copy(out + s * ldo, tile + (s << 4), bytes)
}
