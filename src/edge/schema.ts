/**
 * What the information of an exported network may say. A schema of our own: files of this room load
 * in a page without a bundler, so they import no package.
 */

import { describe, fail } from '../base/errors.js'
import * as methods from '../compile/methods.js'
import { weightTypes } from '../network/weights.js'
import { ABI_VERSION, inputCount, inputTypes, type NetInfo, netModes, targets } from './abi.js'

/** Bounds that no network of this package comes near; a hostile file may not ask for more. */
const LIMITS = { side: 1 << 16, count: 1 << 28, classes: 1 << 20, state: 1 << 16, text: 500 }
const PAGE = 1 << 16

/** Whether a value fits, and what is expected, in words. */
interface Rule {
  readonly fits: (value: unknown) => boolean
  readonly words: string
  readonly optional?: boolean
}

const rule = (words: string, fits: (value: unknown) => boolean): Rule => ({ words, fits })

const integer = (min: number, max: number): Rule =>
  rule(
    `an integer from ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  )

const oneOf = (names: readonly unknown[]): Rule =>
  rule(`one of ${names.map(describe).join(', ')}`, (value) => names.includes(value))

const text = rule(
  `text of at most ${LIMITS.text} characters without control characters`,
  (value) => typeof value === 'string' && value.length <= LIMITS.text && !/\p{Cc}/u.test(value),
)

const list = ({ words, fits }: Rule, most: number): Rule =>
  rule(
    `a list of at most ${most}, each ${words}`,
    (value) => Array.isArray(value) && value.length <= most && value.every(fits),
  )

const optional = (rule: Rule): Rule => ({ ...rule, optional: true })

const isNumber = (value: unknown): value is number => Number.isFinite(value)
const number = rule('a finite number', isNumber)
const positive = rule('a finite number > 0', (value) => isNumber(value) && Math.fround(value) > 0)
const count = integer(0, Number.MAX_SAFE_INTEGER)
const amount = rule(number.words, (value) => isNumber(value) && value >= 0)
const sizes = list(integer(1, LIMITS.side), 3)

/** An object with these fields and no others. */
function object(fields: Readonly<Record<string, Rule>>): Rule {
  const words = `an object with ${Object.keys(fields).join(', ')}`
  return rule(words, (value) => misfit(value, fields) === undefined)
}

/** The first field that does not fit, or that nobody knows; undefined if all is well. */
function misfit(value: unknown, fields: Readonly<Record<string, Rule>>): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `must be an object, got ${describe(value)}`
  const given = value as Record<string, unknown>
  for (const [name, rule] of Object.entries(fields)) {
    if (given[name] === undefined && rule.optional) continue
    if (!Object.hasOwn(given, name)) return `must have ${name}, ${rule.words}, got none`
    if (!rule.fits(given[name]))
      return `must have ${name}, ${rule.words}, got ${describe(given[name])}`
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(fields, name))
  return unknown === undefined ? undefined : `must not have ${describe(unknown)}, which is unknown`
}

const fields = {
  abi: oneOf([ABI_VERSION]),
  version: text,
  name: optional(text),
  input: rule(
    `[C, H, W], each from 1 to ${LIMITS.side}`,
    (value) => sizes.fits(value) && (value as unknown[]).length === 3,
  ),
  inputs: optional(list(object({ name: text, shape: sizes, offset: count }), LIMITS.side)),
  inputType: oneOf(inputTypes),
  frames: oneOf([false, true]),
  timeSteps: integer(1, methods.MOST_COUNTED_STEPS),
  classes: integer(1, LIMITS.classes),
  labels: optional(list(text, LIMITS.classes)),
  mean: optional(list(number, LIMITS.side)),
  std: optional(list(positive, LIMITS.side)),
  mode: oneOf(netModes),
  target: oneOf(targets),
  stepMode: oneOf(methods.stepModes satisfies readonly methods.StepMode[]),
  method: optional(oneOf(methods.methodNames satisfies readonly methods.Method[])),
  batchSize: integer(1, LIMITS.side),
  weights: oneOf(weightTypes),
  otherWeights: oneOf(['f32', 'int8']),
  parameters: count,
  weightBytes: count,
  memoryBytes: rule(
    `a multiple of ${PAGE}, at most ${65535 * PAGE}`,
    (value) => integer(PAGE, 65535 * PAGE).fits(value) && (value as number) % PAGE === 0,
  ),
  usedBytes: count,
  synops: object({ max: count, mean: optional(amount) }),
  state: optional(
    list(
      object({
        name: text,
        shape: list(integer(1, LIMITS.count), 8),
        offset: integer(0, LIMITS.count * 4),
        layout: text,
      }),
      LIMITS.state,
    ),
  ),
  seal: optional(text),
} satisfies Record<keyof NetInfo, Rule>

/**
 * @param what what messages call it
 * @returns the value, which is as the interface demands
 * @throws SpikewasmError that names the first field that is not
 */
export function checkInfo(value: unknown, what: string): NetInfo {
  const refuse = (why: string): never => fail(`${what} ${why}; export the network again`)
  const abi = (value as { abi?: unknown } | null)?.abi
  if (Number.isSafeInteger(abi) && (abi as number) > ABI_VERSION)
    return refuse(`must be of ABI ${ABI_VERSION}, got ${abi}; a newer spikewasm reads it`)
  const wrong = misfit(value, fields)
  if (wrong !== undefined) return refuse(wrong)
  const info = value as NetInfo
  const disagreement = disagree(info)
  return disagreement === undefined ? info : refuse(disagreement)
}

/** What of the information contradicts itself. */
function disagree(info: NetInfo): string | undefined {
  const [channels] = info.input
  if (inputCount(info) > LIMITS.count)
    return `must have an input of at most ${LIMITS.count} numbers, got ${inputCount(info)}`
  if (info.labels && info.labels.length !== info.classes)
    return `must have labels for each of the ${info.classes} classes, got ${info.labels.length}`
  for (const name of ['mean', 'std'] as const) {
    const values = info[name]
    if (values && info.inputType !== 'u8') return `must have no ${name} with inputType f32`
    if (values && values.length !== channels)
      return `must have a ${name} for each of the ${channels} channels, got ${values.length}`
  }
  if (info.usedBytes > info.memoryBytes)
    return `must have usedBytes of at most memoryBytes, ${info.memoryBytes}, got ${info.usedBytes}`
  if (info.mode !== 'train' && info.batchSize !== 1)
    return `must have batchSize 1 but in train builds, got ${info.batchSize}`
  return undefined
}
