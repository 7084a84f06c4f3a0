/**
 * JSON from files that anybody may have written. Its size is known before it is parsed: a value of
 * three bytes, such as `[],`, takes fifty bytes of memory once it is an array.
 */

import { describe, fail, quote } from '../base/errors.js'
import { checkBy, integer, oneOf, optional, type Rule, such, truth } from '../base/rules.js'
import { segmentOf } from '../compile/context.js'
import { type MethodOptions, MOST_STEPS, methodOptionKeys } from '../compile/methods.js'
import type { Session } from '../engine/session.js'
import { graphToJson, type NetworkJson } from '../network/json.js'
import { classNames as namesRule } from '../network/labels.js'
import type { InputShape, InputShapes } from '../network/value.js'
import { type WeightType, weightTypes } from '../network/weights.js'

/** What a text may have at most. */
export interface JsonLimits {
  /** Characters. */
  readonly length?: number
  /** Values inside values. */
  readonly depth?: number
  /** Values: what commas, colons and brackets begin. */
  readonly values?: number
  /**
   * Finds a key that an object has twice, `duplicateKey`: JSON.parse takes the last one without a
   * word. Without it nobody looks.
   */
  readonly once?: typeof duplicateKey
}

/** More than any file of ours has. */
const most = { length: 25_000_000, depth: 32, values: 500_000 }

/**
 * @param name what error messages call the text, usually the path of its file
 * @param what what the text is there, for example `header`
 * @throws SpikewasmError for what is no JSON, or larger than the limits
 */
export function parseJson(
  text: string,
  name: string,
  what: string,
  limits: JsonLimits = {},
): unknown {
  const refuse = refusal(name, what)
  checkSize(text, name, what, limits)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The message holds a piece of the text.
    return refuse('be valid JSON', `an error: ${quote((error as Error).message, 120)}`)
  }
  const duplicate = limits.once?.(text)
  if (duplicate !== undefined) refuse('have each name once', `${quote(duplicate)} twice`)
  return value
}

const refusal =
  (name: string, what: string) =>
  (rule: string, got: string): never =>
    fail(`${name}: ${what} must ${rule}, got ${got}`)

/**
 * In valid JSON, what `parseJson` checks before it parses: who writes a file asks whether it can be
 * read.
 *
 * @throws SpikewasmError for what is larger than the limits
 */
export function checkSize(text: string, name: string, what: string, limits: JsonLimits = {}): void {
  const refuse = refusal(name, what)
  const { length, depth, values } = { ...most, ...limits }
  if (text.length > length) refuse(`have at most ${length} characters`, `${text.length}`)
  const found = measure(text)
  if (found.deepest > depth) refuse(`be nested at most ${depth} deep`, 'more')
  if (found.values > values) refuse(`hold at most ${values} values`, 'more')
}

/** As `parseJson`, of bytes, which must be UTF-8. */
export function parseJsonBytes(
  bytes: Uint8Array,
  name: string,
  what: string,
  limits: JsonLimits = {},
): unknown {
  const { length = most.length } = limits
  if (bytes.length > length)
    fail(`${name}: ${what} must have at most ${length} bytes, got ${bytes.length}`)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    fail(`${name}: ${what} must be UTF-8, got other bytes`)
  }
  return parseJson(text, name, what, limits)
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [SQUARE, SQUARE_END, CURLY, CURLY_END] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Index of the quote that ends the string that begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE)
    i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i
}

/** How deep brackets are open in brackets, and how many values what stands before them begins. */
function measure(text: string): { readonly deepest: number; readonly values: number } {
  let [open, deepest, values] = [0, 0, 1]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) i = endOfString(text, i)
    else if (code === COMMA || code === COLON) values++
    else if (code === SQUARE || code === CURLY) {
      values++
      deepest = Math.max(deepest, ++open)
    } else if (code === SQUARE_END || code === CURLY_END) open--
  }
  return { deepest, values }
}

/** The first key that an object of the valid JSON `text` has twice, at any depth. */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = []
  let [start, end] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case CURLY:
        open.push(new Set())
        break
      case SQUARE:
        open.push(null)
        break
      case CURLY_END:
      case SQUARE_END:
        open.pop()
        break
      case COLON: {
        // A long key is not copied: the piece is a view of the text.
        const raw = text.slice(start + 1, end)
        const key = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
        const keys = open[open.length - 1] as Set<string>
        if (keys.has(key)) return key
        keys.add(key)
        break
      }
      case QUOTE:
        start = i
        i = endOfString(text, i)
        end = i
    }
  }
  return undefined
}

// A model without its weights, as JSON.

/** A model without its weights: plain data. */
export interface ModelJson {
  /** Sizes of one sample: [C, H, W], [C, L] or [features]. */
  readonly input: InputShape
  /** Sizes of several inputs by name; `input` is then [numbers of all]. */
  readonly inputs?: InputShapes
  /** T, steps of a sample. */
  readonly timeSteps: number
  /** Whether inputs differ from step to step. */
  readonly frames: boolean
  /** What weights are that spikes meet; absent: float32. */
  readonly weights?: WeightType
  /** How it was trained; the step mode decides bits of predictions too. */
  readonly method: Required<Omit<MethodOptions, 'truncate'>> & Pick<MethodOptions, 'truncate'>
  /** Layers and wiring. */
  readonly network: NetworkJson
  /** What it was trained with. */
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

/** What files say of weights; nothing where they are floats, as files from before. */
export const saidOf = ({ weights }: { readonly weights?: WeightType }) =>
  weights && weights !== 'f32' ? { weights } : {}

export function modelJson(session: Session): ModelJson {
  const { asked: input, inputs, timeSteps, frames, graph, plan, settings, labels } = session
  const { method, stepMode, update, mseWeight, backwardSteps } = plan.options
  const { gradientCheckpoint = 'none', normFallback = 'channel' } = plan.options
  const truncate = segmentOf(plan.options)
  const kinds = { gradientCheckpoint, normFallback, ...(truncate && { truncate }) }
  return {
    input,
    ...(inputs ? { inputs } : {}),
    timeSteps,
    frames,
    ...saidOf(settings),
    method: { method, stepMode, update, mseWeight, backwardSteps, ...kinds },
    network: graphToJson(graph),
    ...(labels && { data: { classNames: labels.names } }),
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isList = (value: unknown, most: number, of: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.length >= 1 && value.length <= most && value.every(of)

const MOST_CLASSES = 1 << 16

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
  inputs: optional(such('an object of shapes', isObject)),
  timeSteps: integer(1, MOST_STEPS),
  frames: truth(),
  weights: optional(oneOf(weightTypes)),
  method: such('an object', isObject),
  data: optional(such('an object', isObject)),
}

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
  check('data.classNames', optional(namesRule), classNames)
  if (normalization !== undefined && !isNormalization(normalization))
    fail(
      `${name}: data.normalization must have a scale > 0 and lists mean and std > 0, one number ` +
        `for each channel, got ${describe(normalization)}`,
    )
  return value as unknown as ModelJson
}
