// Draws the curves of docs/cifar10.md: losses of both programs step by step, accuracy by epoch.
//
//   node examples/cifar10/curves.mjs --run runs/cifar10 [--twin twin.csv] --svg cifar10.svg
//
// Prints how far the losses of the twin lie from ours.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { run: { type: 'string' }, twin: { type: 'string' }, svg: { type: 'string' } },
})
if (values.run === undefined || values.svg === undefined)
  throw new Error('--run must name a folder of train.mjs, and --svg a file to write')

/** Rows of a CSV file by the names of their columns. */
function rowsOf(path) {
  const [head, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n')
  const names = head.split(',')
  return lines.map((line) =>
    Object.fromEntries(line.split(',').map((text, i) => [names[i], Number(text)])),
  )
}

/** Losses by step, of a step that stands there twice the last one. */
function lossesOf(path) {
  const losses = []
  for (const { step, loss } of rowsOf(path)) losses[step] = loss
  return losses
}

/** Means over so many steps. */
const smooth = (losses, count) =>
  Array.from({ length: Math.floor(losses.length / count) }, (_, i) => {
    const part = losses.slice(i * count, (i + 1) * count)
    return [(i + 0.5) * count, part.reduce((a, b) => a + b, 0) / count]
  })

const ours = lossesOf(join(values.run, 'steps.csv'))
const twin = values.twin === undefined ? [] : lossesOf(values.twin)
const path = join(values.run, 'curve.csv')
const accuracy = existsSync(path)
  ? rowsOf(path).map(({ epoch, testAccuracy }) => [epoch, 100 * testAccuracy])
  : []

const [WIDTH, HEIGHT, LEFT, TOP] = [360, 220, 44, 30]
const COLORS = ['#1f6feb', '#d1242f']

/** A chart with axes and lines; `lines` are [name, points]. */
function chart(x0, title, axis, lines) {
  const points = lines.flatMap(([, list]) => list)
  if (points.length === 0) return ''
  const [xs, ys] = [0, 1].map((i) => points.map((point) => point[i]))
  const most = Math.max(...xs)
  const [low, high] = [Math.min(...ys), Math.max(...ys)]
  const span = high - low || 1
  const x = (value) => (x0 + LEFT + (value / most) * WIDTH).toFixed(1)
  const y = (value) => (TOP + HEIGHT - ((value - low) / span) * HEIGHT).toFixed(1)
  const text = (at, to, anchor, what) =>
    `<text x="${at}" y="${to}" text-anchor="${anchor}">${what}</text>`
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  return [
    text(x0 + LEFT, TOP - 12, 'start', title),
    text(x0 + LEFT + WIDTH, TOP + HEIGHT + 34, 'end', axis),
    ...ticks.map((share) => {
      const value = low + share * span
      return `<line x1="${x(0)}" x2="${x(most)}" y1="${y(value)}" y2="${y(value)}" stroke="#8886"/>${text(
        x0 + LEFT - 6,
        Number(y(value)) + 4,
        'end',
        value.toFixed(span < 10 ? 2 : 0),
      )}`
    }),
    ...ticks.map((share) =>
      text(x(share * most), TOP + HEIGHT + 18, 'middle', Math.round(share * most)),
    ),
    ...lines.flatMap(([name, list], i) => [
      `<polyline fill="none" stroke="${COLORS[i]}" stroke-width="1.5" points="${list
        .map((point) => `${x(point[0])},${y(point[1])}`)
        .join(' ')}"/>`,
      lines.length > 1 &&
        `<text x="${x0 + LEFT + WIDTH - 4}" y="${TOP + 16 + 16 * i}" text-anchor="end" fill="${COLORS[i]}">${name}</text>`,
    ]),
  ]
    .filter(Boolean)
    .join('\n')
}

const common = twin.length > 0 ? Math.min(ours.length, twin.length) : ours.length
const count = Math.max(1, Math.floor(common / 60))
const begin = [['spikewasm', smooth(ours.slice(0, common), count)]]
if (twin.length > 0) begin.push(['official code, PyTorch', smooth(twin.slice(0, common), count)])
const step = LEFT + WIDTH + 30
const charts = [
  chart(0, `Loss of the first ${common} steps`, 'step', begin),
  chart(step, 'spikewasm: accuracy on the test pictures, %', 'epoch', [['spikewasm', accuracy]]),
]
writeFileSync(
  values.svg,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * step} ${TOP + HEIGHT + 44}" font-family="sans-serif" font-size="12" fill="#777">\n${charts.join('\n')}\n</svg>\n`,
)
if (twin.length > 0) {
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length
  const last = Math.min(100, common)
  const [a, b] = [ours, twin].map((list) => mean(list.slice(common - last, common)))
  console.log(`first loss: ${ours[0].toFixed(4)} and ${twin[0].toFixed(4)}`)
  console.log(`mean of the last ${last} of ${common} steps: ${a.toFixed(4)} and ${b.toFixed(4)}`)
}
