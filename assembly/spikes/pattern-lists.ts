/**
 * Lists of the neurons that fire by their spike pattern, for the weight gradient through time
 * (pattern-gradient.ts).
 *
 * The *pattern* of a neuron is its spikes in a group of 4 steps, one bit for each step; the last
 * group has the 1–4 steps that are left. An input is a sum of neurons: one of each source and
 * position of the pooling window.
 *
 * A group of lists is imagesPerGroup whole images, or a strip of rowsPerGroup rows of one image,
 * at one group of steps. Its pixels are numbered as the cells of a grid of δ, in which a tap only
 * adds a constant: with y = strideH·i + phase, pixel (y, x) of image b meets tap k at the output
 *
 *   (y + padH − ky) / strideH = i + move,   move = (phase + padH − ky) / strideH
 *
 * Pixels of one phase meet the same taps: those with ky ≡ phase + padH (mod strideH). Phases are
 * therefore numbered by their smallest tap, and those that no tap meets have no lists. A grid has
 * margins of zeros for the taps that reach beyond an image:
 *
 *   cell of (b, i, j) = (b·gridH + gridTop + i)·gridW + gridLeft + j
 *   row of a neuron   = cell·R + pattern − 1,   R = 2^min(4, T) − 1: one row for each pattern
 *
 *   Lists         u16 [group][phase][C][listBytes / 2]: rows, in the order of images, rows, sources
 *   listPointers  u32 [group][phase][C]: the end of each list
 *
 * Groups: of images, then strips, then steps, which run fastest. Sizes come from
 * src/compile/convolution/patterns.ts.
 */

import { check } from '../base/check'
import { PatternRecord, Source } from '../generated/records'
import { Pattern, Spike } from '../opcodes'

/** Input channels of one unit. */
const CHANNELS: i32 = Pattern.Channels

/** Rows of a cell of the grid. */
// @ts-ignore: decorator
@inline
export function rowsOfCell(rec: PatternRecord): i32 {
  return (1 << min<i32>(Spike.GroupSteps, rec.steps)) - 1
}

/** Groups of steps. */
// @ts-ignore: decorator
@inline
export function stepGroups(rec: PatternRecord): i32 {
  return (rec.steps + Spike.GroupSteps - 1) / Spike.GroupSteps
}

/** Strips of an image. */
// @ts-ignore: decorator
@inline
export function stripsOf(rec: PatternRecord): i32 {
  const stride = rec.strideH
  const rows = (rec.inH + stride - 1) / stride
  const perGroup = rec.rowsPerGroup
  return (rows + perGroup - 1) / perGroup
}

/** The first row (column) that meets tap k: those that meet it are `stride` apart. */
// @ts-ignore: decorator
@inline
export function phaseOf(tap: i32, stride: i32, pad: i32): i32 {
  // The added stride keeps % positive.
  return ((tap % stride) - (pad % stride) + stride) % stride
}

/**
 * Appends the rows of the neurons of a line of pixels that fire, 16 channels, and moves the ends
 * of their lists.
 *
 *   ends     u32 [16]
 *   masks    of the first pixel; pixels are `step` bytes apart and `rows` rows of the grid
 *   first    the row of pattern 1 of the first pixel
 *   steps    the bits of the group's steps, `shift` bits up in a mask
 *   lanes    the bits of the channels that exist
 */
export function patternFill(
  ends: usize,
  masks: usize,
  step: usize,
  pixels: i32,
  first: i32,
  rows: i32,
  shift: i32,
  steps: i32,
  lanes: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  // Pattern p has row p − 1.
  first--
  do {
    let active = i8x16.bitmask(i8x16.ne(v128.and(v128.load(masks), firing), i8x16.splat(0))) & lanes
    while (active) {
      const channel = <usize>ctz(active)
      active &= active - 1
      const slot = ends + (channel << 2)
      const end = load<u32>(slot)
      const pattern = (<i32>load<u8>(masks + channel) >> shift) & steps
      store<u16>(<usize>end, <u16>(first + pattern))
      store<u32>(slot, end + 2)
    }
    masks += step
    first += rows
  } while (--pixels)
}

/** ⌈a / b⌉, 0 for negative a. */
// @ts-ignore: decorator
@inline
function ceilAbove0(a: i32, b: i32): i32 {
  return a > 0 ? (a + b - 1) / b : 0
}

/**
 * Op.PatternLists: Lists and listPointers = from the masks u8 [plane][B][sourceH][sourceW][inC] of
 * all sources. Masks are read 16 at a time, so up to 12 bytes behind them are read. Unit = (group,
 * 16 input channels), channels run faster. Worker scratch: 64 bytes for each phase.
 */
export function patternLists(rec: PatternRecord, unit: i32, step: i32, scratch: usize): void {
  const channelsAll = rec.inC
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const perGroup = rec.imagesPerGroup
  const rowsPerGroup = rec.rowsPerGroup
  const listBytes = rec.listBytes
  const blocks = (channelsAll + CHANNELS - 1) / CHANNELS
  const phasesW = min(kernelW, strideW)
  const phases = min(kernelH, strideH) * phasesW

  const group = unit / blocks
  const c0 = (unit % blocks) * CHANNELS
  const channels = min(CHANNELS, channelsAll - c0)
  const stepGroup = group % stepGroups(rec)
  const strip = (group / stepGroups(rec)) % stripsOf(rec)
  const firstImage = (group / stepGroups(rec) / stripsOf(rec)) * perGroup
  const images = min(perGroup, rec.images - firstImage)
  const first = strip * rowsPerGroup
  check(images > 0 && (channels & 3) == 0 && (perGroup == 1 || stripsOf(rec) == 1))

  const lists = rec.lists
  for (let phase = 0; phase < phases; phase++) {
    let list = lists + <usize>((group * phases + phase) * channelsAll + c0) * listBytes
    for (let c = 0; c < channels; c++) {
      store<u32>(scratch + ((<usize>(phase * CHANNELS + c)) << 2), <u32>list)
      list += listBytes
    }
  }
  for (let ky = 0; ky < min(kernelH, strideH); ky++) {
    const phase = phaseOf(ky, strideH, rec.padH)
    const ends = scratch + ((<usize>(ky * phasesW * CHANNELS)) << 2)
    for (let image = 0; image < images; image++) {
      for (let i = 0; i < rowsPerGroup; i++) {
        const y = (first + i) * strideH + phase
        if (y >= rec.inH) break
        const gridRow = image * rec.gridH + rec.gridTop + i
        listLine(rec, ends, firstImage + image, y, gridRow, stepGroup, c0, channels)
      }
    }
  }
  for (let phase = 0; phase < phases; phase++) {
    const at = (group * phases + phase) * channelsAll + c0
    for (let c = 0; c < channels; c++) {
      const end = load<u32>(scratch + ((<usize>(phase * CHANNELS + c)) << 2))
      check(<usize>end <= lists + <usize>(at + c + 1) * listBytes)
      store<u32>(rec.listPointers + ((<usize>(at + c)) << 2), end)
    }
  }
}

/** Lists the neurons that the pixels of one row of the pooled input sum. */
function listLine(
  rec: PatternRecord,
  ends: usize,
  image: i32,
  y: i32,
  gridRow: i32,
  stepGroup: i32,
  c0: i32,
  channels: i32,
): void {
  const width = rec.inW
  const pixelBytes = rec.inC
  const strideW = rec.strideW
  const sourceH = rec.sourceH
  const sourceW = rec.sourceW
  const poolW = rec.poolStrideW
  const rows = rowsOfCell(rec)
  const left = rec.steps - Spike.GroupSteps * stepGroup
  const steps = (1 << min<i32>(Spike.GroupSteps, left)) - 1
  const shift = (stepGroup & 1) << 2
  const lanes = (1 << channels) - 1
  const plane = <usize>(stepGroup >> 1) * rec.planeBytes
  const sources = rec.sources
  const sourcesEnd = sources + <usize>(rec.sourceCount * offsetof<Source>())
  const firstY = y * rec.poolStrideH - rec.poolPadH
  const toY = min(firstY + rec.poolKernelH, sourceH)
  const cell = gridRow * rec.gridW + rec.gridLeft
  // Bytes between the source pixels of one phase.
  const step = poolW * strideW
  check((cell + (width - 1) / strideW + 1) * rows <= Pattern.MostRows)

  for (let kx = 0; kx < min(rec.kernelW, strideW); kx++) {
    const phase = phaseOf(kx, strideW, rec.padW)
    const pixels = ceilAbove0(width - phase, strideW)
    const firstX = phase * poolW - rec.poolPadW
    for (let source = sources; source < sourcesEnd; source += offsetof<Source>()) {
      const masks = changetype<Source>(source).masks + plane + <usize>c0
      for (let sy = max(firstY, 0); sy < toY; sy++) {
        const line = (image * sourceH + sy) * sourceW
        for (let x = firstX; x < firstX + rec.poolKernelW; x++) {
          // Pixels whose neuron at this place of the window lies inside the source.
          const from = ceilAbove0(-x, step)
          const to = min(pixels, ceilAbove0(sourceW - x, step))
          if (from >= to) continue
          patternFill(
            ends + ((<usize>(kx * CHANNELS)) << 2),
            masks + <usize>((line + x + from * step) * pixelBytes),
            <usize>(step * pixelBytes),
            to - from,
            (cell + from) * rows,
            rows,
            shift,
            steps,
            lanes,
          )
        }
      }
    }
  }
}
