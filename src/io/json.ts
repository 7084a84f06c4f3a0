/**
 * JSON from files that anybody may have written. Its size is known before it is parsed: a value of
 * three bytes, such as `[],`, takes fifty bytes of memory once it is an array.
 */

import { fail, quote } from '../errors.js'

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
  const refuse = (rule: string, got: string): never => {
    fail(`${name}: ${what} must ${rule}, got ${got}`)
  }
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

/**
 * Of valid JSON, what `parseJson` checks before it parses: who writes a file asks whether it can be
 * read.
 *
 * @throws SpikewasmError for what is larger than the limits
 */
export function checkSize(text: string, name: string, what: string, limits: JsonLimits = {}): void {
  const refuse = (rule: string, got: string): never => {
    fail(`${name}: ${what} must ${rule}, got ${got}`)
  }
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
