/** Exported networks that the command line is given. Anybody may have written them. */

import type { NetInfo } from '../edge/abi.js'
import { readFileClear } from '../io/files.js'
import { type ApartNet, type ApartOptions, openApart } from '../verify/apart.js'
import { withFiles } from './mistakes.js'

/**
 * Reads, checks and opens an exported network, where it can be stopped, and asks something of it.
 *
 * @param option where the path came from
 * @throws SpikewasmError that names the file and what is wrong with it
 */
export async function withNet<T>(
  path: string,
  option: string,
  ask: (net: ApartNet, bytes: Uint8Array) => T | Promise<T>,
  options?: ApartOptions,
): Promise<T> {
  const bytes = await withFiles(() => readFileClear(path, option))
  const net = await openApart(bytes, path, options)
  try {
    return await ask(net, bytes)
  } finally {
    await net.close()
  }
}

/** Whether nobody has changed a file that was opened since its export. */
export const isSealed = ({ seal }: NetInfo): boolean => seal !== undefined

/** What people are told of it. */
export const sealLine = ({ seal }: NetInfo): string =>
  seal === undefined
    ? 'no: its section was stripped, nobody can tell whether it was changed'
    : `yes: ${seal}`
