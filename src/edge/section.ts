/** The custom section of an exported network: a name and JSON. */

import { parseJsonBytes } from '../io/json.js'
import { type NetInfo, SECTION } from './abi.js'
import { checkInfo } from './schema.js'
import { UNSEALED } from './seal.js'

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
