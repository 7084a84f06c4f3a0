/** What lies in a run's folder, by the names that its last commit has left. */

import type { Callback } from '../callback.js'

/** Names in a run's folder. */
export const runFiles = {
  weights: 'weights.safetensors',
  best: 'best.safetensors',
  options: 'options.json',
  history: 'history.jsonl',
  checkpoint: 'checkpoint.safetensors',
  /** Options of a run that is to replace the one in the folder, until it has a checkpoint. */
  next: 'options.next.json',
} as const

/** A page about the run, made of the others: it belongs to no commit, and nothing depends on it. */
export const reportFile = 'report.html'

/** Where the options of the run are that `resume` goes on with. */
export const optionsFile = (names: readonly string[]): string =>
  names.includes(runFiles.next) ? runFiles.next : runFiles.options

/** Whether that run has a checkpoint; else it goes on from its beginning. */
export const hasCheckpoint = (names: readonly string[]): boolean =>
  names.includes(runFiles.checkpoint) && !names.includes(runFiles.next)

/** The folder that a callback of `checkpoint` writes. */
export const folderOf = new WeakMap<Callback, string>()
