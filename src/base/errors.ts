import type * as host from './host.js'

/**
 * A mistake in what the library was given: a wrong option, shape or file. The message names the
 * option or layer, what was expected and what came; it can be shown as it is, without a stack
 * trace.
 */
export class SpikewasmError extends Error {
  /** 'SpikewasmError'. */
  override name = 'SpikewasmError'

  /** Makes one; in its message what does not print, and ends of lines, are escaped. */
  constructor(message: string, options?: ErrorOptions) {
    // Node prints the message of an error that nobody catches, as it is. An end of a line in it is
    // part of a name: a line that it began would look like another message.
    super(oneLine(message), options)
  }
}

/** Throws a `SpikewasmError`. */
export function fail(message: string, cause?: unknown): never {
  throw new SpikewasmError(message, cause === undefined ? undefined : { cause })
}

/**
 * Characters that a terminal would obey, or that hide what a text says: control characters, marks
 * of direction and of zero width, line separators, and halves of pairs. Ends of lines and tabs are
 * text.
 */
const unprintable = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2065]/gu

/** As JSON writes them. */
const codesOf = (char: string): string =>
  char.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** A text that a terminal shows as it is: lines, and what does not print escaped. */
export const printable = (text: string): string => text.replace(unprintable, codesOf)

/** The same on one line. */
export const oneLine = (text: string): string => printable(text.replaceAll('\n', '\\n'))

const escaped = (text: string): string => printable(JSON.stringify(text))

/**
 * A text from a file as messages show it: in quotes, on one line, what does not print escaped, and
 * cut when it is long.
 */
export const quote = (text: string, most = 60): string =>
  escaped(text.length > most ? `${text.slice(0, most)}…` : text)

/** The same without the quotes, for names in tables. */
export const plainText = (text: string, most?: number): string =>
  quote(text, most).slice(1, -1).replaceAll('\\"', '"')

/** The first 10 of a list as messages show it, and how many more there are. */
export function listOf(items: readonly string[]): string {
  const shown = items.slice(0, 10).join(', ')
  return items.length > 10 ? `${shown} and ${items.length - 10} more` : shown
}

/** Names from a file as messages show them: the first 10, each quoted where it is odd or long. */
export const listNames = (names: readonly string[]): string =>
  listOf(names.slice(0, 10).map((name) => (/^[\w.-]{1,100}$/.test(name) ? name : quote(name)))) +
  (names.length > 10 ? ` and ${names.length - 10} more` : '')

/** What a value is to the language: 'Object' of most, 'Map', 'Date', 'Promise' of some. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

/** Whether a value can be an object of options: its keys are all that it holds. */
export const isOptions = (value: unknown): value is object =>
  ['Object', 'Module'].includes(tagOf(value))

/** A value as messages show it, in one line. */
export function describe(value: unknown): string {
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`
  if (ArrayBuffer.isView(value)) return value.constructor.name
  if (typeof value === 'string') return quote(value, 100)
  if (typeof value !== 'object' || value === null) return String(value)
  const list = Array.isArray(value)
  if (!list && !isOptions(value)) return `a value of type ${tagOf(value)}`
  try {
    const text = JSON.stringify(value).replace(unprintable, '?')
    return text.length > 100 ? `${text.slice(0, 100)}…` : text
  } catch {
    // It holds itself, or too many levels.
    return list ? `a list of ${value.length}` : 'an object'
  }
}

/**
 * Throws a `SpikewasmError` when a function is given more than it takes: what nobody reads would be
 * ignored without a word.
 *
 * @param more what came behind its arguments
 */
export function checkArguments(name: string, more: readonly unknown[]): void {
  const extra = more.find((value) => value !== undefined)
  if (extra !== undefined)
    fail(`${name} takes no more arguments, got ${describe(extra)}; leave it out`)
}

/**
 * Throws a `SpikewasmError` unless `options` is an object of known keys alone. A misspelt
 * option would be ignored without a word, and so would be all that a Map holds.
 *
 * @param name what the options are of, for example `conv2d`
 */
export function checkOptions(name: string, options: unknown, known: readonly string[]): void {
  const any = known.join(', ')
  if (!isOptions(options))
    fail(`${name}'s options must be an object with any of ${any}, got ${describe(options)}`)
  for (const key of Object.keys(options))
    if (!known.includes(key)) fail(`${name}.${key} is not an option; known are ${any}`)
}

/**
 * @returns `value`, or `fallback` when it is absent.
 * @throws SpikewasmError when it is something else than true or false: 'no' would count as true
 */
export function checkBoolean(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value !== undefined && typeof value !== 'boolean')
    fail(`${name} must be true or false, got ${describe(value)}`)
  return value ?? fallback
}

/** @throws SpikewasmError unless weights of samples are finite and not negative */
export function expectWeights(name: string, weights: Float32Array): void {
  const at = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY))
  if (at >= 0) fail(`${name} must be finite numbers ≥ 0, got ${weights[at]} at index ${at}`)
}

/**
 * A copy of weights of samples, in memory that `room` gives.
 *
 * @throws SpikewasmError unless there is one for each of `count` samples
 */
export function copyWeights(
  name: string,
  weights: ArrayLike<number> | undefined,
  count: number,
  room = (bytes: number): ArrayBufferLike => new ArrayBuffer(bytes),
): Float32Array | undefined {
  if (weights === undefined) return undefined
  if (typeof weights?.length !== 'number' || weights.length !== count)
    fail(`${name} must hold one for each of the ${count} samples, got ${describe(weights)}`)
  const copy = new Float32Array(room(4 * count))
  copy.set(weights)
  expectWeights(name, copy)
  return copy
}

/**
 * Throws a `SpikewasmError` when one of the first `count` images of `size` numbers each holds a
 * number that is not finite. A neuron with a potential of NaN never spikes. The loss would not show
 * it, and the gradients would ruin the weights.
 */
export function expectFinite(
  what: string,
  images: Float32Array,
  size: number,
  count: number,
): void {
  for (let i = 0; i < size * count; i++) {
    if (!Number.isFinite(images[i]))
      fail(
        `${what} must hold finite numbers, got ${images[i]} in sample ` +
          `${Math.floor(i / size)} of the batch; repair or leave out that sample`,
      )
  }
}

/**
 * @param option full name, for example `batches.batchSize`
 * @throws SpikewasmError if `value` is not an integer in `min … max`
 */
export function checkInteger(
  option: string,
  value: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  const range =
    max === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${min}` : `an integer from ${min} to ${max}`
  fail(`${option} must be ${range}, got ${describe(value)}`)
}

/**
 * @throws SpikewasmError unless it is a signal. Its controller, given by mistake, would never
 * abort.
 */
export function checkSignal(name: string, signal: host.AbortSignal | undefined): void {
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function')
    fail(`${name} must be an AbortSignal, such as controller.signal, got ${describe(signal)}`)
}

/**
 * @param what is there, for the message
 * @throws SpikewasmError if `path` cannot be a path
 */
export function checkPath(option: string, path: unknown, what: 'file' | 'folder' = 'file'): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    fail(`${option} must be the path of a ${what}, got ${describe(path) || "''"}`)
}
