/** Time and memory of a training step. */

import { fail } from '../base/errors.js'
import { median } from '../base/numbers.js'
import { Child } from '../engine/node/child.js'
import type { Session } from '../engine/session.js'
import type { Model } from '../model/model.js'
import { graphToJson, type NetworkJson } from '../network/json.js'
import type { Module } from '../network/module.js'
import { trace } from '../network/trace.js'
import type { InputShape } from '../network/value.js'
import { type Cost, type ProcessCost, timeRepeated } from './diagnosis.js'
import type { DiagnoseCalls, ProcessJob } from './process-child.js'

// A training step measured in a process of its own: what the system gives it, and its time.

/** A process that takes longer is ended. */
const PATIENCE_MS = 600_000

/** A network as another process can make it again. */
export const describeNetwork = (network: Module, input: InputShape): NetworkJson =>
  graphToJson(trace(network, input))

/**
 * Measures in a new process, which is then gone.
 *
 * @param job undefined: a process that only loads the package
 * @param what messages call it
 * @throws SpikewasmError when the process ends without an answer
 */
export async function measureProcess(
  job?: ProcessJob,
  what = 'the package alone',
): Promise<ProcessCost> {
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

/**
 * Milliseconds; tests change them. WebAssembly starts in a slow tier, so every kernel runs for a
 * while before it is timed. Each of the two measurements takes about `measure`; that of a process
 * of its own takes about `process`.
 */
export const durations = { warmUp: 250, measure: 250, process: 500 }

/**
 * Times training steps at learning rate 0, so that the network and its firing rates do not change.
 *
 * @param fill writes a batch into a slot
 */
export async function measureCost(
  model: Model,
  fill: (slot: ReturnType<Session['slot']>) => Promise<void>,
): Promise<Omit<Cost, 'method' | 'timeSteps'>> {
  await fill(model.session.slot(0))
  const step = (): Promise<unknown> => model.session.run('train', 0, model.batchSize, 0)
  await timeRepeated(step, durations.warmUp)
  const stepMs = median(await timeRepeated(step, durations.measure))
  const [first] = await timeRepeated(() => model.profile(1), 0)
  const phases = { forward: 0, backward: 0, update: 0 }
  const repeats = Math.round(Math.min(51, Math.max(5, durations.measure / first)))
  for (const { phase, milliseconds } of await model.profile(repeats)) phases[phase] += milliseconds
  const { kept, total } = model.memoryUse
  return {
    forwardMs: phases.forward,
    backwardMs: phases.backward,
    updateMs: phases.update,
    stepMs,
    keptBytes: kept,
    totalBytes: total,
  }
}
