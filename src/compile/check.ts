/** A check of plans: no record reads what no record before it has written. */

import { type Access, accesses } from '../kernels/records/schema.js'
import type { Buffer } from '../kernels/records/words.js'
import { labelOf } from '../network/kind.js'
import type { Graph } from '../network/trace.js'
import type { PlannedProgram, PlannedRecord, Section } from './program.js'

/**
 * Walks through each program in order. Persistent buffers are exempt: the host, or another run, may
 * have written them. Records on a condition count as writers, whether they run or not.
 *
 * In a section that repeats, memory may belong to another buffer by the time of the next step. So
 * what a record reads there must have been written in the same section, and state that it carries
 * from step to step must be persistent.
 *
 * @throws Error with the program, the record, its operation and layer, the field and the buffer
 */
export function checkReads(
  programs: readonly Pick<PlannedProgram, 'name' | 'sections'>[],
  graph?: Pick<Graph, 'nodes'>,
): void {
  for (const { name, sections } of programs) {
    const writtenIn = new Map<Buffer, Section>()
    let index = 0
    for (const section of sections)
      for (const record of section.records) {
        // A stream is one long loop whose steps are runs.
        const repeats = section.repeats > 1 || name === 'stream'
        const wrong = problem(record, section, repeats, writtenIn)
        if (wrong)
          throw new Error(`program ${name}, record ${index} (${title(record, graph)}): ${wrong}`)
        index++
      }
  }
}

function problem(
  record: PlannedRecord,
  section: Section,
  repeats: boolean,
  writtenIn: Map<Buffer, Section>,
): string | undefined {
  const missing = ({ name, buffer, use }: Access): string | undefined => {
    if (buffer.persistent || use === 'writes') return undefined
    if (use === 'carries')
      return repeats
        ? `${name} carries ${quote(buffer)} from step to step, which is not persistent`
        : undefined
    const by = writtenIn.get(buffer)
    if (!by) return `${name} ${use} ${quote(buffer)}, which no record before it has written`
    return repeats && by !== section
      ? `${name} ${use} ${quote(buffer)} at each step, which was written once before the steps`
      : undefined
  }
  const { condition, schema, fields } = record
  const all = [...accesses(schema, fields)]
  if (typeof condition === 'object') all.unshift({ name: 'condition', use: 'reads', ...condition })
  for (const access of all) {
    const wrong = missing(access)
    if (wrong) return wrong
  }
  for (const { buffer, use } of all) if (use !== 'reads') writtenIn.set(buffer, section)
  return undefined
}

const quote = ({ name }: Buffer): string => JSON.stringify(name)

function title({ name, layer }: PlannedRecord, graph?: Pick<Graph, 'nodes'>): string {
  const node = graph?.nodes[layer]
  return node ? `${name} of ${node.name || 'network'}, ${labelOf(node)}` : name
}
