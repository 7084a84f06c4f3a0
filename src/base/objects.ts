/** Values of any kind: copied, told apart, looked up. */

// Copies of what a call is given: its caller may change it while the call waits.

/**
 * A copy of plain data: lists, arrays of numbers, plain objects, addresses. All else is given on as
 * it is: functions, signals, objects of classes.
 *
 * @param asIs keys of members that are not looked into; of a list, its entries are not
 */
export const copyOf = <T>(value: T, asIs: readonly string[] = []): T =>
  copied(value, new Map(), asIs) as T

/** @param known copies that have begun: what holds itself does so in its copy */
function copied(
  value: unknown,
  known: Map<unknown, unknown>,
  asIs: readonly string[] = [],
): unknown {
  if (known.has(value)) return known.get(value)
  if (value instanceof URL) return new URL(value)
  // A Buffer's own `slice` would not copy.
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return 'slice' in value ? (value as Float32Array).slice() : value
  if (value instanceof ArrayBuffer) return value.slice(0)
  const isList = Array.isArray(value)
  if (!isList && !isPlain(value)) return value
  const copy: Record<string, unknown> | unknown[] = isList ? [] : {}
  known.set(value, copy)
  for (const [key, member] of Object.entries(value)) {
    const own = Array.isArray(member) ? [...member] : member
    Reflect.set(copy, key, asIs.includes(key) ? own : copied(member, known))
  }
  return copy
}

/** Whether it is an object of no class, of another page or context too. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether it is a promise, of whatever class. */
export const isThenable = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof (value as PromiseLike<T> | null | undefined)?.then === 'function'

// What a record holds itself: names such as `constructor` are no less free than others.

/** The value of a name, or undefined where there is none but what all objects inherit. */
export const own = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

/** Adds to the number of a name; one that is absent counts as 0. */
export function addTo(record: Record<string, number>, name: string, value: number): void {
  record[name] = (own(record, name) ?? 0) + value
}
