/** A training step measured in a process of its own: what the system gives it, and its time. */

import { fail } from '../errors.js'
import { graphToJson, type NetworkJson } from '../graph/json.js'
import { trace } from '../graph/trace.js'
import type { Module } from '../nn/module.js'
import type { InputShape } from '../nn/value.js'
import { Child } from '../runtime/node/child.js'
import type { ProcessCost } from './diagnosis.js'
import type { DiagnoseCalls, ProcessJob } from './process-child.js'

/** A process that takes longer is ended. */
const PATIENCE_MS = 600_000

/** A network as another process can make it again. */
export const describeNetwork = (network: Module, input: InputShape): NetworkJson =>
  graphToJson(trace(network, input))

/**
 * Measures in a new process, which is then gone.
 *
 * @param job undefined: a process that only loads the package
 * @throws SpikewasmError when the process ends without an answer
 */
export async function measureProcess(job: ProcessJob | undefined): Promise<ProcessCost> {
  const what = job ? `${job.method} with T ${job.timeSteps}` : 'the package alone'
  const file = new URL('process-child.js', import.meta.url)
  const child = new Child<DiagnoseCalls>(file, { execArgv: [], timeout: PATIENCE_MS })
  try {
    return await child.call('measure', job)
  } catch (error) {
    const { message } = error as Error
    const why = child.failure ? `${message} before it had measured` : `failed: ${message}`
    fail(`diagnose: the process that measures ${what} ${why}`)
  } finally {
    await child.end()
  }
}
