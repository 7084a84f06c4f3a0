/** Hashes and random names (Node). What makes them takes a megabyte: it is loaded when used. */

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const crypto = (): typeof import('node:crypto') => require('node:crypto')

/** SHA-256 of all parts, one behind the other. */
export function sha256(
  parts: readonly (string | Uint8Array)[],
  encoding: 'hex' | 'base64' = 'hex',
): string {
  const hash = crypto().createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest(encoding)
}

/** So many random bytes. */
export const randomHex = (bytes: number): string => crypto().randomBytes(bytes).toString('hex')
