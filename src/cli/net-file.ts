/** Exported networks that the command line is given. Anybody may have written them. */

import { readFileClear } from '../io/files.js'
import { type ApartNet, type ApartOptions, openApart } from '../verify/apart.js'
import { withFiles } from './mistakes.js'

/**
 * Reads, checks and opens an exported network, where it can be stopped.
 *
 * @param option where the path came from
 * @throws SpikewasmError that names the file and what is wrong with it
 */
export async function openFile(
  path: string,
  option: string,
  options?: ApartOptions,
): Promise<{ readonly bytes: Uint8Array; readonly net: ApartNet }> {
  const bytes = await withFiles(() => readFileClear(path, option))
  return { bytes, net: await openApart(bytes, path, options) }
}
