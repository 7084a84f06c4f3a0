/**
 * What a job says, and how it is checked. Whoever can write to Redis can write a job, so nothing of
 * it is believed: only known keys, names and numbers come through, and never a path or code.
 */

import { createHash } from 'node:crypto'
import { describe, fail, quote } from '../errors.js'
import { VERSION } from '../version.js'

/** Changes with the meaning of what jobs hold. */
export const PROTOCOL = 1

/** Plain data. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** What a job's data may take, as JSON. */
export const limits = { length: 65_536, depth: 8, values: 4000 }

/** What is in a queue, with the version of who made the job: another one may compute other bits. */
export const envelopeOf = (kind: string, payload: Json) => ({
  protocol: PROTOCOL,
  version: VERSION,
  kind,
  payload,
})

export type JobEnvelope = ReturnType<typeof envelopeOf>

/** @throws SpikewasmError for what is no job of this kind, version and protocol */
export function readEnvelope(data: unknown, kind: string): Json {
  checkPlain(data, 'the job')
  const {
    protocol,
    version,
    kind: found,
    payload,
  } = objectOf(data, 'the job', ['protocol', 'version', 'kind', 'payload'])
  if (protocol !== PROTOCOL || version !== VERSION)
    fail(
      `the job must be made by spikewasm ${VERSION} (protocol ${PROTOCOL}), as this worker is, ` +
        `got one of version ${describe(version)} (protocol ${describe(protocol)}); install the ` +
        'same version on both sides',
    )
  if (found !== kind) fail(`the job must be of the kind ${kind}, got ${describe(found)}`)
  return payload as Json
}

/**
 * An object with these keys and no other; each may be missing.
 * @throws SpikewasmError for anything else
 */
export function objectOf(
  value: unknown,
  name: string,
  keys: readonly string[],
): Readonly<Record<string, Json | undefined>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(`${name} must be an object, got ${describe(value)}`)
  for (const key of Object.keys(value))
    if (!keys.includes(key))
      fail(`${name}.${quote(key).slice(1, -1)} is unknown; known are ${keys.join(', ')}`)
  return value as Record<string, Json>
}

/**
 * Plain data within the limits: lists and objects of finite numbers, texts, true, false and null.
 * @throws SpikewasmError for anything else
 */
export function checkPlain(data: unknown, name: string): asserts data is Json {
  let [length, values] = [0, 0]
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value: data, depth: 0 }]
  const refuse = (what: string): never => {
    fail(`${name} must be plain data, got ${what}`)
  }
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { value, depth } = next
    if (++values > limits.values) refuse(`more than ${limits.values} values`)
    if (depth > limits.depth) refuse(`values nested more than ${limits.depth} deep`)
    if (typeof value === 'string') length += value.length
    else if (typeof value === 'number') {
      length += 8
      if (!Number.isFinite(value)) refuse(String(value))
    } else if (Array.isArray(value)) {
      if (value.length > limits.values) refuse(`a list of ${value.length}`)
      for (const item of value) waiting.push({ value: item, depth: depth + 1 })
    } else if (typeof value === 'object' && value !== null) {
      const proto = Object.getPrototypeOf(value)
      if (proto !== Object.prototype && proto !== null) refuse(describe(value))
      for (const key of Object.keys(value)) {
        length += key.length
        if (key === '__proto__') refuse('a key __proto__')
        waiting.push({ value: (value as Record<string, unknown>)[key], depth: depth + 1 })
      }
    } else if (value !== null && typeof value !== 'boolean') refuse(describe(value))
    if (length > limits.length) refuse(`more than ${limits.length} characters`)
  }
}

/** JSON with sorted keys, without what is undefined: equal values are equal texts. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

/** A name that says what a value is: equal values have equal ones. 24 hexadecimal digits. */
export const hashId = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, 24)
