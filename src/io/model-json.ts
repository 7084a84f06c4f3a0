/** A model without its weights, as JSON. */

import { describe, fail } from '../errors.js'
import { graphToJson, type NetworkJson } from '../graph/json.js'
import type { InputShape } from '../nn/value.js'
import { type MethodOptions, MOST_STEPS, methodOptionKeys } from '../plan/methods.js'
import { checkBy, integer, optional, type Rule, such, truth } from '../rules.js'
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

const isPositive = (n: unknown): boolean => Number.isFinite(n) && (n as number) > 0

const isNormalization = (value: unknown): boolean => {
  const { scale, mean, std } = isObject(value) ? value : {}
  const isComplete =
    isPositive(scale) &&
    isList(mean, MOST_CLASSES, Number.isFinite) &&
    isList(std, MOST_CLASSES, isPositive)
  return isComplete && (mean as unknown[]).length === (std as unknown[]).length
}

const fields = {
  input: such('the shape of a sample', (value) => isList(value, 3, integer(1).fits)),
  timeSteps: integer(1, MOST_STEPS),
  frames: truth(),
  method: such('an object', isObject),
  data: optional(such('an object', isObject)),
}

const names = such(`a list of texts of at most ${LONGEST_NAME} characters`, (value) =>
  isList(value, MOST_CLASSES, (text) => typeof text === 'string' && text.length <= LONGEST_NAME),
)

/**
 * Checks what `compile` and `networkFromJSON` do not.
 * @throws SpikewasmError that names the field
 */
export function checkModelJson(value: unknown, name: string): ModelJson {
  if (!isObject(value)) fail(`${name}: must be what model.toJSON() gives, got ${describe(value)}`)
  const check = (field: string, rule: Rule, found: unknown): void => {
    if (found !== undefined || !rule.optional) checkBy(`${name}: ${field}`, rule, found)
  }
  for (const [field, rule] of Object.entries<Rule>(fields)) check(field, rule, value[field])
  for (const [key, option] of Object.entries(value.method as object)) {
    const isKnown = methodOptionKeys.some((known) => known === key)
    const fits = (of: unknown): boolean => typeof of === 'string' || Number.isFinite(of)
    const words = `one of ${methodOptionKeys.join(', ')} with a text or number`
    check(
      `method.${describe(key)}`,
      such(words, (of) => isKnown && fits(of)),
      option,
    )
  }
  const { classNames, normalization } = (value.data ?? {}) as Record<string, unknown>
  check('data.classNames', optional(names), classNames)
  if (normalization !== undefined && !isNormalization(normalization))
    fail(
      `${name}: data.normalization must have a scale > 0 and lists mean and std > 0, one number ` +
        `for each channel, got ${describe(normalization)}`,
    )
  return value as unknown as ModelJson
}
