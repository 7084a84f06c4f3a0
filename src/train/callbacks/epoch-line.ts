/** What a person reads of an epoch: one line. */

import { plainText, printable } from '../../base/errors.js'
import type { EpochRecord, StepInfo } from '../records.js'

// Colours of the terminal, where somebody sees them.

/**
 * Marks of texts: of what is as it should be, should be looked at, or matters less. What is marked
 * is text: codes in it are escaped.
 */
export type Ink = Record<'good' | 'warn' | 'faint', (text: string) => string>

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

const coded =
  (code: number, end: number) =>
  (text: string): string =>
    `\u001b[${code}m${printable(text)}\u001b[${end}m`

export const noInk: Ink = { good: printable, warn: printable, faint: printable }

const colours: Ink = { good: coded(32, 39), warn: coded(33, 39), faint: coded(2, 22) }

export const inkFor = (stream: { readonly isTTY?: boolean }, env?: Environment): Ink =>
  usesColour(stream, env) ? colours : noInk

/**
 * One epoch in one line.
 *
 * @param look whether the epoch is the best so far, and colours; default: neither
 */
export function epochLine(
  record: EpochRecord,
  epochs: number,
  { best = false, ink = noInk }: { readonly best?: boolean; readonly ink?: Ink } = {},
): string {
  const { epoch, trainLoss, trainAccuracy, testAccuracy, testLoss, metrics = {} } = record
  const { testMeanAbsoluteError: error, learningRate, samplesPerSecond, firingRates } = record
  const rates = rateText(firingRates, ink)
  return [
    `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
    `loss ${decimal(trainLoss)}`,
    ...(trainAccuracy === undefined ? [] : [`train ${percent(trainAccuracy)}`]),
    ...(testAccuracy === undefined ? [] : [`test ${percent(testAccuracy)}`]),
    ...(testLoss === undefined ? [] : [`test loss ${decimal(testLoss)}`]),
    ...(error === undefined ? [] : [`test error ${decimal(error)}`]),
    ...Object.entries(metrics).map(([name, value]) => `${plainText(name)} ${decimal(value)}`),
    ink.faint(`lr ${short(learningRate)}`),
    ink.faint(`${Math.round(samplesPerSecond)} samples/s`),
    ...(rates === '' ? [] : [`rates ${rates}`]),
    ...(best ? [ink.good('best')] : []),
  ].join('  ')
}

/** More layers than these are shown as bars. */
const MOST_LISTED = 3

/**
 * Rates by the names of their layers; those of many layers as bars, with the lowest and the highest
 * one.
 */
export function rateText(rates: Readonly<Record<string, number>>, ink: Ink = noInk): string {
  // The line is coloured, so nobody can tell codes of a name from ours later.
  const all = Object.entries(rates).map(([name, rate]) => [plainText(name), rate] as const)
  const two = (rate: number): string => rate.toFixed(2)
  if (all.length <= MOST_LISTED)
    return all
      .map(([name, rate]) => {
        const text = `${name}: ${two(rate)}`
        return rate === 0 ? ink.warn(text) : text
      })
      .join(', ')
  const low = all.reduce((a, b) => (b[1] < a[1] ? b : a))
  const high = all.reduce((a, b) => (b[1] > a[1] ? b : a))
  const ends = [low, high].map(([name, rate]) => `${two(rate)} ${name}`)
  return `${sparkline(Object.values(rates), ink)} ${ends.join(' … ')}`
}

const BARS = '▁▂▃▄▅▆▇█'

/** A bar for each number ≥ 0, the largest at full height; a point for 0. */
export function sparkline(values: readonly number[], ink: Ink = noInk): string {
  const most = Math.max(...values, 1e-9)
  return values
    .map((value) =>
      value === 0 || !Number.isFinite(value)
        ? ink.warn('·')
        : BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))],
    )
    .join('')
}

/** 0.9746 → `97.46 %` */
export function percent(share: number | undefined): string {
  if (share === undefined) return 'none'
  return `${(100 * share).toFixed(2)} %`
}

/** Four places; diverged losses in scientific notation. */
export const decimal = (value: number): string =>
  Math.abs(value) < 1e6 ? value.toFixed(4) : value.toExponential(3)

/** Three figures. */
export const short = (value: number): string => String(Number(value.toPrecision(3)))

/** Milliseconds to the end, from the steps so far. */
export function timeLeft(): (info: StepInfo) => number {
  const began = performance.now()
  let before: number | undefined
  return ({ epoch, epochs, step, steps }) => {
    const at = epoch * steps + step + 1
    // Steps from before a resume took none of this time.
    before ??= at - 1
    return Math.round(((performance.now() - began) / (at - before)) * (epochs * steps - at))
  }
}
