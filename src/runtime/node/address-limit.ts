/** How many addresses a process may use, where that is limited (`ulimit -v`), in Node. */

import { readFile } from 'node:fs/promises'
import type { AddressLimit } from '../platform.js'

/** In bytes. Undefined where nothing is limited or known: Linux tells. */
export async function addressLimit(): Promise<AddressLimit | undefined> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const [limits, status] = [await read('/proc/self/limits'), await read('/proc/self/status')]
  const limit = Number(/^Max address space +(\d+)/m.exec(limits)?.[1])
  const used = Number(/^VmSize:\s+(\d+)/m.exec(status)?.[1]) * 1024
  return limit > 0 && used > 0 ? { limit, used, reserved: 10 * 2 ** 30 } : undefined
}
