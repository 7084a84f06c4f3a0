/** How many addresses a process may use, where that is limited (`ulimit -v`), in Node. */

import { readFileSync } from 'node:fs'
import { fail } from '../../errors.js'
import { type AddressLimit, size } from '../platform.js'

/** What V8 reserves for a thread's heap and code: 590 to 841 MiB in Node 20 to 26. */
const THREAD_BYTES = 900 * 2 ** 20
/** What it asks for beside that while a thread starts, to cut an aligned place out of it. */
const START_BYTES = 2 ** 30

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** In bytes. Undefined where nothing is limited or known: Linux tells. */
export function addressLimit(): AddressLimit | undefined {
  const limit = Number(/^Max address space +(\d+)/m.exec(textOf('/proc/self/limits'))?.[1])
  if (!(limit > 0)) return undefined
  const used = Number(/^VmSize:\s+(\d+)/m.exec(textOf('/proc/self/status'))?.[1]) * 1024
  return used > 0 ? { limit, used, reserved: 10 * 2 ** 30 } : undefined
}

/**
 * V8 ends the process where a thread finds no addresses, so that nobody could say why.
 *
 * @param option that says how many threads there are
 * @throws SpikewasmError where there is no room for so many
 */
export function expectThreads(option: string, threads: number): void {
  const addresses = addressLimit()
  const needed = threads * THREAD_BYTES + START_BYTES
  if (addresses && addresses.limit - addresses.used < needed)
    fail(
      `${option}: ${threads} threads need about ${size(needed)} of addresses, but the process ` +
        `may use ${size(addresses.limit)}, and uses ${size(addresses.used)}; choose fewer, raise ` +
        'the limit (ulimit -v), or dispose of other models',
    )
}
