/** A diagnosis as figures for Plotly: plain data, without Plotly. */

import type { Cosine, Diagnosis, Point, Variant } from './diagnosis.js'
import { comparable, growthOf, mean, mebibytes, spread } from './report.js'

export interface Figure {
  readonly id: string
  readonly title: string
  /** What it shows, and what the paper claims. */
  readonly caption: string
  readonly data: readonly object[]
  readonly layout: { readonly height: number }
}

/** One line in one panel. */
interface Line {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly Cosine[]
  readonly color: string
  readonly symbol?: string
  readonly dash?: 'solid' | 'dot'
  readonly mode?: 'lines+markers' | 'markers' | 'lines'
  /** Place in the legend: the least is first; default 1000, where lines appear in their order. */
  readonly rank?: number
  /** Kept out of the legend. */
  readonly silent?: boolean
}

interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
  /** Ticks of x, with their texts, where they are not just numbers. */
  readonly ticks?: { readonly at: readonly number[]; readonly text: readonly string[] }
  /** Default: from 0 to what the values need. */
  readonly yRange?: readonly [number, number]
}

interface Axes {
  readonly x: string
  readonly y: string
  readonly logX?: boolean
}

/** Pixels: of a row of panels at least, of a line of the legend, and around all. */
const ROW = 250
const LEGEND_LINE = 22
const MARGIN = { l: 76, r: 168, t: 36, b: 56 }
/** Between panels, for titles and tick labels. */
const GAP = { x: 62, y: 84 }
const WIDTH = 1080

/** Panels in rows of so many, with one legend. */
function arrange(
  panels: readonly Panel[],
  columns: number,
  axes: Axes,
): { data: object[]; layout: { height: number } } {
  const rows = Math.ceil(panels.length / columns)
  const names = new Set(
    panels.flatMap(({ lines }) => lines.filter(({ silent }) => !silent).map(({ name }) => name)),
  )
  const room = labelRoom(panels)
  const gap = { x: GAP.x, y: GAP.y + room }
  const panelHeight = Math.max(ROW, (names.size * LEGEND_LINE - (rows - 1) * gap.y) / rows)
  const inner = {
    width: WIDTH - MARGIN.l - MARGIN.r,
    height: rows * panelHeight + (rows - 1) * gap.y,
  }
  const width = (inner.width - (columns - 1) * gap.x) / columns
  const layout: Record<string, unknown> & { height: number } = {
    height: inner.height + MARGIN.t + MARGIN.b + room,
    margin: { ...MARGIN, b: MARGIN.b + room },
    font: {
      family: 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif',
      size: 12,
      color: '#222',
    },
    paper_bgcolor: '#fff',
    plot_bgcolor: '#fff',
    hovermode: 'closest',
    legend: { x: 1.015, xanchor: 'left', y: 1, yanchor: 'top', tracegroupgap: 2 },
    annotations: panels.map(({ title }, i) => ({
      text: `<b>${escapeText(title)}</b>`,
      showarrow: false,
      xref: `x${suffix(i)} domain`,
      yref: `y${suffix(i)} domain`,
      x: 0,
      y: 1,
      yshift: 4,
      xanchor: 'left',
      yanchor: 'bottom',
      font: { size: 13 },
    })),
  }
  const data: object[] = []
  const named = new Set<string>()
  panels.forEach(({ lines, ticks, yRange }, i) => {
    const [column, row] = [i % columns, Math.floor(i / columns)]
    const left = (column * (width + gap.x)) / inner.width
    const bottom = 1 - (row * (panelHeight + gap.y) + panelHeight) / inner.height
    const line = {
      showline: true,
      linecolor: '#888',
      gridcolor: '#e8e8e8',
      zeroline: false,
      ticks: 'outside',
      tickcolor: '#888',
    }
    layout[`xaxis${suffix(i)}`] = {
      ...line,
      anchor: `y${suffix(i)}`,
      domain: [left, left + width / inner.width],
      title: { text: axes.x, standoff: 6 },
      ...(axes.logX && { type: 'log' }),
      ...(ticks && {
        tickvals: ticks.at,
        ticktext: ticks.text,
        ...(room > 0 && { tickangle: -90, tickfont: { size: 10 } }),
      }),
    }
    layout[`yaxis${suffix(i)}`] = {
      ...line,
      anchor: `x${suffix(i)}`,
      domain: [bottom, bottom + panelHeight / inner.height],
      // Once a row: the panels of a row have one unit.
      ...(column === 0 && { title: { text: axes.y, standoff: 8 } }),
      ...(yRange ? { range: yRange } : { rangemode: 'tozero' }),
    }
    for (const {
      name,
      x,
      y,
      color,
      symbol = 'circle',
      dash = 'solid',
      mode = 'lines+markers',
      rank = 1000,
      silent = false,
    } of lines) {
      data.push({
        type: 'scatter',
        name,
        x,
        y: y.map((value) => (value === null ? null : Number(value.toPrecision(5)))),
        mode,
        xaxis: `x${suffix(i)}`,
        yaxis: `y${suffix(i)}`,
        legendgroup: name,
        legendrank: rank,
        showlegend: !silent && !named.has(name),
        line: { color, width: dash === 'dot' ? 1.2 : 1.8, dash },
        // Open symbols lie over others that have the same values.
        marker: {
          color,
          symbol,
          size: symbol.endsWith('-open') ? 10 : mode === 'markers' ? 8 : 6,
          line: { color, width: 1.5 },
        },
        ...(silent && { hoverinfo: 'skip' }),
      })
      if (!silent) named.add(name)
    }
  })
  return { data, layout }
}

/**
 * Pixels that tick labels need below a panel because they stand upright; 0 where they have room
 * side by side.
 */
function labelRoom(panels: readonly Panel[]): number {
  const labels = panels.flatMap(({ ticks }) => ticks?.text ?? [])
  const longest = Math.max(0, ...labels.map((label) => label.length))
  return panels.some(({ ticks }) => (ticks?.text.length ?? 0) > 12) ? longest * 6 : 0
}

/** Plotly counts axes from `x`, `x2`, … */
const suffix = (index: number): string => (index === 0 ? '' : String(index + 1))

/** Plotly reads text as a kind of HTML. */
const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Dark violet to green, without the yellow that white paper swallows. */
const RAMP = ['#440154', '#3b528b', '#21918c', '#5ec962'].map((hex) =>
  [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)),
)

/** A colour for item `index` of `count` that have an order. */
function ordered(index: number, count: number): string {
  const at = count < 2 ? 0 : (index / (count - 1)) * (RAMP.length - 1)
  const low = Math.min(Math.floor(at), RAMP.length - 2)
  const channels = RAMP[low].map((value, c) =>
    Math.round(value + (RAMP[low + 1][c] - value) * (at - low)),
  )
  return `rgb(${channels.join(', ')})`
}

const SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'cross', 'x', 'star', 'hexagon']

/** Colours that the colour-blind tell apart. */
const METHODS: Record<Variant, { color: string; symbol: string }> = {
  'rate-m': { color: '#0072b2', symbol: 'circle' },
  'rate-s': { color: '#56b4e9', symbol: 'square-open' },
  bptt: { color: '#d55e00', symbol: 'star' },
  ottt: { color: '#009e73', symbol: 'triangle-up' },
  sltt: { color: '#cc79a7', symbol: 'diamond-open' },
  'bptt-s': { color: '#e69f00', symbol: 'star-open' },
  'ottt-o': { color: '#117733', symbol: 'triangle-down-open' },
  'sltt-1': { color: '#882255', symbol: 'cross-open' },
}

const ASSUMPTIONS = [
  { key: 'a1', title: 'A1 by neuron layer' },
  { key: 'a2', title: 'A2 by weights' },
  { key: 'a3', title: 'A3 by weights' },
] as const

/** All figures, in the order of the page. */
export function figures(diagnosis: Diagnosis): Figure[] {
  return [
    overTime(diagnosis),
    whileTraining(diagnosis),
    gradients(diagnosis),
    times(diagnosis),
    memory(diagnosis),
    rates(diagnosis),
  ]
}

function overTime(diagnosis: Diagnosis): Figure {
  const compared = comparable(diagnosis)
  const T = compared.map(({ timeSteps }) => timeSteps)
  const ends = compared.map(({ points }) => points[points.length - 1])
  const panels = ASSUMPTIONS.map(({ key, title }) => ({
    title,
    ticks: numberTicks(T),
    yRange: cosineRange(ends),
    lines: layerLines(diagnosis, key, (layer) => ({
      x: T,
      y: compared.map(({ points }) => points[points.length - 1][key][layer] ?? null),
    })),
  }))
  return {
    id: 'assumptions',
    title: '(a) The paper’s assumptions over T, at the end of training with BPTT',
    caption:
      'Cosines of the two sides of each assumption: A1 and A2 say that errors are independent in time of the neuron’s response κ and of the incoming spikes s; A3, that the rate gradient points where that of BPTT does. ' +
      `The method rests on all three being near 1. ${zoomNote(ends)}`,
    ...arrange(panels, 3, { x: 'time steps T', y: 'cosine', logX: true }),
  }
}

function whileTraining(diagnosis: Diagnosis): Figure {
  const chosen = spread(comparable(diagnosis), 4)
  const panels = ASSUMPTIONS.flatMap(({ key, title }) =>
    chosen.map(({ timeSteps, points }) => ({
      yRange: cosineRange(
        chosen.flatMap((training) => training.points.map((point) => ({ [key]: point[key] }))),
      ),
      title: `${title.slice(0, 2)}, T ${timeSteps}`,
      lines: layerLines(diagnosis, key, (layer) => ({
        x: points.map(({ step }) => step),
        y: points.map((point) => point[key][layer] ?? null),
      })),
    })),
  )
  return {
    id: 'training',
    title: '(a) The paper’s assumptions while training with BPTT',
    caption:
      'The same cosines from the first to the last optimizer step: the assumptions must hold all through training, not for trained networks alone. The vertical axes of each row are zoomed to its values.',
    ...arrange(panels, chosen.length, { x: 'optimizer step', y: 'cosine' }),
  }
}

function gradients(diagnosis: Diagnosis): Figure {
  const compared = comparable(diagnosis)
  const parameters = compared[0].gradients.map(({ parameter }) => parameter)
  const panel = (title: string, key: 'cosine' | 'normRatio'): Panel => {
    const values = compared
      .flatMap(({ gradients: list }) => list.map((match) => match[key]))
      .filter((value) => value !== null)
    const [low, high] = [Math.min(1, ...values), Math.max(1, ...values)]
    const pad = Math.max(0.001, (high - low) * 0.12)
    const lines = compared.map(({ timeSteps, gradients: list }, i): Line => {
      // The values of one parameter stand side by side.
      const shift = ((i + 0.5) / compared.length - 0.5) * 0.6
      return {
        name: `T ${timeSteps}`,
        x: list.map((_, at) => at + shift),
        y: list.map((match) => match[key]),
        mode: 'markers',
        ...look(i, compared.length),
      }
    })
    return {
      title,
      lines,
      ticks: { at: parameters.map((_, at) => at), text: parameters },
      yRange: [low - pad, high + pad],
    }
  }
  return {
    id: 'gradients',
    title: '(b) Rate gradient against BPTT gradient, by parameter, at the end of training',
    caption:
      'Above, direction: cosine of the two gradients. Below, length: norm of T times the rate gradient (the paper divides its loss by T) over the norm of the BPTT gradient. ' +
      'Where the assumptions hold exactly both are 1, as for the last layer. Each vertical axis is zoomed to its values.',
    ...arrange([panel('cosine', 'cosine'), panel('ratio of norms', 'normRatio')], 1, {
      x: 'parameter',
      y: 'rate against BPTT',
    }),
  }
}

function times(diagnosis: Diagnosis): Figure {
  const rate = growthOf(diagnosis.costs, 'rate-m', 'backwardMs')
  const bptt = growthOf(diagnosis.costs, 'bptt', 'backwardMs')
  const measured =
    rate && bptt
      ? ` Measured from T ${rate.first.timeSteps} to T ${rate.last.timeSteps}: ×\u00a0${rate.factor.toFixed(2)} for rate-m, ×\u00a0${bptt.factor.toFixed(2)} for bptt.`
      : ''
  return {
    id: 'time',
    title: '(c) Time of a training step over T',
    caption: `Medians on one thread, batch ${diagnosis.setup.batchSize}. The paper claims that the backward pass of rate-based backpropagation costs the same whatever T is, where that of BPTT and of the online methods grows linearly.${measured}`,
    ...arrange(
      [
        costPanel(diagnosis, 'forward pass', (c) => c.forwardMs),
        costPanel(diagnosis, 'backward pass', (c) => c.backwardMs),
      ],
      2,
      {
        x: 'time steps T',
        y: 'milliseconds',
      },
    ),
  }
}

function memory(diagnosis: Diagnosis): Figure {
  return {
    id: 'memory',
    title: '(c) Memory of a training step over T',
    caption:
      'Left, what the forward pass keeps for the backward pass; right, all memory of the model, parameters and working buffers included. The paper claims O(1) in T for rate-based backpropagation against O(T) for BPTT. ' +
      'All memory of rate-m still grows, since its working buffers hold the currents of all T steps of one layer, where rate-s holds one step.',
    ...arrange(
      [
        costPanel(diagnosis, 'kept for the backward pass', (c) => mebibytes(c.keptBytes)),
        costPanel(diagnosis, 'all memory', (c) => mebibytes(c.totalBytes)),
      ],
      2,
      { x: 'time steps T', y: 'MiB' },
    ),
  }
}

function costPanel(
  { costs, setup }: Diagnosis,
  title: string,
  value: (cost: Diagnosis['costs'][number]) => number,
): Panel {
  const lines = setup.methods.map((method) => {
    const ours = costs.filter((cost) => cost.method === method)
    return {
      name: method,
      x: ours.map(({ timeSteps }) => timeSteps),
      y: ours.map(value),
      ...METHODS[method],
    }
  })
  return { title, lines, ticks: numberTicks(setup.timeSteps) }
}

function rates({ training, setup }: Diagnosis): Figure {
  const layers = Object.keys(training[0].firingRates)
  const panels = layers.map((layer) => ({
    title: setup.layers[layer],
    lines: training.flatMap(({ timeSteps, firingRates }, i): Line[] => {
      const x = Array.from({ length: timeSteps }, (_, t) => t + 1)
      const style = { name: `T ${timeSteps}`, x, ...look(i, training.length) }
      const average = mean(firingRates[layer])
      return [
        { ...style, y: firingRates[layer] },
        ...(timeSteps > 1
          ? [
              {
                ...style,
                y: x.map(() => average),
                mode: 'lines' as const,
                dash: 'dot' as const,
                silent: true,
              },
            ]
          : []),
      ]
    }),
  }))
  return {
    id: 'rates',
    title: '(d) Firing rate by layer and time step, at the end of training',
    caption:
      'Share of a layer’s neurons that fire at each time step; dotted, the mean over time, which is all that the rate-based backward pass knows. The closer a line stays to its mean, the less that leaves out; the paper builds on information being coded in rates.',
    ...arrange(panels, Math.min(layers.length, layers.length > 4 ? 4 : 2), {
      x: 'time step t',
      y: 'spikes per neuron',
    }),
  }
}

const numberTicks = (numbers: readonly number[]): Panel['ticks'] => ({
  at: numbers,
  text: numbers.map(String),
})

/** A line a layer; a layer has one colour in all panels. */
function layerLines(
  { setup, training }: Diagnosis,
  key: 'a1' | 'a2' | 'a3',
  values: (layer: string) => { x: readonly number[]; y: readonly Cosine[] },
): Line[] {
  const { a1, a3 } = training[0].points[0]
  const layers = Object.keys(setup.layers).filter((layer) => layer in a1 || layer in a3)
  const shown = new Set(training.flatMap(({ points }) => Object.keys(points[0][key])))
  return layers.flatMap((layer, i) =>
    shown.has(layer)
      ? [{ name: setup.layers[layer], rank: i, ...values(layer), ...look(i, layers.length) }]
      : [],
  )
}

const look = (index: number, count: number): { color: string; symbol: string } => ({
  color: ordered(index, count),
  symbol: SYMBOLS[index % SYMBOLS.length],
})

/** Down to the lowest cosine, and 1 a little below the upper edge. */
function cosineRange(
  points: readonly Partial<Pick<Point, 'a1' | 'a2' | 'a3'>>[],
): [number, number] {
  const cosines = points
    .flatMap(({ a1, a2, a3 }) => [a1, a2, a3].flatMap((group) => Object.values(group ?? {})))
    .filter((value) => value !== null)
  const span = Math.max(0.001, 1 - Math.min(1, ...cosines))
  return [1 - span * 1.1, 1 + span * 0.1]
}

const zoomNote = (points: readonly Point[]): string =>
  `The vertical axes are zoomed: they start at ${cosineRange(points)[0].toFixed(3)}.`
