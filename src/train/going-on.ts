/** How trainings go on: what `fit` and its loop need of snapshots. */

import { keptOf, keptTensorsOf, restoreCallbacks } from './callback-state.js'
import type { GoingOn } from './extras.js'
import { identityOfFiles, prepareFingerprint } from './fingerprint.js'
import { expectSameEpochs, readSnapshot, settle } from './resume.js'
import { expectSameSetting, restoreSnapshot, settingOf, takeSnapshot } from './snapshot.js'

export const goingOn: GoingOn = {
  readSnapshot,
  settle,
  expectSameEpochs,
  prepareFingerprint,
  identityOfFiles,
  settingOf,
  expectSameSetting,
  restoreSnapshot,
  restoreCallbacks,
  keptOf,
  keptTensorsOf,
  takeSnapshot,
}
