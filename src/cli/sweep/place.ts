/** What of a run is of this machine: where its data are, and how many threads it has. */

import { dataPath } from './data.js'
import type { CheckedRun } from './options.js'

export interface RunMachine {
  readonly data?: string
  readonly cache?: string
  readonly threads: number
}

/** Arguments of `train` behind those of the run. */
export function placeArgs(run: CheckedRun, { data, cache, threads }: RunMachine): string[] {
  const path = dataPath(run.parsed.dataset, data)
  return [
    ...(path === undefined ? [] : ['--data', path]),
    ...(cache === undefined ? [] : ['--cache', cache]),
    ...(Object.hasOwn(run.given, 'threads') ? [] : ['--threads', String(threads)]),
  ]
}
