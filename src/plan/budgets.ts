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
  /** Bytes whose sum 16 bits hold: counts; weights, which have a sign. */
  wordCounts: 257,
  wordWeights: 256,
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
