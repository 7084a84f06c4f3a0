import { roundUp } from '../base/numbers.js'
import { type AnyFields, accesses } from '../kernels/records/schema.js'
import { sizeOf } from '../network/value.js'
import type { Parameter, PlanOptions } from './context.js'
import type { PlannedProgram, PlannedRecord, Section } from './program.js'

/**
 * How large the parts are into which work is divided: units of records, passes over images, chunks
 * within a kernel, counters that are carried over into wider ones. All follow from shapes and these
 * numbers alone, so that results do not depend on the machine.
 *
 * Only tests change them, before they plan: with small ones each kind of record has several units
 * of a small network, and a rest (test/network/small-budgets.test.ts).
 */
export const budgets = {
  /** Floats of a unit of records that go through pixels: they stay in the first-level cache. */
  unitFloats: 8192,
  /** The same of a normalisation. */
  normFloats: 16384,
  /** The same of an optimizer's step. */
  updateFloats: 16384,
  /** The same of sums over partial gradients. */
  sumFloats: 4096,
  /** Bytes of masks of a unit that puts calls together. */
  recordBytes: 4096,

  /** Units that a record should have: two for each of 16 workers. */
  enoughUnits: 32,
  /** Units that lists of spikes and sums over them should have: four for each. */
  spikeUnits: 64,
  /** Output pixels of a unit of such sums, at least: a block of the weight is read for them. */
  spikePixels: 16,
  /** Pixels whose moments are summed in float32; as many rows as other statistics sum. */
  momentPixels: 64,
  /** The fewest pixels for which moments have a slot, and units, where both are one record. */
  leastMomentPixels: 16,
  leastForwardUnits: 16,
  /** Bytes of the lists of a unit that sums over them at once; where memory matters. */
  forwardListBytes: 384 * 1024,
  compactListBytes: 72 * 1024,
  /** Bytes of the lists of a pass, if it has more than one image. */
  listBytes: 16 * 2 ** 20,
  /** Bytes of a weight of bytes that stays in the second-level cache from unit to unit. */
  nearWeightBytes: 256 * 1024,
  /**
   * Bytes of a weight up to which levels of a sum do not pay in a file: in `cnn` they take a sixth
   * longer and 80 KB more, in `vgg11`, whose weights are larger, a third less.
   */
  smallWeightBytes: 32 * 1024,

  /** Rows (pixel, step) of a unit of dense products, at most; they pay for reading the weight. */
  denseRows: 60,
  /** The same of convolutions by groups, about. */
  groupedRows: 256,
  /** Rows of k of a unit of a weight's gradient, and rows that each of its splits should have. */
  kPerUnit: 64,
  rowsPerSplit: 512,

  /** Few input channels: bytes of copied rows of a block, in the second-level cache. */
  copyBytes: 256 * 1024,
  /** Bytes of Out, or of δ, of a chunk of pixels, in the first-level cache. */
  chunkBytes: 16384,
  /** Bytes of a pixel's δ up to which it is read where it lies; others share few cache sets. */
  packBytes: 1024,

  /** Winograd, input gradient: tiles of a unit that transforms kernels, or its own tiles. */
  tilesPerUnit: 64,
  ownTiles: 16,
  /** Bytes of the tiles of a pass; of the kernels, where they are transformed first. */
  tileBytes: 12 * 2 ** 20,
  kernelBytes: 3 * 2 ** 20,
  /** Weight gradient: bytes of the tiles of a pass, if it has so many tiles. */
  weightTileBytes: 4 * 2 ** 20,
  leastTiles: 128,
  /** Tiles that a unit transforms at a time, and half of those of a unit. */
  splitTiles: 32,
  /** The fewest units by tiles; else they are by channels. */
  leastSplits: 8,
  /** Rows of k of a unit that adds their sums up. */
  reduceRows: 16,
  /** Stride 2: tiles of a unit, or half as many if there are fewer units than that. */
  strideTiles: 16,
  strideUnits: 4,

  /** Lists of counts: bytes of δ of a group of images and 16 channels. */
  rateGridBytes: 96 * 1024,
  /** Lists of patterns: the same; of the sums of a unit; of the lists of a pass. */
  patternGridBytes: 200 * 1024,
  patternSumBytes: 384 * 1024,
  patternListBytes: 8 * 2 ** 20,
  /** What 16 bits of a list's entry can number. */
  listEntries: 65536,

  /** What a byte counts before it is added to a wider number; spikes of an input with a factor. */
  byteCount: 255,
  /** Bytes whose sum 16 bits hold, counts; and the largest sum of whole weights, with a sign. */
  wordCounts: 257,
  wordSum: 32767,
  /** Bytes of a gradient to which all contributions are added before the next ones. */
  runBytes: 8192,

  /** Bytes of the buffers of a pass over images in inference, for each worker. */
  passBytes: 2 ** 21,
  /** Memory of buffers up to which workers have theirs to themselves. */
  ownMemoryBytes: 32 * 2 ** 20,
}

/** How pixels of so many floats are divided into units. */
export function inUnits(pixels: number, floats: number): { units: number; pixelsPerUnit: number } {
  const pixelsPerUnit = Math.min(pixels, Math.ceil(budgets.unitFloats / floats))
  return { units: Math.ceil(pixels / pixelsPerUnit), pixelsPerUnit }
}

/** The first of some sizes, largest first, by which there are enough units; else the last. */
export const largestSize = <S>(sizes: readonly S[], unitsOf: (size: S) => number): S =>
  sizes.find((size) => unitsOf(size) >= budgets.enoughUnits) ?? (sizes.at(-1) as S)

// About how long the records of a program take, from their shapes alone, and so on how many workers
// it is worth running them. Never by timing: what runs where must repeat.
// Costs were measured on x86-64 with 128-bit vectors, at rates of trained networks; they are those
// of a fast machine and of cheap cases. Where they are wrong, a program runs on fewer workers than
// it could, never the other way round: a wait for others costs more than it may gain.

// When images run one by one instead of as a padded batch. The rule is one of shapes, never of
// timing, so that results repeat.

/** Rows that the dense kernels compute together: for fewer they take as long. */
const TILE_ROWS = 5
/** Standardised weights are made anew in each run, in about the time of so many rows. */
const STANDARDISE_ROWS = 4
/**
 * `most`: up to so many images of a batch that is not full run one by one; 0 where none do.
 *
 * @param passImages images of a run of the program `evaluate`
 * @param programs of the plan; without one for one image, runs of `evaluate` may have one image
 */
export function singlesOf(
  { graph, batchSize }: PlanOptions,
  parameters: readonly Parameter[],
  passImages: number,
  programs: readonly Pick<PlannedProgram, 'name' | 'sections'>[],
  workers: number,
) {
  const named = (name: string) => programs.find((program) => program.name === name)
  const [evaluate, single] = [named('evaluate'), named('single')]
  if (batchSize === 1) return { most: 0 }
  if (passImages === 1 && evaluate) return { most: batchSize - 1 }
  if (!single) return { most: 0 }
  const weights = parameters.filter(({ layout }) => layout.shape.length > 1)
  /** Products of each image in runs of so many. */
  const productsIn = (images: number): number =>
    weights.reduce((sum, { node, layout }) => {
      const { shape, layer } = graph.nodes[node]
      const standardised = layer && 'standardise' in layer && layer.standardise
      const pixels = roundUp(images * shape[1] * shape[2], TILE_ROWS)
      const rows = pixels + (standardised ? STANDARDISE_ROWS : 0)
      return sum + (sizeOf(layout.shape) * rows) / images
    }, 0)
  // A batch takes as long as so many single images, if as many workers run it.
  const worth = (batchSize * productsIn(passImages)) / productsIn(1)
  const fewer = workersOf(single, workers) / (evaluate ? workersOf(evaluate, workers) : 1)
  return { most: Math.max(1, Math.min(batchSize - 1, Math.floor(worth * fewer))) }
}

/** Nanoseconds of a byte that a record copies. */
const COPY_NS = 0.02

/** What waking workers and hearing from them takes at least, and what each of them adds. */
const WAKE_NS = 150_000
const WAKE_EACH_NS = 50_000
/** What a barrier takes for each worker, where the processors have other work as well. */
const BARRIER_NS = 4000
/** Workers share caches and memory: each of several takes so much longer for the same work. */
const CROWDED = 1.25
/** More workers must save at least this share of the time. */
const LEAST_GAIN = 0.15

/** Whose buffers hold more than a record touches: it has one layer's part of them. */
const shared = new Set(['parameters', 'gradients', 'optimizer', 'statistics'])

const numberOf = (fields: AnyFields, name: string): number => (fields[name] as number) ?? 1

/** Products of a convolution over all images and steps, were all its inputs to count. */
function productsOf({ fields, units, work: { taps } }: PlannedRecord): number {
  const of = (name: string): number => numberOf(fields, name)
  if ('depth' in fields) return units * of('perUnit') * of('rows') * of('depth') * of('summands')
  const pixels = 'outH' in fields ? of('outH') * of('outW') : of('inH') * of('inW')
  const kernel = taps ?? of('kernelH') * of('kernelW')
  const rows =
    'groupIn' in fields || taps !== undefined || !('kRows' in fields)
      ? kernel * (fields.depthwise ? 1 : 'groupIn' in fields ? of('groupIn') : of('inC'))
      : of('kRows')
  return of('images') * of('steps') * pixels * of('outC') * rows
}

/** Bytes of the buffers that a record has to itself. */
function bytesOf({ schema, fields }: PlannedRecord): number {
  const buffers = new Set(accesses(schema, fields).map(({ buffer }) => buffer))
  let sum = 0
  for (const { bytes, purpose } of buffers) if (!shared.has(purpose)) sum += bytes
  return sum
}

/** About how many nanoseconds one worker takes for all units of a record. */
export function workOf(record: PlannedRecord): number {
  const { product, parameter, byte = COPY_NS } = record.work
  const work =
    product !== undefined
      ? product * productsOf(record)
      : parameter !== undefined
        ? parameter * numberOf(record.fields, 'count')
        : byte * bytesOf(record)
  // One of two kernels that a program may choose from runs.
  return typeof record.condition === 'object' ? work / 2 : work
}

/** What a program is made of. */
type Sections = { readonly sections: readonly Section[] }

/** A function of workers: about how many nanoseconds a program takes on so many. */
export function times({ sections }: Sections): (workers: number) => number {
  const works = sections.map(({ records }) => records.map(workOf))
  return (workers) => {
    const several = workers > 1
    let time = several ? WAKE_NS + WAKE_EACH_NS * workers : 0
    for (const [i, { records, repeats }] of sections.entries())
      for (const [j, { units }] of records.entries()) {
        const share = (works[i][j] * Math.ceil(units / workers)) / units
        time += repeats * (several ? share * CROWDED + BARRIER_NS * workers : share)
      }
    return time
  }
}

/** On how many workers a program runs, of those that there are. */
export function workersOf(program: Sections, threads: number): number {
  if (threads === 1) return 1
  const timeOn = times(program)
  let [best, least] = [1, timeOn(1) * (1 - LEAST_GAIN)]
  for (let workers = 2; workers <= threads; workers++) {
    const time = timeOn(workers)
    if (time < least) [best, least] = [workers, time]
  }
  return best
}
