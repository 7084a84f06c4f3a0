/** Charts as plain data: what a page draws, and what it says of them in words. */

// Places of an axis that have a text.

const STEPS = [1, 2, 5, 10]

/** Round numbers from `low` to `high`, about as many as are wanted. */
export function linearTicks(low: number, high: number, wanted = 5): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / wanted
  const size = 10 ** Math.floor(Math.log10(rough))
  const step = size * (STEPS.find((n) => n * size >= rough * 0.999) ?? 10)
  const first = Math.ceil(low / step - 1e-9)
  const count = Math.floor(high / step + 1e-9) - first + 1
  // 3 × 0.1 is not 0.3.
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Powers of ten; between few of them twos and fives; within less than a decade round numbers. */
export function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low)
  if (decades < 0.9) return linearTicks(low, high)
  const every = Math.max(1, Math.round(decades / 6))
  const digits = decades > 3 ? [1] : [1, 2, 5]
  const all: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    if (every === 1 || power % every === 0)
      for (const digit of digits) all.push(Number(`${digit}e${power}`))
  return all.filter((value) => value >= low * 0.999999 && value <= high * 1.000001)
}

/** A line, or points, in one chart. */
export interface Series {
  readonly name: string
  /** Ascending. */
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
  /** Colour by its place among those that differ much; default: the place of the series. */
  readonly colour?: number
  /** Colour by a place in an order, 0…1; goes before `colour`. */
  readonly share?: number
  /** Default 'line'. */
  readonly mode?: 'line' | 'points' | 'both'
  /** Dotted: what lies in between. */
  readonly dash?: boolean
  /** Which pattern the line has, among those that differ much; default 0, a whole line. */
  readonly pattern?: number
  /** Mark of points; default 'circle'. */
  readonly symbol?: ChartSymbol
  /** Whether points are hollow. */
  readonly open?: boolean
  /** Kept out of the legend and of what is said. */
  readonly quiet?: boolean
}

export type ChartSymbol = 'circle' | 'square' | 'diamond' | 'triangle' | 'cross' | 'star'

/** Lines over one axis. */
export interface Chart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

export interface Axis {
  readonly label: string
  /** Ends; default of x: those of the values, of y: from 0 to what the values need. */
  readonly range?: readonly [number, number]
  /** Whether places are those of the logarithms; of y, where values are positive. */
  readonly log?: boolean
  /** Whether a few values of y, far from all others, may lie outside; the chart says so. */
  readonly robust?: boolean
  /** Places with texts of their own. */
  readonly ticks?: { readonly at: readonly number[]; readonly text: readonly string[] }
  /** Whether values are shares, 0…1, that are shown in per cent. */
  readonly percent?: boolean
}

/** Spikes of a layer: a row for each neuron, a column for each step. */
export interface Raster {
  readonly title: string
  readonly rows: number
  readonly steps: number
  /** Bits [rows][steps], the lowest of a byte first, as base64. */
  readonly bits: string
  /** Spikes in it. */
  readonly count: number
  /** Colour by a place in an order, 0…1. */
  readonly share: number
}

/** Charts with one legend. */
export interface Figure {
  readonly id: string
  readonly title: string
  /** What it shows. */
  readonly caption: string
  readonly charts: readonly (Chart | Raster)[]
  /** Side by side, at most, where there is room; default 2. */
  readonly columns?: number
}

export const isRaster = (chart: Chart | Raster): chart is Raster => 'bits' in chart

/** Four figures: 0.01234, 12.3, 1234000. */
export function figureText(value: number, percent = false): string {
  // What rounds to ten is ten.
  if (percent) return `${(100 * value).toFixed(Math.abs(value) < 0.09995 ? 2 : 1)} %`
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size >= 1e6 || size < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(4)))
}

/** More lines than these are told together. */
const MOST_TOLD = 6

/** A chart in words, for who does not see it. */
export function sayChart(chart: Chart | Raster): string {
  if (isRaster(chart)) {
    const { title, rows, steps, count } = chart
    return `${title}: ${count} spikes of ${rows} neurons in ${steps} time steps`
  }
  const { title, x, y, series } = chart
  const known = series.filter(({ quiet }) => !quiet)
  const about = `${title}, ${y.label} by ${x.label}`
  const told = known.flatMap((one) => say(one, x, y))
  if (told.length === 0) return `${about}: no values yet`
  if (told.length <= MOST_TOLD) return `${about}. ${told.join('; ')}`
  const all = known.flatMap((one) => one.y.filter((value) => value !== null))
  const [low, high] = [minOf(all), maxOf(all)].map((value) => figureText(value, y.percent))
  return `${about}. ${told.length} lines from ${low} to ${high}`
}

function say({ name, x: at, y }: Series, xAxis: Axis, yAxis: Axis): string[] {
  const known = y.map((value, i) => [at[i], value] as const).filter(([, value]) => value !== null)
  if (known.length === 0) return []
  const [[, first], [end, last]] = [known[0], known[known.length - 1]] as [number, number][]
  const text = (value: number): string => figureText(value, yAxis.percent)
  const where = xAxis.ticks ? '' : ` at ${xAxis.label} ${figureText(end)}`
  if (known.length === 1) return [`${name} ${text(last)}${where}`]
  const values = known.map(([, value]) => value as number)
  const range = `lowest ${text(minOf(values))}, highest ${text(maxOf(values))}`
  return [`${name} from ${text(first)} to ${text(last)}${where}, ${range}`]
}

export const minOf = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b))

export const maxOf = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b))

/** Bits as a raster takes them. */
export function packBits(rows: number, steps: number, has: (row: number, step: number) => boolean) {
  const bytes = new Uint8Array(Math.ceil((rows * steps) / 8))
  let count = 0
  for (let at = 0; at < rows * steps; at++)
    if (has(Math.floor(at / steps), at % steps)) {
      bytes[at >> 3] |= 1 << (at & 7)
      count++
    }
  return { bits: Buffer.from(bytes).toString('base64'), count }
}
