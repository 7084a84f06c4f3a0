/** Numbers and names of operations, and the words of their records, from the schemas. */
import { kinds } from '../../src/kernels/records/index.js'
import type { RecordKind } from '../../src/kernels/records/schema.js'

/** The number of an operation by its name. */
export const Op: Readonly<Record<string, number>> = Object.fromEntries(
  kinds.map(({ name, op }) => [name, op]),
)

const byNumber = new Map(kinds.map((kind) => [kind.op, kind]))
export function kindOf(op: number): RecordKind {
  const kind = byNumber.get(op)
  if (!kind) throw new Error(`no operation has the number ${op}`)
  return kind
}
export const nameOf = (op: number): string => kindOf(op).name
