/**
 * The seal of an exported network: a checksum over the whole file, the last text of its section, so
 * that the file ends with `"seal":"xxxxxxxx"}`. docs/edge.md describes it.
 */

/** Digits of a seal, and what a file has behind it: the end of the JSON. */
const DIGITS = 8
const BEHIND = 2

/** Where the seal comes when the file is complete. */
export const UNSEALED = '0'.repeat(DIGITS)

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
