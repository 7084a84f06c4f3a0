/** A model as a NIR file. */

import { checkPath } from '../../errors.js'
import type { Session } from '../../runtime/session.js'
import type { StateDict } from '../../runtime/state.js'
import { writeFileAtomic } from '../files.js'
import { nirTree } from './from-model.js'
import { writeHdf5 } from './hdf5.js'
import { checkSaveOptions, type SaveNirOptions } from './options.js'

/**
 * Writes the file, or an error leaves what was there.
 * @throws SpikewasmError as `model.saveNir` does
 */
export async function saveNir(
  session: Session,
  path: string,
  state: StateDict,
  options: SaveNirOptions,
): Promise<void> {
  checkPath('saveNir.path', path)
  const time = checkSaveOptions(options)
  const tree = nirTree(session, state, time)
  const bytes = Object.values(state).reduce((sum, { data }) => sum + data.byteLength, 0)
  await writeFileAtomic(path, await writeHdf5(tree, path, bytes))
}
