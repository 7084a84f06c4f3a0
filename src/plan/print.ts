/** A plan as text: each record with its layer, operation, units, and what it reads and writes. */

import { Op } from '../../assembly/opcodes.js'
import type { Plan, ProgramName } from './plan.js'
import type { PlannedRecord } from './program.js'
import { accesses } from './records/schema.js'
import { type Buffer, buffersOf, type WordValue } from './words.js'

const size = (bytes: number): string =>
  bytes >= 2 ** 20
    ? `${(bytes / 2 ** 20).toFixed(1)}M`
    : bytes >= 1024
      ? `${Math.round(bytes / 1024)}K`
      : `${bytes}B`

const life = ({ first, last, persistent }: Buffer): string =>
  persistent ? '' : ` ${first}–${last}`

const show = (value: WordValue): string => {
  if (typeof value === 'number') return String(value)
  if ('f32' in value) return String(value.f32)
  if ('buffer' in value) {
    const { buffer, offset } = value
    return `${buffer.name}${offset ? `+${size(offset)}` : ''} (${size(buffer.bytes)}${life(buffer)})`
  }
  if ('table' in value)
    return value.table
      .flatMap((entry) =>
        [...buffersOf(entry)].map((b) => `${b.name} (${size(b.bytes)}${life(b)})`),
      )
      .join(' + ')
  return `${value.data.length} bytes`
}

/** What a record does to memory, and its numbers, as its schema names them. */
function operands({ schema, fields, words }: PlannedRecord): string {
  if (Object.keys(schema).length === 0)
    return [...new Set(buffersOf(words))].map((b) => show({ buffer: b, offset: 0 })).join(', ')
  const inputs: string[] = []
  const outputs: string[] = []
  for (const { name, use, buffer, offset } of accesses(schema, fields)) {
    const text = `${name}: ${show({ buffer, offset })}`
    if (use === 'reads') inputs.push(text)
    else outputs.push(use === 'writes' ? text : `±${text}`)
  }
  const numbers = Object.entries(fields).flatMap(([name, value]) => {
    const { use } = schema[name]
    if (use === 'flag') return value ? [name] : []
    return (use === 'number' || use === 'float') && value !== 0 ? [`${name} ${value}`] : []
  })
  return `${inputs.join(', ')} → ${outputs.join(', ')} | ${numbers.join(' ')}`
}

export function printPlan(plan: Plan, only?: ProgramName): string {
  const { graph } = plan.options
  const lines: string[] = []
  for (const [name, program] of Object.entries(plan.programs)) {
    if (only && only !== name) continue
    lines.push(`${name}: ${program.records.length} records`)
    program.records.forEach((record, i) => {
      const { name: layer, kind } = graph.nodes[record.layer] ?? { name: '-', kind: '' }
      const when =
        record.condition === 'always'
          ? ''
          : record.condition === 'stepMask'
            ? ' at masked steps'
            : ` if ${show(record.condition)}`
      const units = `${record.units}${record.groups > 1 ? `=${record.groups}×${record.units / record.groups}` : ''}`
      lines.push(
        `${String(i).padStart(4)} ${record.phase.padEnd(8)} ${`${layer || '-'} ${kind}`.padEnd(14)} ${Op[record.op].padEnd(20)} ${units.padStart(6)}u ${size(record.scratch).padStart(5)}  ${operands(record)}${when}`,
      )
    })
  }
  return lines.join('\n')
}
