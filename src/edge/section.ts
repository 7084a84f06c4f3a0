/** The custom section of an exported network: a name and JSON. */

import { SpikewasmError } from '../errors.js'
import { parseJsonBytes } from '../io/json.js'
import { type NetInfo, SECTION } from './abi.js'
import { checkInfo } from './schema.js'

/** The most bytes of a custom section that are read. */
const LIMIT = 1 << 24

/**
 * The payload of the custom section: the name with its length, then compact JSON.
 * @throws SpikewasmError when the information is not as the interface demands
 */
export function sectionBytes(info: NetInfo): Uint8Array {
  const name = new TextEncoder().encode(SECTION)
  const json = new TextEncoder().encode(JSON.stringify(checkInfo(info, 'the information')))
  const bytes = new Uint8Array(1 + name.length + json.length)
  bytes[0] = name.length
  bytes.set(name, 1)
  bytes.set(json, 1 + name.length)
  return bytes
}

/**
 * The information in a payload that `sectionBytes` made.
 * @throws SpikewasmError when it is damaged, or of another version
 */
export function readSection(payload: Uint8Array): NetInfo {
  const name = new TextEncoder().encode(SECTION)
  const refuse = (expected: string, got: string): never => {
    throw new SpikewasmError(`the section "${SECTION}" must ${expected}, got ${got}`)
  }
  if (payload[0] !== name.length || name.some((byte, i) => payload[1 + i] !== byte))
    return refuse('start with its name', 'other bytes')
  if (payload.length > LIMIT) return refuse(`have at most ${LIMIT} bytes`, `${payload.length}`)
  const json = payload.subarray(1 + name.length)
  const value = parseJsonBytes(json, `the section "${SECTION}"`, 'its JSON')
  return checkInfo(value, `the section "${SECTION}"`)
}
