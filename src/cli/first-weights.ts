/** The weights that a run starts from: those of `train --load`. */

import { createHash } from 'node:crypto'
import { SpikewasmError } from '../errors.js'
import { readFileClear } from '../io/files.js'
import { expectNoModule } from '../io/no-module.js'
import { readModel } from '../load.js'
import type { StateDict } from '../runtime/state.js'
import { withFiles } from './mistakes.js'
import type { RunOptions } from './run-folder.js'

interface FirstWeights {
  readonly state: StateDict
  /** SHA-256 of their file. */
  readonly sha256: string
}

/**
 * @param run one that goes on from its beginning, because it has no checkpoint yet
 * @throws SpikewasmError when the file is missing or damaged, or not the one that the run had
 */
export async function firstWeights(
  path: string,
  run: RunOptions | undefined,
): Promise<FirstWeights> {
  const bytes = await withFiles(() => readFileClear(path, 'weights')).catch((error: unknown) => {
    if (!run || !(error instanceof SpikewasmError)) throw error
    throw again(error.message)
  })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const wanted = run?.loadSha256 ?? sha256
  if (sha256 !== wanted)
    throw again(`${path} must be as it was then, of SHA-256 ${wanted}, got ${sha256}`)
  return { state: readModel(expectNoModule(bytes, path), path).state, sha256 }
}

const again = (why: string): SpikewasmError =>
  new SpikewasmError(
    `--resume: the run has no checkpoint yet and begins with the weights of its --load: ${why}; ` +
      'put that file back, or train anew with --overwrite',
  )
