/**
 * Sizes and units of the weight gradient through time from lists of spike patterns
 * (assembly/spikes/pattern-lists.ts, pattern-gradient.ts), from shapes alone.
 */

import { Pattern, Spike } from '../../../assembly/opcodes.js'
import { roundUp } from '../../round-up.js'
import { budgets } from '../budgets.js'
import { type Geometry, type ImageGroup, kRowsOf, splitImages, tapsOf } from './geometry.js'

/** What the lists are made for. */
export interface PatternShape {
  readonly g: Geometry
  readonly steps: number
  /** Neurons that one input sums. */
  readonly neurons: number
}

/** Cells of the outputs that a group's pixels meet, along one axis. */
function axisOf(input: number, output: number, kernel: number, stride: number, pad: number) {
  const pixels = Math.ceil(input / stride)
  const moves = Array.from({ length: kernel }, (_, tap) => {
    const phase = ((tap % stride) - (pad % stride) + stride) % stride
    return (phase + pad - tap) / stride
  })
  const before = moves.reduce((most, move) => Math.max(most, -move), 0)
  const after = moves.reduce((most, move) => Math.max(most, move), 0)
  return {
    /** Pixels of one phase, the strides of the input. */
    pixels,
    /** Cells that taps reach before a pixel's own, and behind it. */
    ...{ before, after },
    /** Outputs that taps meet. */
    outputs: Math.min(output, pixels + after),
  }
}

type Axis = ReturnType<typeof axisOf>

const rowAxis = (g: Geometry): Axis => axisOf(g.inH, g.outH, g.kernelH, g.strideH, g.padH)
const columnAxis = (g: Geometry): Axis => axisOf(g.inW, g.outW, g.kernelW, g.strideW, g.padW)

/** From one image to the next: no tap of either reaches the other. */
const pitchOf = ({ pixels, before, after, outputs }: Axis): number =>
  Math.max(outputs + before, pixels + after)

/** Rows of a cell: one for each pattern. */
const rowsOfCell = (steps: number): number => 2 ** Math.min(Spike.GroupSteps, steps) - 1

/** Words of both records: the grid of groups of so many images, or of strips of rows of one. */
function gridOf(g: Geometry, steps: number, images: number, rowsPerGroup: number) {
  const [rows, columns] = [rowAxis(g), columnAxis(g)]
  const gridH = rowsPerGroup < rows.pixels ? rowsPerGroup + rows.after : pitchOf(rows)
  const gridW = pitchOf(columns)
  const cells = (rows.before + images * gridH) * gridW + columns.before
  return {
    imagesPerGroup: images,
    rowsPerGroup,
    gridTop: rows.before,
    gridLeft: columns.before,
    gridH,
    gridW,
    gridOutH: rows.outputs,
    gridOutW: columns.outputs,
    /** Its rows, which the entries of lists number. */
    rows: cells * rowsOfCell(steps),
    /** Pixels of a group and phase that lists number. */
    pixels: images * rowsPerGroup * columns.pixels,
  }
}

type PatternGrid = ReturnType<typeof gridOf>

/** As many images as the cache has room for, of nearly equal groups; else strips of one image. */
function chooseGrid(g: Geometry, steps: number): PatternGrid {
  const { pixels } = rowAxis(g)
  const fits = ({ rows }: PatternGrid): boolean =>
    rows <= Math.min(budgets.patternGridBytes / Pattern.RowBytes, budgets.listEntries)
  const grid = (images: number, rows = pixels): PatternGrid => gridOf(g, steps, images, rows)
  if (fits(grid(1))) {
    let most = 1
    while (most < g.images && fits(grid(most + 1))) most++
    return grid(Math.ceil(g.images / Math.ceil(g.images / most)))
  }
  let strips = 2
  while (strips < pixels && !fits(grid(1, Math.ceil(pixels / strips)))) strips++
  return grid(1, Math.ceil(pixels / strips))
}

/** Whether 16 bits can number the rows of the smallest grid. */
export function patternsApply(g: Geometry, steps: number): boolean {
  return gridOf(g, steps, 1, 1).rows <= budgets.listEntries
}

/** Time of a list's end, and of a cell of the grid and one of its rows, in entries of lists. */
const LIST_ENTRIES = 2.5
const CELL_ENTRIES = 5
const ROW_ENTRIES = 1

/**
 * Time of these lists for each output and tap, where that of lists in which all neurons stand
 * would be 1 if each pixel met each tap: what an active neuron adds to it, and what they take if
 * none fires.
 */
export function patternTime({ g, steps, neurons }: PatternShape): {
  readonly active: number
  readonly silent: number
} {
  const { rows, pixels } = chooseGrid(g, steps)
  const cells = rows / rowsOfCell(steps)
  const reads = (rowAxis(g).pixels * columnAxis(g).pixels) / (g.outH * g.outW)
  const gridEntries = (CELL_ENTRIES * cells + ROW_ENTRIES * rows) / (tapsOf(g) * g.inC)
  return { active: reads * neurons, silent: (reads * (gridEntries + LIST_ENTRIES)) / pixels }
}

/** The plan for a convolution to which these lists apply. */
export function patternPlan({ g, steps, neurons }: PatternShape) {
  const grid = chooseGrid(g, steps)
  const phases = Math.min(g.kernelH, g.strideH) * Math.min(g.kernelW, g.strideW)
  const listBytes = grid.pixels * neurons * 2
  const strips = Math.ceil(rowAxis(g).pixels / grid.rowsPerGroup)
  const groupsPerImages = strips * Math.ceil(steps / Spike.GroupSteps)
  const groupsOf = (images: number): number =>
    Math.ceil(images / grid.imagesPerGroup) * groupsPerImages
  const inCPerUnit = channelsPerUnit(g)
  const blocks = Math.ceil(g.outC / Pattern.GridChannels) * Math.ceil(g.inC / inCPerUnit)
  const splitsOf = (images: number): number =>
    Math.min(groupsOf(images), Math.ceil(budgets.enoughUnits / blocks))
  const listsOf = (images: number): number => groupsOf(images) * phases * g.inC
  const passes = splitGroups(g.images, grid.imagesPerGroup, (images) => listsOf(images) * listBytes)
  const [{ images: most }] = passes
  const splits = splitsOf(most)
  return {
    grid,
    listBytes,
    inCPerUnit,
    /** Bytes of buffers: lists, their ends, partial sums; the first pass needs the most. */
    listsBytes: listsOf(most) * listBytes,
    pointersBytes: listsOf(most) * 4,
    partialBytes: splits > 1 ? splits * kRowsOf(g) * g.outC * 4 : 0,
    // The lists of a pass are used before those of the next take their place.
    passes: passes.map((pass) => ({
      ...pass,
      listUnits: groupsOf(pass.images) * Math.ceil(g.inC / Pattern.Channels),
      splits: splitsOf(pass.images),
      sumUnits: splitsOf(pass.images) * blocks,
    })),
  }
}

/** Input channels of a unit: all, or equal parts whose sums fit. */
function channelsPerUnit(g: Geometry): number {
  const most = Math.max(4, Math.floor(budgets.patternSumBytes / (tapsOf(g) * Pattern.RowBytes)))
  return roundUp(Math.ceil(g.inC / Math.ceil(g.inC / most)), 4)
}

/** Passes of whole groups of images, whose lists have no more bytes than a pass may. */
function splitGroups(
  images: number,
  perGroup: number,
  bytesOf: (images: number) => number,
): ImageGroup[] {
  const groups = splitImages(
    Math.ceil(images / perGroup),
    bytesOf(perGroup),
    budgets.patternListBytes,
  )
  return groups.map((group) => {
    const firstImage = group.firstImage * perGroup
    return {
      firstImage,
      images: Math.min(images, firstImage + group.images * perGroup) - firstImage,
    }
  })
}
