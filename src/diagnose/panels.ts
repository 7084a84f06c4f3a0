/** Panels of lines, arranged in one Plotly figure. */

import type { Cosine } from './diagnosis.js'

/** One line in one panel. */
export interface Line {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly Cosine[]
  readonly color: string
  readonly symbol?: string
  readonly dash?: 'solid' | 'dot'
  readonly mode?: 'lines+markers' | 'markers' | 'lines'
  /** Place in the legend: the least is first; default 1000, where lines appear in their order. */
  readonly rank?: number
  /** Of the markers, in pixels. */
  readonly size?: number
  /** Kept out of the legend. */
  readonly silent?: boolean
}

export interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
  /** Ticks of x, with their texts, where they are not just numbers. */
  readonly ticks?: { readonly at: readonly number[]; readonly text: readonly string[] }
  /** Default: what the values need. */
  readonly xRange?: readonly [number, number]
  /** Default: from 0 to what the values need. */
  readonly yRange?: readonly [number, number]
}

export interface Figure {
  readonly id: string
  readonly title: string
  /** What it shows, and what the paper claims. */
  readonly caption: string
  readonly data: readonly object[]
  readonly layout: { readonly height: number }
}

interface Axes {
  readonly x: string
  readonly y: string
  readonly logX?: boolean
}

/** Pixels: least height of a row of panels, height of a line of the legend, margins. */
const ROW = 250
const LEGEND_LINE = 22
const MARGIN = { l: 76, r: 168, t: 36, b: 56 }
/** Between panels, for titles and tick labels. */
const GAP = { x: 62, y: 84 }
const WIDTH = 1080

/** Panels in rows of so many, with one legend: traces and layout for Plotly. */
export function arrange(
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
  panels.forEach(({ lines, ticks, xRange, yRange }, i) => {
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
      ...(xRange && { range: xRange }),
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
      // Once for each row: its panels have the same unit.
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
      size = symbol.endsWith('-open') ? 10 : mode === 'markers' ? 8 : 6,
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
          size,
          line: { color, width: size < 6 ? 0 : 1.5 },
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
