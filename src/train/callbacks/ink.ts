/** Colours of the terminal, where somebody sees them. */

import { printable } from '../../errors.js'

/** Marks of texts. What is marked is text: codes in it are escaped. */
export interface Ink {
  /** What is as it should be. */
  good(text: string): string
  /** What should be looked at. */
  warn(text: string): string
  /** What matters less. */
  faint(text: string): string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Whether to write colours: `NO_COLOR` says no (no-color.org), `FORCE_COLOR` says yes, or no where
 * it is 0 or false. Else on terminals alone.
 */
export function usesColour(
  stream: { readonly isTTY?: boolean },
  env: Environment = typeof process !== 'undefined' ? process.env : {},
): boolean {
  const { NO_COLOR = '', FORCE_COLOR, TERM } = env
  if (NO_COLOR !== '' || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false
  if (FORCE_COLOR !== undefined) return true
  return stream.isTTY === true && TERM !== 'dumb'
}

const plain = printable

const coded =
  (code: number, end: number) =>
  (text: string): string =>
    `\u001b[${code}m${printable(text)}\u001b[${end}m`

export const noInk: Ink = { good: plain, warn: plain, faint: plain }

const colours: Ink = { good: coded(32, 39), warn: coded(33, 39), faint: coded(2, 22) }

export const inkFor = (stream: { readonly isTTY?: boolean }, env?: Environment): Ink =>
  usesColour(stream, env) ? colours : noInk
