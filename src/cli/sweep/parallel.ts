/**
 * Parallel coordinates of a sweep: an axis for each option that differs and one for the test
 * accuracy, a line for each run. It is a picture of its own, which no script draws.
 */

import { figureText } from '../../pages/chart.js'
import { escapeHtml, shortened } from '../../pages/html.js'
import type { SweepRow } from './rows.js'

/** Lines that can still be told apart, and drawn. */
const MOST_LINES = 1000
/** Texts along an axis. */
const MOST_TICKS = 12
const [HEIGHT, TOP, BOTTOM, SIDE, APART] = [360, 44, 24, 70, 150]

interface Axis {
  readonly name: string
  /** 0 at the bottom, 1 at the top. */
  place(value: unknown): number
  readonly ticks: readonly (readonly [share: number, text: string])[]
}

const textOf = (value: unknown): string =>
  shortened(typeof value === 'string' ? value : JSON.stringify(value ?? null), 14)

function numericAxis(name: string, values: readonly number[], percent = false): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const isLog = !percent && low > 0 && high / low >= 20
  const scale = (value: number): number => (isLog ? Math.log(value) : value)
  const [from, width] = [scale(low), scale(high) - scale(low)]
  const place = (value: unknown): number =>
    width === 0 ? 0.5 : (scale(value as number) - from) / width
  const distinct = [...new Set(values)].sort((a, b) => a - b)
  const few = distinct.length <= MOST_TICKS && !percent
  const even = Array.from({ length: 5 }, (_, i) => {
    const at = from + (width * i) / 4
    return isLog ? Math.exp(at) : at
  })
  const shown = few ? distinct : width === 0 ? [low] : even
  return { name, place, ticks: shown.map((v) => [place(v), figureText(v, percent)] as const) }
}

function namedAxis(name: string, values: readonly unknown[]): Axis {
  const texts = [...new Set(values.map((value) => JSON.stringify(value ?? null)))].sort()
  const at = (i: number): number => (texts.length === 1 ? 0.5 : i / (texts.length - 1))
  const every = Math.ceil(texts.length / MOST_TICKS)
  const ticks = texts
    .map((text, i) => [at(i), textOf(JSON.parse(text))] as const)
    .filter((_, i) => i % every === 0)
  return { name, ticks, place: (value) => at(texts.indexOf(JSON.stringify(value ?? null))) }
}

/** @returns undefined where no run has an accuracy yet */
export function parallelSvg(
  rows: readonly SweepRow[],
  varied: readonly string[],
): string | undefined {
  const measured = rows.filter(({ testAccuracy }) => testAccuracy !== null).slice(0, MOST_LINES)
  if (measured.length === 0) return undefined
  const accuracies = measured.map(({ testAccuracy }) => testAccuracy as number)
  const axes = [
    ...varied.map((name) => {
      const values = measured.map(({ chosen }) => chosen[name])
      return values.every((value) => typeof value === 'number')
        ? numericAxis(name, values as number[])
        : namedAxis(name, values)
    }),
    numericAxis('test accuracy', accuracies, true),
  ]
  const width = 2 * SIDE + APART * (axes.length - 1)
  const y = (share: number): number => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)
  const x = (i: number): number => SIDE + APART * i
  // The best are drawn last, over the others.
  const order = measured.map((row, i) => ({ row, accuracy: accuracies[i] }))
  order.sort((a, b) => a.accuracy - b.accuracy)
  const distinct = [...new Set(order.map(({ accuracy }) => accuracy))]
  const lines = order.map(({ row, accuracy }) => {
    // Equal runs have equal colours.
    const share = distinct.length === 1 ? 1 : distinct.indexOf(accuracy) / (distinct.length - 1)
    const points = axes.map((axis, i) => {
      const value = i < varied.length ? row.chosen[varied[i]] : accuracy
      return `${x(i)},${y(axis.place(value)).toFixed(1)}`
    })
    const about = `${varied.map((name) => `${name} ${textOf(row.chosen[name])}`).join(', ')}: `
    const title = escapeHtml(about + figureText(accuracy, true))
    const colour = `hsl(${Math.round(215 - 185 * share)} 75% 48%)`
    const opacity = (0.35 + 0.6 * share).toFixed(2)
    return (
      `<polyline points="${points.join(' ')}" stroke="${colour}" stroke-opacity="${opacity}">` +
      `<title>${title}</title></polyline>`
    )
  })
  const drawn = axes.map(({ name, ticks }, i) => {
    // Behind the last axis are no lines.
    const [beside, anchor] = i === axes.length - 1 ? [x(i) + 6, 'start'] : [x(i) - 6, 'end']
    const texts = ticks.map(
      ([share, text]) =>
        `<text x="${beside}" y="${(y(share) + 4).toFixed(1)}" text-anchor="${anchor}">` +
        `${escapeHtml(text)}</text>`,
    )
    const head =
      `<text class="name" x="${x(i)}" y="20" text-anchor="middle">` + `${escapeHtml(name)}</text>`
    return `<line x1="${x(i)}" x2="${x(i)}" y1="${y(0)}" y2="${y(1)}"/>${head}${texts.join('')}`
  })
  const best = order[order.length - 1]
  const label = escapeHtml(
    `${measured.length} runs; the best has a test accuracy of ` +
      `${figureText(best.accuracy, true)} with ` +
      varied.map((name) => `${name} ${textOf(best.row.chosen[name])}`).join(', '),
  )
  return (
    `<svg class="parallel" role="img" aria-label="${label}" viewBox="0 0 ${width} ${HEIGHT}" ` +
    `width="${width}" height="${HEIGHT}">${lines.join('')}${drawn.join('')}</svg>`
  )
}
