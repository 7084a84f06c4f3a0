/**
 * What a model can do beside its training, by what an entry of the package registers: that of Node
 * all of it, that of a page what needs no file. So a page does not load what it cannot use.
 */

import { fail } from '../base/errors.js'
import type { LoadOptions } from '../engine/compile-options.js'
import type { StateDict } from '../engine/memory/state.js'
import type { Session } from '../engine/session.js'
import type { SaveNirOptions } from '../files/nir/options.js'
import type { readAhead } from './read-ahead.js'

/** What `fit` asks of snapshots, and of going on from them. */
export type Resume = typeof import('./resume.js')

export interface Extras {
  /** Threads that read batches; undefined where none pay. */
  readAhead: typeof readAhead
  /** Snapshots of trainings, and going on from them. */
  resume(): Promise<Resume>
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
