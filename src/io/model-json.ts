/** A model without its weights, as JSON. */

import { describe, expect, fail } from '../errors.js'
import { graphToJson, type NetworkJson } from '../graph/json.js'
import type { InputShape } from '../nn/value.js'
import { type MethodOptions, MOST_STEPS, methodOptionKeys } from '../plan/methods.js'
import type { Session } from '../runtime/session.js'

/** A model without its weights: plain data. */
export interface ModelJson {
  /** Sizes of one sample: [C, H, W], [C, L] or [features]. */
  readonly input: InputShape
  /** T, steps of a sample. */
  readonly timeSteps: number
  /** Whether inputs differ from step to step. */
  readonly frames: boolean
  /** How it was trained; the step mode decides bits of predictions too. */
  readonly method: Required<MethodOptions>
  /** Layers and wiring. */
  readonly network: NetworkJson
  /** What it was trained with; in the files of a run. */
  readonly data?: ModelData
}

/** What a prediction needs to know of a model's training data. */
export interface ModelData {
  /** A name for each class, in the order of the outputs. */
  readonly classNames?: readonly string[]
  /** How bytes become numbers: (byte / scale − mean[c]) / std[c] for channel c. */
  readonly normalization?: {
    /** What bytes are divided by, for example 255. */
    readonly scale: number
    /** Mean of each channel, after the division. */
    readonly mean: readonly number[]
    /** Standard deviation of each channel, after the division. */
    readonly std: readonly number[]
  }
}

/** Under which name of a safetensors file's metadata a model's JSON lies. */
export const modelKey = 'spikewasm.model'

export function modelJson({ asked: input, timeSteps, frames, graph, plan }: Session): ModelJson {
  const { method, stepMode, update, mseWeight, backwardSteps } = plan.options
  const { gradientCheckpoint = 'none', normFallback = 'channel' } = plan.options
  const kinds = { gradientCheckpoint, normFallback }
  return {
    input,
    timeSteps,
    frames,
    method: { method, stepMode, update, mseWeight, backwardSteps, ...kinds },
    network: graphToJson(graph),
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isList = (value: unknown, most: number, of: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length >= 1 && value.length <= most && value.every(of)

const MOST_CLASSES = 1 << 16
const LONGEST_NAME = 1000

/**
 * Checks what `compile` and `networkFromJSON` do not.
 * @throws SpikewasmError that names the field
 */
export function checkModelJson(value: unknown, name: string): ModelJson {
  const must = (is: boolean, field: string, rule: string, got: unknown): void =>
    expect(is, () => `${name}: ${field} must ${rule}, got ${describe(got)}`)
  if (!isObject(value)) fail(`${name}: must be what model.toJSON() gives, got ${describe(value)}`)
  const { input, timeSteps, frames, method, data } = value
  must(
    isList(input, 3, (n) => Number.isInteger(n) && (n as number) >= 1),
    'input',
    'be the shape of a sample',
    input,
  )
  must(
    Number.isInteger(timeSteps) &&
      (timeSteps as number) >= 1 &&
      (timeSteps as number) <= MOST_STEPS,
    'timeSteps',
    `be an integer from 1 to ${MOST_STEPS}`,
    timeSteps,
  )
  must(typeof frames === 'boolean', 'frames', 'be true or false', frames)
  must(isObject(method), 'method', 'be an object', method)
  for (const [key, option] of Object.entries(method as object))
    must(
      (methodOptionKeys as readonly string[]).includes(key) &&
        (typeof option === 'string' || Number.isFinite(option)),
      `method.${describe(key)}`,
      `be one of ${methodOptionKeys.join(', ')} with a text or number`,
      option,
    )
  if (data !== undefined) checkData(data, must)
  return value as unknown as ModelJson
}

function checkData(
  data: unknown,
  must: (is: boolean, field: string, rule: string, got: unknown) => void,
): void {
  must(isObject(data), 'data', 'be an object', data)
  const { classNames, normalization } = data as Record<string, unknown>
  const isName = (text: unknown): boolean => typeof text === 'string' && text.length <= LONGEST_NAME
  must(
    classNames === undefined || isList(classNames, MOST_CLASSES, isName),
    'data.classNames',
    `be a list of texts of at most ${LONGEST_NAME} characters`,
    classNames,
  )
  if (normalization === undefined) return
  const { scale, mean, std } = isObject(normalization) ? normalization : {}
  const isPositive = (n: unknown): boolean => Number.isFinite(n) && (n as number) > 0
  must(
    isPositive(scale) &&
      isList(mean, MOST_CLASSES, Number.isFinite) &&
      isList(std, MOST_CLASSES, isPositive) &&
      (mean as unknown[]).length === (std as unknown[]).length,
    'data.normalization',
    'have a scale > 0 and lists mean and std > 0, one number for each channel',
    normalization,
  )
}
