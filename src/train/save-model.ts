/** A model as one file, or its bytes. */

import { checkOptions, checkPath, checkSignal } from '../errors.js'
import { modelJson, modelKey } from '../io/model-json.js'
import { serializeState } from '../io/state.js'
import { filesFor } from '../runtime/platform.js'
import type { Session } from '../runtime/session.js'
import type { SaveOptions } from '../runtime/settings.js'
import { averages, stateDict } from '../runtime/state.js'
import { wantsAverages } from '../runtime/update.js'

/** `Model.toBytes`. */
export function modelBytes(
  name: string,
  session: Session,
  metadata: Record<string, string>,
  options: Pick<SaveOptions, 'averages'>,
): Uint8Array {
  checkOptions(name, options, ['averages'])
  const state = wantsAverages(`${name}.averages`, session, options.averages)
    ? averages(session)
    : stateDict(session)
  return serializeState(state, { ...metadata, [modelKey]: JSON.stringify(modelJson(session)) })
}

/** `Model.save`. */
export async function saveModel(
  session: Session,
  path: string,
  metadata: Record<string, string>,
  options: SaveOptions,
): Promise<void> {
  const files = filesFor('model.save', 'model.toBytes() gives what the file would hold')
  checkPath('save.path', path)
  checkOptions('save', options, ['averages', 'signal'])
  const { signal, ...other } = options
  checkSignal('save.signal', signal)
  const own = { ...metadata }
  const bytes = await session.lock.look(() => modelBytes('save', session, own, other), signal)
  await files.write(path, bytes)
}
