/** Checkpoints of a model outside of `fit`, for training loops of one's own. */

import { checkPath, SpikewasmError } from '../errors.js'
import { parseCheckpoint, serializeCheckpoint } from '../io/checkpoint.js'
import { checkOptimizer, type Optimizer } from '../optimizer/index.js'
import { type MethodOptions, takenOptions } from '../plan/methods.js'
import { programOf } from '../runtime/arena.js'
import type { Session } from '../runtime/session.js'
import { trainingSpec } from '../runtime/training.js'
import { VERSION } from '../version.js'
import { warnOfVersion } from './resume.js'
import {
  checkSnapshot,
  expectSameSetting,
  modelSetting,
  restoreSnapshot,
  type Setting,
  takeSnapshot,
} from './snapshot.js'

/** `Model.saveCheckpoint`. */
export async function saveCheckpoint(session: Session, path: string): Promise<void> {
  checkPath('saveCheckpoint.path', path)
  programOf(session, 'train')
  const { progress, optimizer, plan } = session
  const snapshot = takeSnapshot(session, {
    version: VERSION,
    setting: plainOf({ ...modelSetting(session), optimizer, training: plan.options.training }),
    first: progress.epoch,
    epochs: progress.epoch,
    progress,
    records: [],
    callbacks: {},
    callbackTensors: {},
  })
  const { writeFileAtomic } = await import('../io/files.js')
  await writeFileAtomic(path, await serializeCheckpoint(snapshot))
}

/** `Model.loadCheckpoint`. The caller must hold the model's lock. */
export async function loadCheckpoint(session: Session, path: string): Promise<void> {
  checkPath('loadCheckpoint.path', path)
  programOf(session, 'train')
  const { readFileClear } = await import('../io/files.js')
  const bytes = await readFileClear(path, 'the checkpoint')
  const snapshot = checkSnapshot(await parseCheckpoint(bytes, path), path)
  const { setting, progress, version } = snapshot.about
  const own = plainOf(modelSetting(session))
  try {
    // The method is changed to that of the checkpoint; threads do not matter.
    const found: Setting = { ...setting, method: own.method }
    expectSameSetting(Object.fromEntries(Object.keys(own).map((key) => [key, found[key]])), own)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    throw new SpikewasmError(error.message.replace(/^fit\.resume/, path), { cause: error })
  }
  checkOptimizer(`${path}: the optimizer`, setting.optimizer as Optimizer)
  await session.replan(takenOptions(setting.method as MethodOptions), specOf(session, setting))
  restoreSnapshot(session, snapshot)
  session.optimizer = setting.optimizer as Optimizer
  session.progress = structuredClone(progress)
  warnOfVersion(version, path)
}

const plainOf = (setting: object): Setting => JSON.parse(JSON.stringify(setting))

type Spec = ReturnType<typeof trainingSpec>

/** A checkpoint of `fit` has the options, one of a model what became of them. */
function specOf({ graph }: Session, setting: Setting): Spec {
  if (setting.training !== undefined) return setting.training as Spec
  return trainingSpec('fit', graph, setting as unknown as Parameters<typeof trainingSpec>[2])
}
