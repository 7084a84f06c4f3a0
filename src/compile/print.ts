/** Programs as text and as data: what runs in which order, and what it does to which memory. */

import { Control } from '../../assembly/opcodes.js'
import { columns } from '../base/numbers.js'
import {
  type Access,
  type AnyFields,
  accesses,
  type Entry,
  type Schema,
} from '../kernels/records/schema.js'
import { type Buffer, buffersOf } from '../kernels/records/words.js'
import { labelOf } from '../network/kind.js'
import type { Plan } from './plan.js'
import type { PlannedRecord, Section } from './program.js'

/** A buffer as one record uses it. */
export interface PrintedBuffer {
  /** The record's field; those of tables are like `sources[0].masks`. */
  readonly field: string
  readonly use: Access['use']
  readonly name: string
  readonly bytes: number
  /** Where in the buffer the field points to, in bytes. */
  readonly offset: number
  /** First and last record of this program that uses the buffer; persistent ones live on. */
  readonly life: readonly [number, number] | 'persistent'
}

type PrintedRecord = ReturnType<typeof recordJson>

export type PrintedProgram = ReturnType<typeof programJson>

export const programNames = (plan: Plan): string[] => Object.keys(plan.programs)

/**
 * A program as data.
 *
 * @throws Error when the plan has no program of this name
 */
export function programJson(plan: Plan, name: string) {
  const program = Object.entries(plan.programs).find(([key]) => key === name)?.[1]
  if (!program)
    throw new Error(`the plan has no program ${name}, it has ${programNames(plan).join(', ')}`)
  const lives = livesOf(program.sections)
  let index = 0
  return {
    name,
    sections: program.sections.map(({ repeats, from, steps, records }) => ({
      // How often the section's records run, in calls of so many steps from step `from` on.
      repeats,
      from,
      steps,
      records: records.map((record) => recordJson(plan, record, index++, lives)),
    })),
  }
}

type Lives = ReadonlyMap<Buffer, [number, number]>

/** First and last record that uses each buffer. */
function livesOf(sections: readonly Section[]): Lives {
  const lives = new Map<Buffer, [number, number]>()
  const records = sections.flatMap((section) => section.records)
  for (const [index, { words, condition }] of records.entries()) {
    const used = [...buffersOf(words), ...(typeof condition === 'object' ? [condition.buffer] : [])]
    for (const buffer of used) lives.set(buffer, [lives.get(buffer)?.[0] ?? index, index])
  }
  return lives
}

function recordJson(plan: Plan, record: PlannedRecord, index: number, lives: Lives) {
  const node = plan.options.graph.nodes[record.layer]
  const { name, phase, units, groups, scratch, condition } = record
  const isAt = typeof condition === 'object'
  return {
    index,
    phase,
    // Null for what belongs to none.
    layer: node ? { index: node.index, name: node.name, kind: labelOf(node) } : null,
    operation: name,
    // 'always', 'stepMask', 'later' (not in the first call), or the flag that must not be 0.
    condition: isAt ? { name: condition.buffer.name, offset: condition.offset } : condition,
    units,
    groups,
    scratch,
    // Numbers and flags by field.
    numbers: numbersOf(record),
    buffers: [
      ...controlWords(record.schema, record.fields),
      ...usesOf(record).map(({ name: field, use, buffer, offset }): PrintedBuffer => {
        const { name, bytes, persistent } = buffer
        const life = persistent ? 'persistent' : (lives.get(buffer) as [number, number])
        return { field, use, name, bytes, offset, life }
      }),
    ],
  }
}

const ORDER: readonly PrintedBuffer['use'][] = ['reads', 'updates', 'carries', 'writes']

/** What is read comes first. */
function usesOf({ schema, fields }: PlannedRecord): Access[] {
  const order = (access: Access): number => ORDER.indexOf(access.use)
  return [...accesses(schema, fields)].sort((a, b) => order(a) - order(b))
}

/** Words of the control block that hold addresses, such as that of the batch. */
function controlWords(schema: Schema, fields: AnyFields, within = ''): PrintedBuffer[] {
  return Object.entries(fields).flatMap(([name, value]): PrintedBuffer[] => {
    const { use, entry } = schema[name]
    if (use === 'entries')
      return (value as AnyFields[]).flatMap((of, i) =>
        controlWords((entry as Entry).schema, of, `${within}${name}[${i}].`),
      )
    if (use !== 'reads' || typeof value !== 'number') return []
    const word = { name: `${Control[value]} of the control block`, bytes: 4, offset: 0 }
    return [{ field: within + name, use, ...word, life: 'persistent' }]
  })
}

function numbersOf({ schema, fields }: PlannedRecord): Record<string, number | boolean> {
  const isNumber = ([name, value]: [string, unknown]): boolean =>
    value !== undefined && ['number', 'size', 'float', 'flag'].includes(schema[name].use)
  return Object.fromEntries(Object.entries(fields).filter(isNumber)) as Record<string, number>
}

/**
 * A program as text, or all of a plan's. Each record has a line, below it one with its numbers (of
 * which 0 and false are left out) and one for each buffer.
 */
export function print(plan: Plan, name?: string): string {
  const names = name === undefined ? programNames(plan) : [name]
  return names.map((one) => printProgram(programJson(plan, one))).join('\n\n')
}

export function printProgram({ name, sections }: PrintedProgram): string {
  const all = sections.flatMap(({ records }) => records)
  const heads = columns(all.map(headOf)).values()
  const uses = columns(all.flatMap(({ buffers }) => buffers.map(useOf))).values()
  const loop = sections.some(({ repeats, from }) => repeats > 1 || from > 0)
  const lines = [`program ${name}: ${count(all.length, 'record')}`]
  for (const [i, { repeats, steps, records }] of sections.entries()) {
    if (records.length === 0) continue
    lines.push(
      '',
      `section ${i + 1} of ${sections.length}: ${count(records.length, 'record')}, ` +
        `${count(repeats, 'time')}${loop && steps > 1 ? `, ${steps} steps each` : ''}`,
    )
    for (const { numbers, buffers } of records) {
      const sizes = sizesOf(numbers)
      lines.push(heads.next().value as string)
      if (sizes !== '') lines.push(INDENT + sizes)
      for (const _ of buffers) lines.push(INDENT + uses.next().value)
    }
  }
  return lines.join('\n')
}

const INDENT = ' '.repeat(7)

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`

function headOf(record: PrintedRecord): string[] {
  const { layer, units, groups, scratch, condition } = record
  return [
    String(record.index).padStart(5),
    record.phase,
    layer ? `${layer.name || 'network'} (${layer.kind})` : '–',
    record.operation,
    groups > 1 ? `${groups} × ${count(units / groups, 'unit')}` : count(units, 'unit'),
    scratch > 0 ? `scratch ${size(scratch)}` : '',
    typeof condition === 'string' ? WHEN[condition] : `if ${place(condition)}`,
  ]
}

const WHEN = {
  always: '',
  stepMask: 'at the steps of the step mask',
  later: 'not in the first call',
} as const

const place = ({ name, offset }: { readonly name: string; readonly offset: number }): string =>
  offset === 0 ? name : `${name} + ${offset}`

function useOf(of: PrintedBuffer): string[] {
  const life = typeof of.life === 'string' ? of.life : of.life.join('–')
  return [of.use, of.field, place(of), size(of.bytes), life]
}

/** Numbers in one line; those of one name with H, W and C behind it are put together. */
function sizesOf(numbers: PrintedRecord['numbers']): string {
  const parts = new Map<string, string>()
  for (const [name, value] of Object.entries(numbers)) {
    const [, stem = name] = (value !== true && /^(.+)[HWC]$/.exec(name)) || []
    const before = parts.get(stem)
    const text = Number.isInteger(value) ? value : Number(Number(value).toPrecision(6))
    if (value === true) parts.set(name, name)
    else if (value) parts.set(stem, before ? `${before}×${text}` : `${stem} ${text}`)
  }
  return [...parts.values()].join(', ')
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const [unit, name] = bytes < 2 ** 20 ? [1024, 'KiB'] : [2 ** 20, 'MiB']
  return `${(bytes / unit).toFixed(1)} ${name}`
}
