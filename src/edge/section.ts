/**
 * The custom section of an exported network, a name and JSON, and the seal: a checksum over the
 * whole file, the last text of that section, so that the file ends with `"seal":"xxxxxxxx"}`.
 * docs/edge.md describes them.
 */

import { parseJsonBytes } from '../io/json.js'
import { type NetInfo, SECTION } from './abi.js'
import { checkInfo } from './schema.js'

/** Digits of a seal, and what a file has behind it: the end of the JSON. */
const DIGITS = 8
const BEHIND = 2

/** Where the seal comes when the file is complete. */
const UNSEALED = '0'.repeat(DIGITS)

/**
 * FNV-1a of 32 bits over all bytes before the seal. Each step maps hashes one to one, so a single
 * byte that changed changes the seal for certain, whatever follows.
 */
export function sealOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length - DIGITS - BEHIND; i++)
    hash = Math.imul(hash ^ bytes[i], 0x1000193)
  return (hash >>> 0).toString(16).padStart(DIGITS, '0')
}

/** Writes the seal of a complete file in its place. */
export function seal(bytes: Uint8Array): Uint8Array {
  bytes.set(new TextEncoder().encode(sealOf(bytes)), bytes.length - DIGITS - BEHIND)
  return bytes
}

/** The most bytes of JSON that are read. */
const LIMIT = 1 << 24

/**
 * The payload of the custom section: the name with its length, then compact JSON, which ends with
 * room for the seal.
 * @throws SpikewasmError when the information is not as the interface demands
 */
export function sectionBytes(info: NetInfo): Uint8Array {
  const name = new TextEncoder().encode(SECTION)
  const { seal: _, ...rest } = checkInfo(info, 'the information')
  const json = new TextEncoder().encode(JSON.stringify({ ...rest, seal: UNSEALED }))
  const bytes = new Uint8Array(1 + name.length + json.length)
  bytes[0] = name.length
  bytes.set(name, 1)
  bytes.set(json, 1 + name.length)
  return bytes
}

/**
 * The information in the JSON behind the name that `sectionBytes` wrote.
 * @throws SpikewasmError when it is damaged, or of another version
 */
export function readSection(json: Uint8Array): NetInfo {
  const what = `the section "${SECTION}"`
  return checkInfo(parseJsonBytes(json, what, 'its JSON', { length: LIMIT }), what)
}
