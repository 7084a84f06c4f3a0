/** How many addresses a process may use, where that is limited (`ulimit -v`). */

import { isNode } from './processors.js'

export interface AddressLimit {
  readonly limit: number
  readonly used: number
  /** What V8 reserves for any memory of WebAssembly, so that it need not check each access. */
  readonly reserved: number
}

/** In bytes. Undefined where nothing is limited or known: Linux tells. */
export async function addressLimit(): Promise<AddressLimit | undefined> {
  if (!isNode()) return undefined
  const { readFile } = await import('node:fs/promises')
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const [limits, status] = [await read('/proc/self/limits'), await read('/proc/self/status')]
  const limit = Number(/^Max address space +(\d+)/m.exec(limits)?.[1])
  const used = Number(/^VmSize:\s+(\d+)/m.exec(status)?.[1]) * 1024
  return limit > 0 && used > 0 ? { limit, used, reserved: 10 * 2 ** 30 } : undefined
}
