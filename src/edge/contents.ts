/** What the file holds of a network's memory. */

import { ExpandWord, Op, Rec } from '../../assembly/opcodes.js'
import type { Blocks } from '../plan/layout.js'
import type { Plan, Program } from '../plan/plan.js'
import { accesses } from '../plan/records/schema.js'
import type { Buffer } from '../plan/words.js'
import type { Prepared } from './prepare.js'
import type { Segment } from './wasm/encode.js'

/** A range of memory in bytes. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A weight that is stored without padding and spread when the module starts. */
interface Packed {
  readonly address: number
  readonly blocks: Blocks
}

export interface Contents {
  /** Memory at the start. */
  readonly bytes: Uint8Array
  /** Entries of `ExpandWord`; empty when nothing is to be spread. */
  readonly table: Uint8Array
  readonly entries: number
  /** Bytes of parameters and computed constants in the file. */
  readonly weightBytes: number
}

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
 */
export function contentsOf(prepared: Prepared, programs: readonly Program[]): Contents {
  const { plan } = prepared
  const bytes = new Uint8Array(plan.memory.total)
  const packed: Packed[] = []
  let weightBytes = 0
  for (const { range, blocks } of constantsOf(plan, programs)) {
    copyRanges(prepared, [range], bytes)
    if (blocks && isPadded(blocks)) packed.push({ address: range.from, blocks })
    weightBytes += blocks ? blocks.columns * blocks.taps * blocks.inRows * 4 : range.to - range.from
  }
  const table = new DataView(new ArrayBuffer(packed.length * ExpandWord.Bytes))
  packed.forEach(({ address, blocks }, i) => {
    const from = squeeze(bytes, address, blocks)
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
  })
  return { bytes, table: new Uint8Array(table.buffer), entries: packed.length, weightBytes }
}

/** Parameters and computed constants that the programs read, each once. */
function constantsOf(plan: Plan, programs: readonly Program[]) {
  const found = new Map<number, { range: Range; blocks: Blocks | undefined }>()
  const { parameters, statistics, named } = plan
  const copies = new Map<Buffer, Blocks | undefined>()
  for (const { op, schema, fields } of plan.programs.prepare?.records ?? []) {
    const all = [...accesses(schema, fields)]
    const weight = all.find(({ buffer }) => buffer === named.parameters)
    const isWeight = op === Op.WeightStandardise
    const parameter = parameters.find(({ offset }) => offset === weight?.offset)
    for (const { buffer, use } of all)
      if (use !== 'reads') copies.set(buffer, isWeight ? parameter?.layout.blocks : undefined)
  }
  for (const record of programs.flatMap(({ records }) => records))
    for (const { buffer, offset } of accesses(record.schema, record.fields)) {
      const from = buffer.address + offset
      if (copies.has(buffer))
        found.set(from, {
          range: { from, to: buffer.address + buffer.bytes },
          blocks: copies.get(buffer),
        })
      if (buffer !== named.parameters && buffer !== named.statistics) continue
      const of = buffer === named.parameters ? parameters : statistics
      const tensor = of.find((p) => p.offset === offset)
      if (!tensor) throw new Error(`nothing in ${buffer.name} begins at byte ${offset}`)
      const { stored, blocks } = tensor.layout
      found.set(from, { range: { from, to: from + stored * 4 }, blocks })
    }
  return found.values()
}

const isPadded = ({ columns, width, inRows, inC }: Blocks): boolean =>
  columns % width !== 0 || inRows !== inC

/**
 * Moves the numbers of a padded weight to the end of its memory, without gaps, and clears the rest.
 * Returns where they begin.
 */
function squeeze(bytes: Uint8Array, address: number, blocks: Blocks): number {
  const { columns, width, taps, inRows, inC, blockRows } = blocks
  const blockCount = Math.ceil(columns / width)
  const end = address + blockCount * blockRows * width * 4
  const numbers = new Uint8Array(columns * taps * inRows * 4)
  let at = 0
  for (let block = 0; block < blockCount; block++) {
    const count = Math.min(width, columns - block * width)
    for (let tap = 0; tap < taps; tap++)
      for (let row = 0; row < inRows; row++) {
        const from = address + (block * blockRows + tap * inC + row) * width * 4
        numbers.set(bytes.subarray(from, from + count * 4), at)
        at += count * 4
      }
  }
  bytes.fill(0, address, end)
  bytes.set(numbers, end - numbers.length)
  return end - numbers.length
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
