/** How trainings go on: what `fit` and its loop need of snapshots. */

import type { Dataset } from '../data/dataset.js'
import type { Session } from '../runtime/session.js'
import type { StateDict } from '../runtime/state.js'
import type { Callback } from './callback.js'
import { keptOf, keptTensorsOf, restoreCallbacks } from './callback-state.js'
import { prepareFingerprint } from './fingerprint.js'
import { readSnapshot, settle } from './resume.js'
import {
  expectSameSetting,
  restoreSnapshot,
  type Setting,
  type Snapshot,
  type SnapshotParts,
  settingOf,
  takeSnapshot,
} from './snapshot.js'

/** What of it `fit` asks for. */
export interface GoingOn {
  readSnapshot(
    from: string | Uint8Array,
    callbacks?: readonly Callback[],
  ): Promise<Snapshot | undefined>
  settle(from: string | Uint8Array | undefined): Promise<void>
  prepareFingerprint(data: Dataset | undefined): Promise<void>
  settingOf: typeof settingOf
  expectSameSetting(found: Setting, own: Setting): void
  restoreSnapshot(session: Session, snapshot: Snapshot): void
  restoreCallbacks(callbacks: readonly Callback[], snapshot: Snapshot): void
  keptOf(callbacks: readonly Callback[]): Record<string, unknown>
  keptTensorsOf(callbacks: readonly Callback[]): Record<string, StateDict>
  takeSnapshot(session: Session, parts: SnapshotParts): Snapshot
}

export const goingOn: GoingOn = {
  readSnapshot,
  settle,
  prepareFingerprint,
  settingOf,
  expectSameSetting,
  restoreSnapshot,
  restoreCallbacks,
  keptOf,
  keptTensorsOf,
  takeSnapshot,
}
