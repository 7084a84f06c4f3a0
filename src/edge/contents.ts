/** What the file holds of a network's memory. */

import { ExpandWord, Rec } from '../../assembly/opcodes.js'
import { type Blocks, type ParameterLayout, pack, pairUp } from '../compile/layout.js'
import type { Plan, Program } from '../compile/plan.js'
import { weightStandardise } from '../kernels/records/norm.js'
import { accesses } from '../kernels/records/schema.js'
import type { Buffer } from '../kernels/records/words.js'
import type { Segment } from '../kernels/wasm/encode.js'
import type { Prepared } from './prepare.js'

// Weights as the file holds them: without padding, and as bytes with their scales.

/** A weight as stored, by `groups` of output channels. */
interface GroupedBlocks extends Blocks {
  readonly groups: number
}

/** Elements of a weight without padding. */
const elementsOf = ({ columns, taps, inRows }: Blocks): number => columns * taps * inRows

/** Elements of a weight as stored. */
const storedOf = ({ columns, width, blockRows }: Blocks): number =>
  Math.ceil(columns / width) * blockRows * width

/**
 * Rows of a weight's blocks that hold numbers, in the order of the memory, which is that of the
 * file: index of the first element as stored, and how many elements there are.
 */
function* rowsOf({ columns, width, taps, inRows, inC, blockRows }: Blocks) {
  for (let block = 0; block * width < columns; block++) {
    const count = Math.min(width, columns - block * width)
    for (let tap = 0; tap < taps; tap++)
      for (let row = 0; row < inRows; row++)
        yield { at: (block * blockRows + tap * inC + row) * width, count }
  }
}

/** A range of memory in bytes. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** Parameters or constants that programs read. */
interface Constant {
  readonly range: Range
  /** Numbers, without the padding behind them. */
  readonly count: number
  /** How weights lie. */
  readonly layout?: ParameterLayout
  /** Elements are whole numbers in memory: the largest. */
  readonly most?: number
}

/** A weight that is stored without padding and spread when the module starts. */
interface Packed {
  readonly address: number
  readonly blocks: GroupedBlocks
  /** Where its numbers begin. */
  readonly from: number
  /** Address of the scales by which bytes become floats. */
  readonly scales?: number
  /** Its numbers are bytes there. */
  readonly bytes: boolean
  /** They become words of two, of numbers up to this. */
  readonly most?: number | undefined
}

export type Contents = ReturnType<typeof contentsOf>

/** Zero bytes between two segments that cost less than another segment. */
const GAP = 8

/** The same bytes in another image of a network's memory. */
export function copyRanges(
  { memory }: Prepared,
  ranges: readonly Range[],
  bytes: Uint8Array,
): void {
  const all = new Uint8Array(memory.buffer)
  for (const { from, to } of ranges) bytes.set(all.subarray(from, to), from)
}

/**
 * Memory at the start, without programs: parameters that the programs read, and constants that were
 * computed from parameters.
 *
 * @param put gives memory for bytes
 */
export function contentsOf(
  prepared: Prepared,
  programs: readonly Program[],
  put: (bytes: Uint8Array) => number,
) {
  const { plan, rounded } = prepared
  const bytes = new Uint8Array(plan.memory.total)
  const packed: Packed[] = []
  let weightBytes = 0
  for (const { range, count, layout, most } of constantsOf(plan, programs)) {
    const address = range.from
    const blocks = layout && blocksOf(layout)
    const rounds = rounded.get(address - plan.named.parameters.address)
    if (blocks && rounds && !most) {
      const { values, scales } = rounds
      const stored = new Int8Array(storedOf(blocks))
      pack(layout, values, stored)
      const own = new Uint8Array(stored.buffer)
      const from = squeeze(own, blocks, bytes.subarray(address, address + 4 * own.length))
      const at = put(new Uint8Array(scales.buffer))
      packed.push({ address, blocks, from, scales: at, bytes: true })
      weightBytes += count + scales.byteLength
      continue
    }
    copyRanges(prepared, [range], bytes)
    const elementBytes = most ? 1 : 4
    if (blocks && (most || isPadded(blocks))) {
      const own = bytes.subarray(address, address + storedOf(blocks) * elementBytes)
      const plain = own.slice()
      if (most) pairUp(new Int8Array(plain.buffer), layout, most, true)
      packed.push({ address, blocks, from: squeeze(plain, blocks, own), bytes: !!most, most })
    }
    weightBytes += count * elementBytes
  }
  return {
    /** Memory at the start. */
    bytes,
    /** Entries of `ExpandWord`; empty when nothing is to be spread. */
    table: tableOf(packed),
    entries: packed.length,
    /** The engine's function that spreads them. */
    expand: packed.some(({ bytes }) => bytes) ? 'edgeExpandBytes' : 'edgeExpand',
    /** Bytes of parameters and computed constants in the file, without padding. */
    weightBytes,
  }
}

/** Entries of `ExpandWord`. */
function tableOf(packed: readonly Packed[]): Uint8Array {
  const table = new DataView(new ArrayBuffer(packed.length * ExpandWord.Bytes))
  packed.forEach(({ address, blocks, from, scales, bytes, most }, i) => {
    const set = (word: ExpandWord, value: number): void =>
      table.setUint32(i * ExpandWord.Bytes + word * 4, value, true)
    set(ExpandWord.From, from)
    set(ExpandWord.To, address)
    set(ExpandWord.Columns, blocks.columns)
    set(ExpandWord.Width, blocks.width)
    set(ExpandWord.Taps, blocks.taps)
    set(ExpandWord.InRows, blocks.inRows)
    set(ExpandWord.InC, blocks.inC)
    set(ExpandWord.BlockRows, blocks.blockRows)
    set(ExpandWord.Scales, scales ?? 0)
    set(ExpandWord.GroupTaps, blocks.taps / blocks.groups)
    set(ExpandWord.Shift, bytes ? 0 : 2)
    set(ExpandWord.Offset, most ? most + 1 : 0)
  })
  return new Uint8Array(table.buffer)
}

/** Parameters and computed constants that the programs read, each once. */
function constantsOf(plan: Plan, programs: readonly Program[]): Iterable<Constant> {
  const found = new Map<number, Constant>()
  const { parameters, statistics, named } = plan
  const copies = new Map<Buffer, Omit<Constant, 'range'>>()
  // A file that learns makes them itself.
  for (const { weight, scale, layout, most } of plan.options.fixed ? plan.integers : []) {
    copies.set(weight, { count: countOf(layout), layout, most })
    copies.set(scale, { count: layout.shape[0] })
  }
  const { nodes } = plan.options.graph
  for (const { name, layer, schema, fields } of plan.programs.prepare?.records ?? []) {
    const all = [...accesses(schema, fields)]
    const weight = all.find(({ buffer }) => buffer === named.parameters)
    const isWeight = name === weightStandardise.name
    const parameter = parameters.find(({ offset }) => offset === weight?.offset)
    // A normalisation has a number for each channel.
    const copy =
      isWeight && parameter
        ? { count: countOf(parameter.layout), layout: parameter.layout }
        : { count: nodes[layer].shape[0] }
    for (const { buffer, use } of all) if (use !== 'reads') copies.set(buffer, copy)
  }
  for (const record of programs.flatMap(({ records }) => records))
    for (const { buffer, offset } of accesses(record.schema, record.fields)) {
      const from = buffer.address + offset
      const copy = copies.get(buffer)
      if (copy) found.set(from, { range: { from, to: buffer.address + buffer.bytes }, ...copy })
      if (buffer !== named.parameters && buffer !== named.statistics) continue
      const of = buffer === named.parameters ? parameters : statistics
      const tensor = of.find((p) => p.offset === offset)
      if (!tensor) throw new Error(`nothing in ${buffer.name} begins at byte ${offset}`)
      const { layout } = tensor
      const range = { from, to: from + layout.stored * 4 }
      found.set(from, { range, count: countOf(layout), layout })
    }
  return found.values()
}

const countOf = ({ shape }: ParameterLayout): number => shape.reduce((a, b) => a * b, 1)

const blocksOf = ({ shape, blocks }: ParameterLayout): GroupedBlocks | undefined =>
  blocks && { ...blocks, groups: shape[0] / blocks.columns }

const isPadded = ({ columns, width, inRows, inC }: GroupedBlocks): boolean =>
  columns % width !== 0 || inRows !== inC

/**
 * Writes the numbers of a padded weight to the end of its memory, without gaps, and clears the
 * rest. Returns where they begin.
 */
function squeeze(stored: Uint8Array, blocks: Blocks, memory: Uint8Array): number {
  const elementBytes = stored.length / storedOf(blocks)
  const begin = memory.length - elementsOf(blocks) * elementBytes
  memory.fill(0)
  let to = begin
  for (const { at, count } of rowsOf(blocks)) {
    const from = at * elementBytes
    memory.set(stored.subarray(from, from + count * elementBytes), to)
    to += count * elementBytes
  }
  return memory.byteOffset + begin
}

/** The parts of memory that are not zero. */
export function segmentsOf(bytes: Uint8Array): Segment[] {
  const segments: Segment[] = []
  let from = -1
  let last = -1
  const close = (): void => {
    if (from >= 0) segments.push({ address: from, bytes: bytes.subarray(from, last + 1) })
  }
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0) continue
    if (from < 0 || i - last > GAP) {
      close()
      from = i
    }
    last = i
  }
  close()
  return segments
}

/** Words of a record that the interpreter reads. */
export const interpreted = [Rec.Op, Rec.Units, Rec.Condition]
