/** Weights from a file, for a model that is there. */

import { checkPath, describe, fail, SpikewasmError } from '../errors.js'
import { parseState } from '../io/state.js'
import { filesFor } from '../runtime/platform.js'
import type { Session } from '../runtime/session.js'
import { takeState } from '../runtime/state.js'

const read = (path: string): Promise<Uint8Array> =>
  filesFor('model.load of a path', 'give it the bytes of the file').read(path, 'weights')

/** `Model.load`. The caller must hold the model's lock. */
export async function loadWeights(session: Session, from: string | Uint8Array): Promise<void> {
  if (typeof from !== 'string' && !(from instanceof Uint8Array))
    fail(`load.from must be a path or a Uint8Array, got ${describe(from)}`)
  if (typeof from === 'string') checkPath('load.from', from)
  const path = typeof from === 'string' ? from : 'the weights'
  const bytes = typeof from === 'string' ? await read(from) : from
  const state = parseState(bytes, path)
  try {
    takeState(session, state)
  } catch (error) {
    throw error instanceof SpikewasmError
      ? new SpikewasmError(`${path}: ${error.message}`, { cause: error })
      : error
  }
}
