/** A training that can go on after any end: its folder, and when it is written. */

import { describe, fail } from '../../base/errors.js'
import { by, complete, optional, such, truth } from '../../base/rules.js'
import { parseCheckpoint } from '../../files/checkpoint.js'
import type { RunFolder } from '../../files/folder/folder.js'
import { parseJsonBytes } from '../../files/json.js'
import { type Monitor, monitorRule, monitors } from '../../network/optimizer.js'
import type { Callback, Training } from '../callback.js'
import { checkSnapshot, encode, identityOf, type Snapshot, snapshotOf } from '../snapshot.js'
import { folderOf, hasCheckpoint, optionsFile, runFiles } from './run-files.js'
import { type Due, runWriter } from './run-writer.js'

export { hasCheckpoint, optionsFile, reportFile, runFiles } from './run-files.js'
export { type Due, runWriter } from './run-writer.js'
export { type Monitor, monitors }

/** Options of `checkpoint`; all but `dir` have a default. */
export interface CheckpointOptions {
  /** The folder; it is made where there is none. */
  dir: string
  /**
   * When a checkpoint is written beside those behind each epoch: after so many steps, or minutes
   * (`'5m'`). Default 'epoch': behind epochs alone.
   */
  every?: number | `${number}m` | 'epoch'
  /**
   * By what the epoch is chosen whose weights `best.safetensors` holds. Default 'testAccuracy',
   * or 'testLoss' where the loss is of targets, or 'trainLoss' without validation data.
   */
  monitor?: Monitor
  /**
   * Writes over a run that is in the folder already; default false. That run stays as it is until
   * the new one has its first checkpoint.
   */
  overwrite?: boolean
  /**
   * Writes `report.html` when the training ends or is stopped: curves, answers on at most 1,000
   * samples of the validation data, spikes, options. Default true.
   */
  report?: boolean
}

/** @throws SpikewasmError for what is no number of steps or minutes */
export function dueOf(name: string, every: number | string): Due {
  if (every === 'epoch') return {}
  const minutes = /^(\d+(?:\.\d+)?)m$/.exec(String(every))?.[1]
  if (minutes !== undefined && Number(minutes) > 0) return { ms: Number(minutes) * 60_000 }
  if (!(Number.isInteger(every) && (every as number) >= 1))
    fail(
      `${name} must be a number of steps, such as 100, of minutes, such as '5m', or 'epoch', got ` +
        describe(every),
    )
  return { steps: every as number }
}

/**
 * Writes the folder of a run: `weights.safetensors` (the last), `best.safetensors`, `history.jsonl`
 * (a record a line), and `checkpoint.safetensors`, from which `fit({ resume: dir })` goes on to the
 * bit. All of them change together or not at all, whatever ends the process. When the training ends
 * it also writes `report.html`, a page about the run.
 * @throws SpikewasmError for wrong options; when training starts, for a folder that holds a run, or
 *   in which another process writes
 */
export function checkpoint(options: CheckpointOptions, ...more: []): Callback {
  const rules = {
    dir: such<string>('the path of a folder', (dir) => typeof dir === 'string' && dir !== ''),
    every: by<NonNullable<CheckpointOptions['every']>>(dueOf, 'epoch'),
    monitor: optional(monitorRule()),
    overwrite: truth(false),
    report: truth(true),
  }
  const all = complete('checkpoint', rules, options, more)
  const { dir, every, monitor, overwrite, report } = all
  const due = dueOf('checkpoint.every', every)
  const callback = runWriter({
    due,
    monitor,
    report,
    async open({ resumed }, training) {
      const { RunFolder } = await import('../../files/folder/folder.js')
      const folder = await RunFolder.open(dir, 'checkpoint.dir')
      try {
        const begun = resumed && (await isRunOf(folder, training))
        if (begun || overwrite) return { folder, begun }
        const taken = await folder.taken(Object.values(runFiles))
        // One that was ended before its first checkpoint has nothing to lose.
        const isStart = folder.generation > 0 && !folder.names.includes(runFiles.checkpoint)
        const free =
          taken.length === 0 || (isStart && !resumed && taken.join() === runFiles.options)
        if (free) return { folder, begun }
      } catch (error) {
        await folder.close()
        throw error
      }
      await folder.close()
      fail(
        resumed
          ? `checkpoint.dir: ${dir} holds another run than the one that fit resumes; give ` +
              'another folder, or checkpoint overwrite: true'
          : `checkpoint.dir: ${dir} holds a run; give fit resume to go on, or checkpoint ` +
              'overwrite: true to begin anew',
      )
    },
    options: optionsOf,
  })
  folderOf.set(callback, dir)
  return callback
}

const optionsOf = ({ about }: Snapshot): Uint8Array =>
  encode(`${JSON.stringify(about.setting, undefined, 2)}\n`)

/**
 * Whether a folder's checkpoint is one of the training that runs, or, where it has none yet, its
 * options are.
 */
async function isRunOf(folder: RunFolder, training: Training): Promise<boolean> {
  const isOwn = (found: unknown): boolean =>
    identityText(found) === identityText(snapshotOf(training).about.setting)
  if (!hasCheckpoint(folder.names)) {
    const options = optionsFile(folder.names)
    if (!folder.names.includes(options)) return false
    return isOwn(parseJsonBytes(await folder.read(options), options, 'the options'))
  }
  const { checkpoint } = runFiles
  const found = await parseCheckpoint(await folder.read(checkpoint), `${folder.path}/${checkpoint}`)
  return isOwn(checkSnapshot(found, folder.path).about.setting)
}

const identityText = (setting: unknown): string => JSON.stringify(identityOf(Object(setting)))
