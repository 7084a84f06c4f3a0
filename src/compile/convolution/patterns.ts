/**
 * Gradient of the weight through time from lists of the neurons that fire, by their pattern over
 * four steps. Its time is that of so many active neurons, so that it is chosen when the program
 * runs.
 */

import { Pattern, RateList, Spike } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { LEAST_COUNTS, listWeightGradient, rateLists } from '../../kernels/records/lists.js'
import { patternLists, patternWeightGradient } from '../../kernels/records/patterns.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { budgets, largestSize } from '../budgets.js'
import { spikeSources } from '../emit/materialise.js'
import { emitPartialSum } from '../emit/sums.js'
import { type Expression, isIdentity, type SpikeTensor } from '../tensors.js'
import {
  emitSized,
  flat,
  type Geometry,
  isDilated,
  kRowsOf,
  outputBytes,
  splitImages,
  tapsOf,
} from './geometry.js'
import { listingFields } from './spikes.js'
import {
  type ListGradient,
  neuronsPerInput,
  type PatternGradient,
  type SpikeTask,
  type Strategy,
} from './strategy.js'

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
    before,
    after,
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

/** Whether 16 bits can number the rows of the smallest grid, which has neighbours alone. */
export const patternsApply = (g: Geometry, steps: number): boolean =>
  !isDilated(g) && gridOf(g, steps, 1, 1).rows <= budgets.listEntries

/** Time of a list's end, and of a cell of the grid and one of its rows, in entries of lists. */
const LIST_ENTRIES = 2.5
const CELL_ENTRIES = 5
const ROW_ENTRIES = 1

/**
 * Time of these lists for each output and tap, where that of lists in which all neurons stand
 * would be 1 if each pixel met each tap: what an active neuron adds to it, and what they take if
 * none fires.
 */
export function patternTime({ g, steps, neurons }: PatternShape) {
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
function splitGroups(images: number, perGroup: number, bytesOf: (images: number) => number) {
  const most = budgets.patternListBytes
  return splitImages(Math.ceil(images / perGroup), bytesOf(perGroup), most).map((group) => {
    const firstImage = group.firstImage * perGroup
    const behind = Math.min(images, firstImage + group.images * perGroup)
    return { firstImage, images: behind - firstImage }
  })
}

/**
 * A linear layer as one over features, as the masks of its input lie in memory: lists by pixels
 * would hold what only one tap needs.
 */
function asFeatures<T extends SpikeTask>(task: T): T {
  const { spikes } = task
  if (!isIdentity(spikes.pool)) return task
  const g = flat(task.g, 1)
  const shape = [g.inC, g.inH, g.inW] as const
  const sources = spikes.sources.map((tensor) => ({ ...tensor, shape }))
  return { ...task, g, spikes: { ...spikes, sources } }
}

const shapeOf = (task: SpikeTask): PatternShape => ({ ...task, neurons: neuronsPerInput(task) })

/** Cost of lists of which all neurons fire, beside that of products with the rows of δ. */
const COST = 0.87

/**
 * The fraction of active neurons in a group of steps up to which these lists take less time than
 * something else does.
 *
 * @param cost of the other for one row, in the unit of a weight's gradients.
 */
export function fewForCost(given: SpikeTask, cost: number): number {
  const { steps } = given
  const { active, silent } = patternTime(shapeOf(asFeatures(given)))
  const perGroup = (cost * steps) / Math.ceil(steps / Spike.GroupSteps)
  return (perGroup / COST - silent) / active
}

export const patternGradient: Strategy<PatternGradient, SpikeTask> = {
  name: 'patterns',
  fits: (task) => !task.g.grouping && patternsApply(asFeatures(task).g, task.steps),
  cost: (_task, active) => active,
  emit(b, given) {
    const job = asFeatures(given)
    const { name, g, steps, spikes, delta, out, accumulate } = job
    const plan = patternPlan(shapeOf(job))
    const { listBytes, inCPerUnit, partialBytes } = plan
    const shared = {
      ...plan.grid,
      lists: b.buffer(`${name} pattern lists`, plan.listsBytes),
      listPointers: b.buffer(`${name} pattern list ends`, plan.pointersBytes),
      listBytes,
    }
    const sums = partialBytes > 0 ? b.buffer(`${name} partial sums`, partialBytes) : undefined
    for (const { firstImage, images, listUnits, splits, sumUnits } of plan.passes) {
      const partial = splits > 1 ? sums : undefined
      const adds = accumulate || firstImage > 0
      const part = { ...job, g: { ...g, images }, accumulate: partial ? undefined : adds }
      emitSized(b, part, patternLists, listUnits, { ...listingFields(job, firstImage), ...shared })
      emitSized(b, part, patternWeightGradient, sumUnits, {
        ...shared,
        delta: ref(delta, firstImage * steps * outputBytes(g)),
        inCPerUnit,
        splits,
        scale: spikes.scale,
        partial,
        out: partial ? undefined : out,
      })
      if (partial)
        emitPartialSum(b, kRowsOf(g), { outC: g.outC, partial, splits, out, accumulate: adds })
    }
  },
}

// Gradient of the weight from lists of the neurons that fired. Its time is that of so many active
// neurons, so that it is chosen when the program runs. Sizes and units follow from shapes alone;
// counts run from 0 to `maxCount`.

/**
 * Input channels of one unit, largest first; a smaller size is taken until there are units for 16
 * workers.
 */
const CHANNELS_PER_UNIT = [32, 16, 8, 4] as const

const gridSize = (
  input: number,
  output: number,
  kernel: number,
  stride: number,
  pad: number,
): number =>
  Math.floor(Math.max(0, kernel - 1 - pad) / stride) +
  Math.max(output, Math.ceil(input / stride) + Math.ceil(pad / stride))

const gridPixels = (g: Geometry): number =>
  gridSize(g.inH, g.outH, g.kernelH, g.strideH, g.padH) *
  gridSize(g.inW, g.outW, g.kernelW, g.strideW, g.padW)

/** Whether lists can hold an image (their entries have 16 bits) and counts fit a byte. */
export function listsApply(g: Geometry, maxCount: number): boolean {
  const isCounted = maxCount >= 1 && maxCount <= RateList.MostCount
  return !isDilated(g) && gridPixels(g) < budgets.listEntries && isCounted
}

/** Whether lists can pay: a kernel of few taps does not earn back what they cost. */
export const listsPay = (g: Geometry, maxCount: number): boolean =>
  listsApply(g, maxCount) && tapsOf(g) >= 4

/** The plan for a convolution to which lists apply. */
export function listPlan(g: Geometry, maxCount: number) {
  const { images, inC } = g
  const imagePixels = gridPixels(g)
  const imageBytes = imagePixels * RateList.GridBytes
  const most = Math.max(1, Math.floor(budgets.rateGridBytes / imageBytes))
  const imagesPerGroup = Math.ceil(images / Math.ceil(images / most))
  const groups = Math.ceil(images / imagesPerGroup)
  const gridBlocks = Math.ceil(g.outC / RateList.GridChannels)
  const phases = g.strideH * g.strideW
  const unitsOf = (size: number): number => gridBlocks * Math.ceil(inC / size)
  const inCPerUnit = largestSize(CHANNELS_PER_UNIT, unitsOf)
  return {
    /** Images whose pixels one list holds. */
    imagesPerGroup,
    inCPerUnit,
    /** Bytes of the buffers of grids, lists and their pointers. */
    gridBytes: groups * gridBlocks * imagesPerGroup * imageBytes,
    listBytes: groups * inC * imagesPerGroup * g.inH * g.inW * 2,
    pointerBytes: groups * phases * inC * (maxCount + 1) * 4,
    /** Units of the record that makes lists and grids, and of the one that sums. */
    listUnits: groups * (Math.ceil(inC / RateList.Channels) + gridBlocks),
    sumUnits: unitsOf(inCPerUnit),
  }
}

/** The spikes whose counts lists can be made of: those of one tensor, as they are. */
export function listSource(x: Expression): { tensor: SpikeTensor; scale: number } | undefined {
  const spikes = spikeSources(x)
  if (spikes?.sources.length !== 1 || !isIdentity(spikes.pool)) return undefined
  return { tensor: spikes.sources[0], scale: spikes.scale }
}

export const listGradient: Strategy<ListGradient> = {
  name: 'lists',
  fits: ({ g, steps }) => listsPay(g, steps),
  cost: (_task, active) => active,
  emit(b, job) {
    const { name, g, steps, tensor, scale } = job
    const plan = listPlan(g, steps)
    const room = listPlan(g, Math.max(LEAST_COUNTS, steps))
    const shared = {
      imagesPerGroup: plan.imagesPerGroup,
      grids: b.buffer(`${name} grids`, plan.gridBytes),
      lists: b.buffer(`${name} rate lists`, plan.listBytes),
      listPointers: b.buffer(`${name} rate list pointers`, room.pointerBytes),
    }
    const counted = { counts: tensor.counts as Buffer, mostCounted: budgets.byteCount }
    emitSized(b, job, rateLists, plan.listUnits, { ...counted, ...shared })
    const sums = { ...shared, inCPerUnit: plan.inCPerUnit, scale: scale / steps }
    emitSized(b, job, listWeightGradient, plan.sumUnits, sums)
  },
}
