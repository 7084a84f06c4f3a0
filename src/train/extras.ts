/**
 * What a model can do beside its training, by what an entry of the package registers: that of Node
 * all of it, that of a page what needs no file. So a page does not load what it cannot use.
 */

import type { BatchesOptions } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { fail } from '../errors.js'
import type { SaveNirOptions } from '../io/nir/options.js'
import type { LoadOptions } from '../runtime/compile-options.js'
import type { Session } from '../runtime/session.js'
import type { StateDict } from '../runtime/state.js'
import type { Callback } from './callback.js'
import type * as callbackState from './callback-state.js'
import type * as fingerprints from './fingerprint.js'
import type * as snapshots from './snapshot.js'
import type { Snapshot } from './snapshot.js'

/** Batches that are read ahead of the steps; see `BatchThreads`. */
export interface ReadAhead {
  /** Copies a batch into a slot; false where the caller has to make it. */
  take(
    batch: number,
    images: Float32Array,
    labels: Int32Array,
    targets?: Float32Array,
  ): Promise<boolean>
  close(): Promise<void>
}

/** Which batches are read ahead. */
export interface AheadTask {
  /** Number of the first batch, counted through all epochs. */
  readonly first: number
  /** Passes over the data. */
  readonly epochs: number
  /** Numbers that are wanted of a sample; 0 where there are labels alone. */
  readonly targetSize: number
  /** Whether it is a test: few threads, and none for what lies in memory. */
  readonly isTest: boolean
  /** As in `fit`. */
  readonly numWorkers: number | undefined
}

/** What `fit` asks of snapshots, and of going on from them. */
export interface GoingOn
  extends Pick<typeof callbackState, 'restoreCallbacks' | 'keptOf' | 'keptTensorsOf'>,
    Pick<typeof fingerprints, 'prepareFingerprint' | 'identityOfFiles'>,
    Pick<typeof snapshots, 'settingOf' | 'expectSameSetting' | 'restoreSnapshot' | 'takeSnapshot'> {
  readSnapshot(
    from: string | Uint8Array,
    callbacks?: readonly Callback[],
  ): Promise<Snapshot | undefined>
  settle(from: string | Uint8Array | undefined): Promise<void>
  expectSameEpochs(snapshot: Snapshot, options: { epochs?: number; initialEpoch?: number }): void
}

export interface Extras {
  /** Threads that read batches; undefined where none pay. */
  readAhead(
    session: Session,
    data: Dataset,
    options: BatchesOptions,
    task: AheadTask,
  ): Promise<ReadAhead | undefined>
  /** Snapshots of trainings, and going on from them. */
  goingOn(): Promise<GoingOn>
  /** A model from the bytes of its file. */
  fromBytes(bytes: Uint8Array, options?: LoadOptions): Promise<{ readonly session: Session }>
  /** Where `progress` writes. */
  standardError(): { write(text: string): unknown; readonly isTTY?: boolean }
  /** The class of its bars, of cli-progress. */
  progressBar(): Promise<unknown>
  saveNir(session: Session, path: string, state: StateDict, options: SaveNirOptions): Promise<void>
  saveCheckpoint(session: Session, path: string): Promise<void>
  loadCheckpoint(session: Session, path: string): Promise<void>
}

let registered: Partial<Extras> = {}

/** Adds to what is registered. */
export function registerExtras(extras: Partial<Extras>): void {
  registered = { ...registered, ...extras }
}

/** What is registered; a member is absent where it cannot be done. */
export const extras = (): Partial<Extras> => registered

/**
 * What an entry may have registered.
 *
 * @param what asks for it, such as `model.saveNir`
 * @throws SpikewasmError where it has not
 */
export function extra<Name extends keyof Extras>(
  name: Name,
  what: string,
  instead = 'model.toBytes() gives the model as bytes',
): Extras[Name] {
  const found = registered[name]
  if (found) return found as Extras[Name]
  fail(`${what} needs Node and its files, which a page has not; ${instead}`)
}
