/** Files of the package in Node. */

import { access } from 'node:fs/promises'
import { broken } from '../package-file.js'

/**
 * For files that threads start from: a thread that finds none would end the process.
 *
 * @throws SpikewasmError when a file of the package is missing
 */
export async function expectPackageFile(url: URL): Promise<void> {
  await access(url).catch((error: unknown) => {
    throw broken([url], error)
  })
}
