/** A model as one file. */

import { checkOptions, checkPath } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import { modelJson, modelKey } from '../io/model-json.js'
import { serializeState } from '../io/state.js'
import type { Session } from '../runtime/session.js'
import type { SaveOptions } from '../runtime/settings.js'
import { averages, stateDict } from '../runtime/state.js'
import { wantsAverages } from '../runtime/update.js'

/** `Model.save`. */
export async function saveModel(
  session: Session,
  path: string,
  metadata: Record<string, string>,
  options: SaveOptions,
): Promise<void> {
  checkPath('save.path', path)
  checkOptions('save', options, ['averages'])
  const state = wantsAverages('save.averages', session, options.averages)
    ? averages(session)
    : stateDict(session)
  const all = { ...metadata, [modelKey]: JSON.stringify(modelJson(session)) }
  await writeFileAtomic(path, serializeState(state, all))
}
