/** Constants that are there several times move into locals: those take two bytes. */

import {
  type Constant,
  type Expression,
  type Func,
  get,
  newLocal,
  visit,
  withParts,
} from '../../wasm/ir.js'

const LOCAL_BYTES = 2

/** Bytes of a constant's instruction; those that are never worth a local count as none. */
function bytesOf(e: Constant): number {
  if (e.type === 'f32') return 5
  if (e.type === 'f64') return 9
  if (e.type !== 'i32') return 0
  let bytes = 2
  for (let left = e.value < 0 ? ~e.value : e.value; left >= 64; left = Math.floor(left / 128))
    bytes++
  return bytes
}

const keyOf = (e: Constant): string => `${e.type} ${Object.is(e.value, -0) ? '-0' : e.value}`

export function shareConstants(func: Func): void {
  const found = new Map<string, { e: Constant; count: number }>()
  visit(func.body, (e) => {
    if (e.kind !== 'const') return
    const entry = found.get(keyOf(e)) ?? { e, count: 0 }
    entry.count++
    found.set(keyOf(e), entry)
  })
  const locals = new Map<string, number>()
  const sets: Expression[] = []
  for (const [key, { e, count }] of found) {
    const bytes = bytesOf(e)
    // Its instruction, a set, and the local itself.
    if (count * (bytes - LOCAL_BYTES) <= bytes + LOCAL_BYTES + 1) continue
    const local = newLocal(func, e.type)
    locals.set(key, local)
    sets.push({ kind: 'set', local, value: e })
  }
  if (sets.length === 0) return
  const one = (e: Expression): Expression => {
    if (e.kind !== 'const') return withParts(e, one)
    const local = locals.get(keyOf(e))
    return local === undefined ? e : get(local, e.type)
  }
  func.body = [...sets, ...func.body.map(one)]
}
