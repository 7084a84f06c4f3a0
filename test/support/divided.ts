/** Into which parts records divide what they work on: which kinds had several, and a rest. */

import { readdirSync, readFileSync } from 'node:fs'
import type { PlannedRecord } from '../../src/compile/program.js'
import { kinds } from '../../src/kernels/records/index.js'
import type { RecordKind } from '../../src/kernels/records/schema.js'
import { nameOf, Op } from './operations.js'

type Numbers = Readonly<Record<string, number>>
type Count = (of: Numbers) => number

const product =
  (...names: readonly string[]): Count =>
  (of) =>
    names.reduce((size, name) => size * of[name], 1)
const classRows: Count = (of) =>
  of.images * of.steps * Math.ceil(of.inH / of.strideH) * Math.ceil(of.inW / of.strideW)
const tileRows: Count = (of) => of.images * of.steps * Math.ceil((of.outH ?? of.inH) / 4)
const groups: Count = (of) =>
  Math.ceil(of.images / of.imagesPerGroup) *
  Math.ceil(of.inH / of.strideH / of.rowsPerGroup) *
  Math.ceil(of.steps / 4)

/** What a word divides: the first whose words a schema has, unless an operation has its own. */
const wholes: Readonly<Record<string, readonly (readonly string[])[]>> = {
  pixelsPerUnit: [['pixels'], ['images', 'height', 'width'], ['images', 'outH', 'outW']],
  perUnit: [['count'], ['floats'], ['blocks'], ['rows', 'columns'], ['pixels']],
  bytesPerUnit: [['planeBytes'], ['bytes']],
  kPerUnit: [['kRows']],
  inCPerUnit: [['inC']],
  outCPerUnit: [['outC']],
  imagesPerGroup: [['images']],
  pixelsPerChunk: [['rowsPerUnit', 'outW']],
  rowsPerUnit: [['rows']],
}
const ofRun: Count = (of) => (of.contributionCount > 1 ? of.pixelsPerUnit : 0)
const own: { readonly [O in number]?: Readonly<Record<string, Count>> } = {
  [Op.AdaptivePoolBackward]: { pixelsPerUnit: product('images', 'inH', 'inW') },
  [Op.ConvDense]: { rowsPerUnit: product('images', 'outH', 'outW', 'steps') },
  [Op.ConvInputGradient]: { rowsPerUnit: classRows },
  [Op.ConvNarrow]: { rowsPerUnit: product('outH') },
  [Op.ConvWeightGradient]: { splits: product('images', 'outH', 'outW', 'steps') },
  [Op.NarrowWeightGradient]: {
    rowsPerUnit: product('outH'),
    splits: (of) => of.images * Math.ceil(of.outH / of.rowsPerUnit),
  },
  [Op.GroupedForward]: { rowsPerUnit: product('outH') },
  [Op.GroupedSpikes]: { rowsPerUnit: product('outH') },
  [Op.GroupedInputGradient]: { rowsPerUnit: product('inH') },
  [Op.GroupedWeightGradient]: { splits: product('images', 'outH') },
  [Op.RecurrentBackward]: { pixelsPerRun: (of) => (of.contributionCount > 1 ? of.imagePixels : 0) },
  [Op.SpikeLists]: { rowsPerUnit: product('images', 'outH') },
  [Op.SpikeConv]: { blocksPerUnit: (of) => of.outC / of.blockWidth },
  [Op.SpikeForward]: {
    rowsPerUnit: product('images', 'outH'),
    blocksPerUnit: (of) => of.outC / of.blockWidth,
  },
  [Op.SpikeForwardBytes]: {
    rowsPerUnit: product('images', 'outH'),
    blocksPerUnit: (of) => of.outC / of.blockWidth,
  },
  [Op.WinogradInputGradient]: { rowsPerUnit: tileRows },
  [Op.WinogradStrideGradient]: { rowsPerUnit: tileRows },
  [Op.WinogradWeightGradient]: { rowsPerUnit: tileRows, splits: tileRows },
  [Op.PatternLists]: { rowsPerGroup: (of) => Math.ceil(of.inH / of.strideH) },
  [Op.PatternWeightGradient]: {
    rowsPerGroup: (of) => Math.ceil(of.inH / of.strideH),
    splits: groups,
  },
}

/** What goes through the images of a batch in passes, where lists or tiles of all were too large. */
const inPasses: ReadonlySet<number> = new Set([
  ...[Op.SpikeLists, Op.SpikeConv, Op.PatternLists, Op.PatternWeightGradient],
  ...[Op.WinogradInputTransform, Op.WinogradInputGradient],
  ...[Op.WinogradWeightTransform, Op.WinogradWeightGradient],
])

/** What a narrow counter counts, at most. */
const counted: { readonly [O in number]?: Count } = {
  // Steps of all images.
  [Op.ActiveSpikes]: product('images', 'steps'),
  // Pixels of a line and phase.
  [Op.RateLists]: (of) => Math.ceil(of.inW / of.strideW),
  [Op.Materialise]: (of) => of.window,
  // At least one of all lists has so many entries.
  [Op.SpikeForwardBytes]: (of) => (of.kernelH * of.kernelW * of.inC) / 15,
}

const isCounter = (word: string): boolean => word === 'mostCounted'
const PART = /[pP]er(Unit|Group|Run|Chunk)$|^splits$/

/** Operations whose records have one unit, by what their schemas' comments say. */
export function withOneUnit(): ReadonlySet<string> {
  const folder = new URL('../../../src/kernels/records/', import.meta.url)
  const text = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'))
  const entries = text
    .join('\n')
    .matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+export const \w+ = record\(\s*'(\w+)'/g)
  const found = [...entries].filter(([, comment]) => /one\s+(\*\s+)?unit\./.test(comment))
  return new Set(found.map(([, , name]) => name))
}

/** Words that say into which parts a record, or a kernel within it, divides something. */
const partsOf = ({ op, schema }: Pick<RecordKind, 'op' | 'schema'>): string[] =>
  // What a record adds up it does not divide.
  Object.keys(schema).filter(
    (word) => (PART.test(word) && op !== Op.ReduceSplits) || word === 'kPerUnit' || isCounter(word),
  )

/** What of a kind should be seen, as "Operation.word". */
export function wanted(): string[] {
  const alone = withOneUnit()
  return kinds.flatMap((kind) => {
    const name = nameOf(kind.op)
    return [
      ...(alone.has(name) ? [] : [`${name}: units`]),
      ...(inPasses.has(kind.op) ? [`${name}: images of a pass`] : []),
      ...partsOf(kind).map((word) => `${name}.${word}`),
    ]
  })
}

function wholeOf(op: number, schema: RecordKind['schema'], word: string): Count {
  const counter = isCounter(word) && counted[op]
  if (counter) return counter
  const others = wholes[word]?.find((names) => names.every((name) => name in schema))
  const run = word === 'pixelsPerRun' ? ofRun : undefined
  const found = own[op]?.[word] ?? run ?? (others && product(...others))
  if (!found) throw new Error(`${nameOf(op)}: nothing says what ${word} divides`)
  return found
}

/** Notes what of a record's kind is seen in a plan for batches of so many images. */
export function note(
  { op, units, schema, fields }: PlannedRecord,
  batchSize: number,
  seen: Set<string>,
): void {
  const of = { ...(fields as Numbers) }
  const terms = (fields.terms ?? []) as { kernelH: number; kernelW: number }[]
  of.window = Math.max(0, ...terms.map(({ kernelH, kernelW }) => kernelH * kernelW))
  const name = nameOf(op)
  if (units > 1) seen.add(`${name}: units`)
  if (inPasses.has(op) && batchSize % of.images !== 0) seen.add(`${name}: images of a pass`)
  for (const word of partsOf({ op, schema })) {
    const [whole, part] = [wholeOf(op, schema, word)(of), of[word]]
    // A word that a record does not have is undefined, or 0.
    if (!(part > 0 && whole > part)) continue
    if (isCounter(word) || (units > 1 && whole % part !== 0)) seen.add(`${name}.${word}`)
  }
}
