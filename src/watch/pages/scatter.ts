/**
 * Scatters: a chart for each thing that differs, with one point for each that was measured. They
 * are pictures that no script draws, and share one axis of y.
 */

import { figureText, linearTicks, logTicks, maxOf, minOf } from './chart.js'
import { escapeHtml, shortened } from './frame.js'

/** What was measured once. */
export interface ScatterPoint {
  /** What differs, by name: numbers, or words. */
  readonly at: Readonly<Record<string, unknown>>
  /** A share, 0…1; null of what failed, which is marked at the lower edge. */
  readonly y: number | null
  readonly kind: 'best' | 'whole' | 'part' | 'failed'
  /** What is shown where it is pointed at. */
  readonly title: string
}

const [WIDTH, LEFT, RIGHT, TOP, HEIGHT] = [360, 46, 12, 10, 180]
const INNER = WIDTH - LEFT - RIGHT
/** Pixels of a character, about. */
const CHAR = 6.2
/** Characters of a word below its place. */
const MOST_CHARS = 14
/** Pixels to the left of a slanted text, and below it, for each of its pixels. */
const [ASIDE, DOWN] = [0.77, 0.65]
/** Words that can stand side by side, upright. */
const MOST_WORDS = 24
/** Points that say what they are; more make a page slow. */
const MOST_TITLES = 1000
/** Most numbers of a grid, each of which has a place of its own. */
const FEW = 8
/** Pixels over which equal ones are spread. */
const MOST_SPREAD = 60

interface Axis {
  readonly label: string
  /** Pixels from the left of what the `i`th point has. */
  place(value: unknown, i: number): number
  readonly ticks: readonly (readonly [at: number, text: string])[]
  /** Whether texts have no room side by side. */
  readonly slanted: boolean
}

const textOf = (value: unknown, length = MOST_CHARS): string =>
  shortened(typeof value === 'string' ? value : JSON.stringify(value ?? null), length)

/** How much worse than values themselves their logarithms may be spread. */
const TOLERATED = 0.15

/**
 * Whether values span a decade, and are not spread much more evenly as they are: of even choices
 * between 0 and 0.95 one may be 0.01.
 */
function isLogarithmic(sorted: readonly number[]): boolean {
  const [low, high] = [sorted[0], sorted[sorted.length - 1]]
  if (low <= 0 || high < 10 * low) return false
  const middle = sorted[sorted.length >> 1]
  const [linear, log] = [middle / high, Math.log(middle / low) / Math.log(high / low)]
  return Math.abs(log - 0.5) < Math.abs(linear - 0.5) + TOLERATED
}

/** An axis of numbers, most of which differ: each has its exact place. */
function numericAxis(name: string, values: readonly number[]): Axis {
  const sorted = [...new Set(values)].sort((a, b) => a - b)
  const [low, high] = [sorted[0], sorted[sorted.length - 1]]
  const isLog = isLogarithmic(sorted)
  const scale = (value: number): number => (isLog ? Math.log(value) : value)
  const room = 0.04 * (scale(high) - scale(low))
  const [from, to] = [scale(low) - room, scale(high) + room]
  const place = (value: unknown): number =>
    LEFT + INNER * (to > from ? (scale(value as number) - from) / (to - from) : 0.5)
  let end = 0
  const ticks = (isLog ? logTicks(low, high) : linearTicks(low, high)).flatMap(
    (value): [number, string][] => {
      const [at, text] = [place(value), figureText(value)]
      const half = (text.length * CHAR) / 2
      if (at - half < end) return []
      end = at + half + 6
      return [[at, text]]
    },
  )
  return { label: isLog ? `${name}, log scale` : name, place, ticks, slanted: false }
}

/** Sideways, the same each time: what is equal can then be seen. */
const spread = (i: number, wide: number): number => (((i * 0.618) % 1) - 0.5) * wide

/** Whether several runs share each of a few values, as in a grid. */
const isGrid = (values: readonly unknown[]): boolean => {
  const { size } = new Set(values)
  return size <= FEW && size < values.length
}

/** A place for each word, and for each number of a grid, in their order. */
function wordAxis(name: string, values: readonly unknown[]): Axis {
  const texts = new Set(values.map((value) => JSON.stringify(value ?? null)))
  const areNumbers = values.every((value) => typeof value === 'number')
  const words = areNumbers ? [...texts].sort((a, b) => +a - +b) : [...texts].sort()
  const slot = INNER / words.length
  const middle = (i: number): number => LEFT + slot * (i + 0.5)
  const all = words.map((word) => textOf(JSON.parse(word)))
  const slanted = all.some((text) => text.length * CHAR > slot - 4)
  // The first one has the least room.
  const most = slanted ? Math.floor(middle(0) / CHAR / ASIDE) - 1 : MOST_CHARS
  const every = Math.ceil(words.length / MOST_WORDS)
  return {
    label: name,
    place: (value, i) =>
      middle(words.indexOf(JSON.stringify(value ?? null))) +
      spread(i, Math.min(0.7 * slot, MOST_SPREAD)),
    ticks: all
      .map((text, i) => [middle(i), shortened(text, most)] as const)
      .filter((_, i) => i % every === 0),
    slanted,
  }
}

type Range = ReturnType<typeof rangeOf>

/** What the values need, and room at both ends. */
function rangeOf(points: readonly ScatterPoint[]) {
  const known = points.flatMap(({ y }) => (y === null ? [] : [y]))
  const [low, high] = [minOf(known), maxOf(known)]
  const room = Math.max(0.005, 0.08 * (high - low))
  return { low: Math.max(0, low - room), high: Math.min(1, high + room) }
}

/** A mark of its kind; what is open stays so behind it. */
function mark(kind: ScatterPoint['kind'], x: number, y: number, title = ''): string {
  const shape = kind === 'failed' ? 'path' : 'circle'
  const size = kind === 'failed' ? CROSS : `r="${kind === 'best' ? 5.5 : 3.2}"`
  const inner = title === '' ? '' : `<title>${escapeHtml(title)}</title>`
  const place = `transform="translate(${x.toFixed(1)} ${y.toFixed(1)})"`
  return `<${shape} ${size} class="point ${kind}" ${place}>${inner}</${shape}>`
}

const CROSS = 'd="M-3.5-3.5 3.5 3.5M-3.5 3.5 3.5-3.5"'

function scatterSvg(
  axis: Axis,
  name: string,
  points: readonly ScatterPoint[],
  { low, high }: Range,
): string {
  const { slanted, ticks } = axis
  const bottom = TOP + HEIGHT
  const longest = slanted ? maxOf(ticks.map(([, text]) => text.length)) : 0
  const under = slanted ? 14 + longest * CHAR * DOWN : 18
  const y = (value: number): number => bottom - (HEIGHT * (value - low)) / (high - low)
  const rows = linearTicks(low, high).map(
    (value) =>
      `<path class="grid" d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}"/>` +
      `<text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">` +
      `${shareText(value)}</text>`,
  )
  const columns = ticks.map(([at, text]) => {
    const x = at.toFixed(1)
    const turn = slanted ? ` transform="rotate(-40 ${x} ${bottom + 12})"` : ''
    return (
      `<path class="grid" d="M${x} ${bottom}v4"/><text x="${x}" y="${bottom + 16}" ` +
      `text-anchor="${slanted ? 'end' : 'middle'}"${turn}>${escapeHtml(text)}</text>`
    )
  })
  // The best come first in the list, and are drawn over the others.
  const drawn = points.map((point, i) => {
    const at = [axis.place(point.at[name], i), point.y === null ? bottom : y(point.y)] as const
    return mark(point.kind, ...at, i < MOST_TITLES ? point.title : '')
  })
  const height = bottom + under + 18
  return (
    `<svg class="scatter" role="img" aria-label="${escapeHtml(labelOf(name, points))}" ` +
    `viewBox="0 0 ${WIDTH} ${height.toFixed(0)}">${rows.join('')}` +
    `<path class="axis" d="M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}"/>${columns.join('')}` +
    `<text class="name" x="${LEFT + INNER / 2}" y="${(height - 4).toFixed(0)}" ` +
    `text-anchor="middle">${escapeHtml(axis.label)}</text>${drawn.reverse().join('')}</svg>`
  )
}

/** 0.975 → `97.5 %`, 0.5 → `50 %` */
const shareText = (value: number): string => `${Number((100 * value).toPrecision(4))} %`

function labelOf(name: string, points: readonly ScatterPoint[]): string {
  const [best] = points
  const failed = points.filter(({ kind }) => kind === 'failed').length
  return (
    `${points.length} runs by ${name}${failed > 0 ? `, ${failed} of them failed` : ''}; the best ` +
    `has ${figureText(best.y ?? 0, true)} at ${textOf(best.at[name], 40)}`
  )
}

/**
 * @param points the best first, then others in any order
 * @param kinds what the kinds are called
 * @returns undefined where nothing was measured
 */
export function scatterHtml(
  names: readonly string[],
  points: readonly ScatterPoint[],
  kinds: Readonly<Record<ScatterPoint['kind'], string>>,
): string | undefined {
  if (!points.some(({ y }) => y !== null)) return undefined
  const range = rangeOf(points)
  const charts = names.map((name) => {
    const values = points.map(({ at }) => at[name])
    const isContinuous = values.every((value) => typeof value === 'number') && !isGrid(values)
    const axis = isContinuous ? numericAxis(name, values as number[]) : wordAxis(name, values)
    return `<div class="chart"><h3>${escapeHtml(name)}</h3>
${scatterSvg(axis, name, points, range)}</div>`
  })
  const shown = (Object.keys(kinds) as ScatterPoint['kind'][]).filter((kind) =>
    points.some((point) => point.kind === kind),
  )
  const legend = shown.map(
    (kind) =>
      `<li><svg class="scatter" viewBox="0 0 14 14" aria-hidden="true">${mark(kind, 7, 7)}</svg>` +
      `${escapeHtml(kinds[kind])}</li>`,
  )
  return `<div class="charts scatters">
${charts.join('\n')}
</div>
<ul class="kinds">${legend.join('')}</ul>
`
}

/** Red is for what failed alone. */
export const scatterStyle = `
.scatters { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.scatter { display: block; width: 100%; max-width: 30rem; height: auto; }
.scatter text { fill: var(--soft); font-size: 11px; }
.scatter .name { fill: var(--ink); }
.scatter .grid { stroke: var(--line); }
.scatter .axis { stroke: var(--soft); fill: none; }
.point { stroke-width: 1.4; }
.point:hover { stroke-width: 4; }
.whole { fill: var(--mark); fill-opacity: .45; stroke: var(--mark); }
.part { fill: none; stroke: var(--soft); }
.best { fill: var(--good); stroke: var(--ink); }
.failed { fill: none; stroke: var(--bad); stroke-width: 2; }
.kinds { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 8px 0; padding: 0;
  list-style: none; font-size: 13px; }
.kinds li { display: flex; align-items: center; gap: 6px; }
.kinds .scatter { width: 14px; height: 14px; flex: none; }
`
