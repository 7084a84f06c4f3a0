/**
 * The script of the history page. `draw` runs in the page: its source is written there, so it uses
 * nothing from outside of itself but types.
 */

export interface PageRun {
  readonly date: string
  /** Commit or version. */
  readonly name: string
  /** Index of its machine. */
  readonly machine: number
}

export interface PageSeries {
  readonly name: string
  readonly unit: string
  /** Index of the run, figure, what disturbed it. */
  readonly points: readonly (readonly [number, number, string])[]
}

export interface PageData {
  readonly runs: readonly PageRun[]
  readonly machines: readonly string[]
  readonly series: readonly PageSeries[]
}

declare const Plotly: {
  react(element: HTMLElement, data: unknown, layout: unknown, config: unknown): void
}

/** Fills the page: a list with small curves to search in, and the curve of the chosen one. */
export function draw(): void {
  const find = <E extends Element>(id: string): E => document.getElementById(id) as unknown as E
  const data = JSON.parse(find<HTMLElement>('data').textContent ?? '') as PageData
  const [search, list, plot] = [
    find<HTMLInputElement>('search'),
    find<HTMLUListElement>('list'),
    find<HTMLElement>('plot'),
  ]
  const [title, count] = [find<HTMLElement>('title'), find<HTMLElement>('count')]
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const small = (value: number): string => Number(value.toPrecision(3)).toString()
  let chosen = Math.max(
    0,
    data.series.findIndex(({ name }) => `#${encodeURIComponent(name)}` === location.hash),
  )

  const changeOf = ({ points }: PageSeries): number | undefined =>
    points.length > 1 ? points[points.length - 1][1] / points[points.length - 2][1] - 1 : undefined

  const changeText = (series: PageSeries): string => {
    const change = changeOf(series)
    if (change === undefined || !Number.isFinite(change)) return ''
    return `${change < 0 ? '−' : '+'}${Math.abs(100 * change).toFixed(1)} %`
  }

  const sparkline = ({ points }: PageSeries): SVGElement => {
    const space = 'http://www.w3.org/2000/svg'
    const svg = document.createElementNS(space, 'svg')
    svg.setAttribute('viewBox', '0 0 100 24')
    svg.setAttribute('aria-hidden', 'true')
    const last = points.slice(-60)
    const values = last.map(([, value]) => value)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    const line = document.createElementNS(space, 'polyline')
    const at = values.map((value, i) => {
      const x = values.length > 1 ? (96 * i) / (values.length - 1) + 2 : 50
      const y = high > low ? 22 - (20 * (value - low)) / (high - low) : 12
      return `${x.toFixed(1)},${y.toFixed(1)}`
    })
    line.setAttribute('points', (at.length > 1 ? at : ['2,12', '98,12']).join(' '))
    svg.append(line)
    return svg
  }

  const buttons = data.series.map((series, i) => {
    const item = document.createElement('li')
    const button = document.createElement('button')
    const [name, figure] = [document.createElement('span'), document.createElement('span')]
    name.textContent = series.name
    name.className = 'name'
    const last = series.points[series.points.length - 1]
    figure.textContent = `${small(last[1])} ${series.unit} ${changeText(series)}`
    figure.className = 'figure'
    button.type = 'button'
    button.append(name, figure, sparkline(series))
    button.addEventListener('click', () => choose(i))
    item.append(button)
    list.append(item)
    return { item, button }
  })

  const shown = (): number[] => buttons.flatMap(({ item }, i) => (item.hidden ? [] : [i]))

  const filter = (): void => {
    const words = search.value.toLowerCase().split(/\s+/)
    buttons.forEach(({ item }, i) => {
      const name = data.series[i].name.toLowerCase()
      item.hidden = !words.every((word) => name.includes(word))
    })
    count.textContent = `${shown().length} of ${buttons.length} benchmarks`
  }

  const choose = (index: number): void => {
    chosen = index
    buttons.forEach(({ button }, i) => {
      button.setAttribute('aria-current', String(i === index))
    })
    history.replaceState(null, '', `#${encodeURIComponent(data.series[index].name)}`)
    show()
  }

  /** Plotly reads some tags in texts. */
  const plain = (text: string): string =>
    text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? sign)

  const show = (): void => {
    const series = data.series[chosen]
    if (!series) return
    const [ink, grid, line] = dark.matches
      ? ['#ddd', '#333', '#6cb4ff']
      : ['#222', '#e4e4e4', '#0b62b8']
    title.textContent = series.name
    const { points, unit } = series
    const runs = points.map(([run]) => data.runs[run])
    const changes = points.flatMap((_, i) =>
      i > 0 && runs[i].machine !== runs[i - 1].machine ? [i] : [],
    )
    const curve = {
      type: 'scatter',
      mode: 'lines+markers',
      x: points.map((_, i) => i),
      y: points.map(([, value]) => value),
      customdata: points.map(([, , marks], i) =>
        plain(
          [runs[i].name, runs[i].date, data.machines[runs[i].machine], marks]
            .filter((text) => text !== '')
            .join('\n'),
        ).replaceAll('\n', '<br>'),
      ),
      hovertemplate: `%{y:.4g} ${plain(unit)}<br>%{customdata}<extra></extra>`,
      line: { color: line, width: 1.5 },
      marker: {
        size: 8,
        color: line,
        // Hollow, and of another form: something disturbed the run.
        symbol: points.map(([, , marks]) => (marks === '' ? 'circle' : 'diamond-open')),
      },
    }
    const step = Math.max(1, Math.ceil(points.length / 10))
    const ticks = points.map((_, i) => i).filter((i) => i % step === 0)
    const layout = {
      margin: { l: 60, r: 16, t: 16, b: 70 },
      height: 380,
      autosize: true,
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: { color: ink },
      xaxis: {
        gridcolor: grid,
        zeroline: false,
        range: [-0.5, points.length - 0.5],
        tickvals: ticks,
        ticktext: ticks.map((i) => plain(runs[i].name)),
        tickangle: -35,
      },
      yaxis: { gridcolor: grid, rangemode: 'tozero', title: { text: plain(unit) } },
      shapes: changes.map((i) => ({
        type: 'line',
        xref: 'x',
        yref: 'paper',
        x0: i - 0.5,
        x1: i - 0.5,
        y0: 0,
        y1: 1,
        line: { color: ink, width: 1, dash: 'dash' },
      })),
      annotations: changes.map((i) => ({
        xref: 'x',
        yref: 'paper',
        x: i - 0.5,
        y: 1,
        text: 'other machine',
        showarrow: false,
        xanchor: 'left',
        yanchor: 'top',
      })),
    }
    Plotly.react(plot, [curve], layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: 'hover',
      modeBarButtonsToRemove: ['select2d', 'lasso2d'],
    })
  }

  const move = (by: number): void => {
    const visible = shown()
    if (visible.length === 0) return
    const at = visible.indexOf(chosen)
    const next = visible[Math.min(visible.length - 1, Math.max(0, at + by))]
    choose(next)
    buttons[next].button.scrollIntoView({ block: 'nearest' })
  }

  search.addEventListener('input', filter)
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const isTyping = document.activeElement === search
    if (event.key === 'ArrowDown') move(1)
    else if (event.key === 'ArrowUp') move(-1)
    else if (event.key === '/' && !isTyping) search.focus()
    else if (event.key === 'Escape' && isTyping) {
      search.value = ''
      filter()
    } else return
    event.preventDefault()
  })
  dark.addEventListener('change', show)
  filter()
  if (data.series.length > 0) choose(chosen)
}
