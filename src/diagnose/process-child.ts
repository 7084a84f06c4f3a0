/** Process of `measureProcess`: makes a model, runs a few training steps, and tells its peak. */

import '../model/node.js'
import { median } from '../base/numbers.js'
import type { StateDict } from '../engine/memory/state.js'
import { serveProcess } from '../engine/node/child.js'
import { type CompileOptions, compile } from '../model/compile.js'
import { compositeOf, type NetworkJson } from '../network/json.js'
import { type ProcessCost, timeRepeated } from './diagnosis.js'

/** What a process is told. */
export interface ProcessJob {
  readonly network: NetworkJson
  readonly options: CompileOptions
  readonly state: StateDict
  /** A batch as the engine has it. */
  readonly images: Float32Array
  readonly labels: Int32Array
  /** How long steps are timed. */
  readonly milliseconds: number
}

/** Steps before those that are timed. */
const WARM_UP_STEPS = 2

async function measure(job: ProcessJob): Promise<ProcessCost> {
  const model = await compile(compositeOf(job.network, 'the network'), job.options)
  model.loadStateDict(job.state)
  const { images, labels } = model.session.slot(0)
  images.set(job.images)
  labels.set(job.labels)
  const step = (): Promise<unknown> => model.session.run('train', 0, model.batchSize, 0)
  for (let i = 0; i < WARM_UP_STEPS; i++) await step()
  const times = await timeRepeated(step, job.milliseconds)
  const { total } = model.memoryUse
  await model.dispose()
  return { peakBytes: peak(), planBytes: total, stepMs: median(times) }
}

/** maxRSS is in KiB. */
const peak = (): number => process.resourceUsage().maxRSS * 1024

const calls = {
  /** @param job undefined: to have loaded the package is all */
  measure: async (job: ProcessJob | undefined): Promise<ProcessCost> =>
    job ? measure(job) : { peakBytes: peak(), planBytes: 0, stepMs: 0 },
}

export type DiagnoseCalls = typeof calls

serveProcess(calls)
