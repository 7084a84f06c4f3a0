/** A model without its weights, as JSON. */

import { graphToJson, type NetworkJson } from '../graph/json.js'
import type { InputShape } from '../nn/value.js'
import type { MethodOptions } from '../plan/methods.js'
import type { Session } from '../runtime/session.js'

/** A model without its weights: plain data. */
export interface ModelJson {
  /** Sizes of one sample: [C, H, W], [C, L] or [features]. */
  readonly input: InputShape
  readonly timeSteps: number
  readonly frames: boolean
  /** How it was trained; the step mode decides bits of predictions too. */
  readonly method: Required<MethodOptions>
  readonly network: NetworkJson
}

/** Under which name of a safetensors file's metadata a model's JSON lies. */
export const modelKey = 'spikewasm.model'

export function modelJson({ asked: input, timeSteps, frames, graph, plan }: Session): ModelJson {
  const { method, stepMode, update, mseWeight, backwardSteps } = plan.options
  const { gradientCheckpoint = 'none' } = plan.options
  return {
    input,
    timeSteps,
    frames,
    method: { method, stepMode, update, mseWeight, backwardSteps, gradientCheckpoint },
    network: graphToJson(graph),
  }
}
