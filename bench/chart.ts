/** A chart of accuracies over time as an SVG file. */
import { init } from 'echarts'

export interface AccuracyCurve {
  readonly name: string
  /** Seconds and accuracy, 0…1, one point an epoch. */
  readonly points: readonly (readonly [seconds: number, accuracy: number])[]
}

export interface AccuracyChart {
  readonly title: string
  readonly curves: readonly AccuracyCurve[]
  /** An accuracy, 0…1, that a line marks. */
  readonly target: number
}

const [WIDTH, HEIGHT, TOP, BOTTOM] = [760, 420, 80, 60]

/** The same for the same curve of each chart. */
const COLOURS = ['#1d5fa8', '#d97a2b']

/** The charts, one below the other. */
export function accuracySvg(charts: readonly AccuracyChart[]): string {
  const chart = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: HEIGHT * charts.length,
  })
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      title: charts.map(({ title }, i) => ({ text: title, left: 'center', top: HEIGHT * i + 10 })),
      legend: charts.map(({ curves }, i) => ({
        data: curves.map(({ name }) => nameIn(i, name)),
        formatter: (name: string) => name.trimEnd(),
        top: HEIGHT * i + 40,
      })),
      grid: charts.map((_, i) => ({
        left: 70,
        right: 60,
        top: HEIGHT * i + TOP,
        height: HEIGHT - TOP - BOTTOM,
      })),
      xAxis: charts.map((_, i) => ({
        type: 'value',
        gridIndex: i,
        name: 'seconds of training',
        nameLocation: 'middle',
        nameGap: 28,
        min: 0,
      })),
      yAxis: charts.map((_, i) => ({
        type: 'value',
        gridIndex: i,
        name: 'test accuracy, %',
        scale: true,
      })),
      series: charts.flatMap(({ curves, target }, i) =>
        curves.map(({ name, points }, curve) => ({
          type: 'line',
          name: nameIn(i, name),
          xAxisIndex: i,
          yAxisIndex: i,
          symbolSize: 7,
          color: COLOURS[curve % COLOURS.length],
          data: points.map(([seconds, accuracy]) => [seconds, 100 * accuracy]),
          ...(curve === 0
            ? {
                markLine: {
                  symbol: 'none',
                  silent: true,
                  label: { formatter: `${Math.round(100 * target)} %` },
                  lineStyle: { color: '#888', type: 'dashed' },
                  data: [{ yAxis: 100 * target }],
                },
              }
            : {}),
        })),
      ),
    })
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}

/** Legends find series by name, so the names of two charts must differ: by spaces at the end. */
const nameIn = (chart: number, name: string): string => name + ' '.repeat(chart)
