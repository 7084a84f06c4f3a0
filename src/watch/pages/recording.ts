/** What a recording looks like: a page that plays it, and a still in the terminal. */

import { type Chart, figureText, type Series } from './chart.js'
import { escapeHtml, pageHtml } from './frame.js'

/** What the page shows. */
export interface ShownFrames {
  readonly title: string
  readonly width: number
  readonly height: number
  /** Events of each polarity in a frame and pixel, at most 255: [T][2][H][W], OFF then ON. */
  readonly counts: Uint8Array
  /** [T] µs at which a frame begins, from the first event on. */
  readonly begins: readonly number[]
  /** µs of the whole. */
  readonly duration: number
  /** A line below the title. */
  readonly summary: string
}

/** ON and OFF, apart for all eyes; OFF is lighter on a dark page. */
const [ON, OFF, OFF_DARK] = ['#e69f00', '#0072b2', '#56b4e9']

/** The page's own script. */
const script = `
const data = JSON.parse(document.getElementById('frames').textContent)
const bytes = Uint8Array.from(atob(data.counts), (c) => c.charCodeAt(0))
const { width, height, begins, duration } = data
const size = width * height
const on = [230, 159, 0]
const dark = matchMedia('(prefers-color-scheme: dark)')
function draw(canvas, frame) {
  const context = canvas.getContext('2d')
  const image = context.createImageData(width, height)
  const none = dark.matches ? 24 : 255
  const off = dark.matches ? [86, 180, 233] : [0, 114, 178]
  for (let i = 0; i < size; i++) {
    const less = bytes[2 * frame * size + i], more = bytes[(2 * frame + 1) * size + i]
    const sum = less + more
    const strength = sum === 0 ? 0 : Math.min(1, 0.45 + 0.2 * sum)
    for (let c = 0; c < 3; c++) {
      const colour = sum === 0 ? none : (off[c] * less + on[c] * more) / sum
      image.data[4 * i + c] = none + (colour - none) * strength
    }
    image.data[4 * i + 3] = 255
  }
  context.putImageData(image, 0, 0)
}
const main = document.getElementById('main')
const strip = document.getElementById('strip')
const slider = document.getElementById('at')
const label = document.getElementById('time')
const button = document.getElementById('play')
for (const canvas of [main, ...begins.map((begin, t) => {
  const figure = document.createElement('figure')
  const canvas = document.createElement('canvas')
  canvas.setAttribute('aria-hidden', 'true')
  const caption = document.createElement('figcaption')
  caption.textContent = (begin / 1000).toFixed(1) + ' ms'
  figure.append(canvas, caption)
  figure.onclick = () => { play(false); show(t) }
  strip.append(figure)
  return canvas
})]) { canvas.width = width; canvas.height = height }
const drawAll = () => begins.forEach((_, t) => draw(strip.children[t].firstChild, t))
drawAll()
dark.onchange = () => { drawAll(); show(Number(slider.value)) }
function show(t) {
  slider.value = t
  draw(main, t)
  ;[...strip.children].forEach((figure, i) => figure.classList.toggle('now', i === t))
  label.textContent = (begins[t] / 1000).toFixed(1) + ' of ' + (duration / 1000).toFixed(1) + ' ms'
  slider.setAttribute('aria-valuetext', label.textContent)
}
let timer
function play(go) {
  clearInterval(timer)
  timer = go ? setInterval(() => show((Number(slider.value) + 1) % begins.length), 120) : undefined
  button.textContent = go ? 'Pause' : 'Play'
}
slider.oninput = () => { play(false); show(Number(slider.value)) }
button.onclick = () => play(timer === undefined)
show(0)
play(!matchMedia('(prefers-reduced-motion: reduce)').matches)
`

const style = `
canvas { image-rendering: pixelated; width: 100% }
#main { max-width: 26rem; border: 1px solid var(--line) }
.controls { display: flex; align-items: center; gap: 8px; margin-top: 6px }
#at { flex: 0 1 16rem; min-width: 4rem } #time { white-space: nowrap }
#play { font: inherit; min-width: 5rem; padding: 4px 10px }
#strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)); gap: .4rem }
#strip figure { cursor: pointer } #strip canvas { border: 1px solid var(--line) }
#strip .now canvas { border-color: var(--ink) }
#strip figcaption { font-size: .75rem; text-align: center; margin: 0 }
.on::before, .off::before { content: '■ ' } .on::before { color: ${ON} }
.off::before { color: ${OFF} }
@media (prefers-color-scheme: dark) { .off::before { color: ${OFF_DARK} } }
`

/** HTML that plays a recording's frames. */
export function showPage(frames: ShownFrames): Promise<string> {
  const { title, summary, counts, width, height, begins, duration } = frames
  const encoded = Buffer.from(counts.buffer, counts.byteOffset, counts.length).toString('base64')
  const body = `<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(summary)}. <span class="on">ON</span> <span class="off">OFF</span></p>
<canvas id="main" role="img" aria-label="events of the frame"></canvas>
<p class="controls"><button id="play" type="button">Play</button>
<input id="at" type="range" min="0" max="${begins.length - 1}" value="0" aria-label="frame">
<span id="time"></span></p>
<div id="strip"></div>
`
  const data = { frames: JSON.stringify({ width, height, begins, duration, counts: encoded }) }
  return pageHtml({ title, body, data, script, style })
}

/** Counts of each polarity and pixel: [2][H][W], OFF then ON. */
export interface Still {
  readonly width: number
  readonly height: number
  readonly counts: Float32Array
}

/** Polarities of events: ON and OFF, apart for all eyes. */
const on = [230, 159, 0]
const off = [0, 114, 178]

/** The colour of a pixel by its events: red, green and blue, so far away from a grey. */
export const eventColour = (less: number, more: number, strength: number, grey: number): number[] =>
  on.map((value, c) => {
    const colour = less + more === 0 ? grey : (off[c] * less + value * more) / (less + more)
    return grey + (colour - grey) * strength
  })

/** Pixels put together so that at most so many are in a row. */
export function smaller({ width, height, counts }: Still, most: number): Still {
  const factor = Math.max(1, Math.ceil(width / most))
  const [w, h] = [Math.ceil(width / factor), Math.ceil(height / factor)]
  const out = new Float32Array(w * h * 2)
  for (let p = 0; p < 2; p++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const to = (p * h + Math.floor(y / factor)) * w + Math.floor(x / factor)
        out[to] += counts[(p * height + y) * width + x]
      }
  return { width: w, height: h, counts: out }
}

/** Two rows of pixels in a line of text: halves of blocks, in colour. */
export function inColour({ width, height, counts }: Still): string {
  const pixels = width * height
  let most = 1
  for (let i = 0; i < pixels; i++) most = Math.max(most, counts[i] + counts[pixels + i])
  const colour = (x: number, y: number): string => {
    const at = y * width + x
    const [less, more] = y < height ? [counts[at], counts[pixels + at]] : [0, 0]
    const strength = 0.35 + 0.65 * Math.sqrt((less + more) / most)
    return eventColour(less, more, strength, 24).map(Math.round).join(';')
  }
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    let line = ''
    for (let x = 0; x < width; x++)
      line += `\u001b[38;2;${colour(x, y)}m\u001b[48;2;${colour(x, y + 1)}m▀`
    lines.push(`${line}\u001b[0m`)
  }
  return lines.join('\n')
}

/** The same without colours: + where ON is more, - where OFF is, . where few. */
export function inLetters({ width, height, counts }: Still): string {
  let sum = 0
  for (const count of counts) sum += count
  const few = sum / (width * height) / 2
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    let line = ''
    for (let x = 0; x < width; x++) {
      let [less, more] = [0, 0]
      for (let row = y; row < Math.min(height, y + 2); row++) {
        less += counts[row * width + x]
        more += counts[(height + row) * width + x]
      }
      line += less + more === 0 ? ' ' : less + more <= few ? '.' : more >= less ? '+' : '-'
    }
    lines.push(line.trimEnd())
  }
  return lines.join('\n')
}

const BARS = ' ▁▂▃▄▅▆▇█'

/** Events over time, a bar for each of `columns` intervals, above an axis in ms. */
export function histogram(t: ArrayLike<number>, columns: number): string {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < t.length; i++) {
    first = Math.min(first, t[i])
    last = Math.max(last, t[i])
  }
  const counts = new Float64Array(columns)
  const scale = last > first ? columns / (last - first) : 0
  for (let i = 0; i < t.length; i++)
    counts[Math.min(columns - 1, Math.floor((t[i] - first) * scale))]++
  const most = Math.max(1, ...counts)
  const bars = Array.from(counts, (n) => BARS[Math.ceil((n / most) * 8)]).join('')
  const end = `${((t.length > 0 ? last - first : 0) / 1000).toFixed(1)} ms`
  return `${bars}\n0${' '.repeat(Math.max(1, columns - 1 - end.length))}${end}`
}

// The potential of a neuron over the steps, its threshold, and when it fires.

/** What one neuron did, step by step. */
export interface Trace {
  readonly title: string
  /** What the spike compares with the threshold; of neurons that give numbers, these. */
  readonly potential: readonly number[]
  readonly threshold?: readonly number[]
  /** 1 at the steps at which it fires, else 0. */
  readonly spikes?: readonly number[]
}

export function traceChart({ title, potential, threshold, spikes }: Trace): Chart {
  const x = potential.map((_, t) => t)
  const fired: Series | undefined = spikes && {
    name: 'spike',
    mode: 'points',
    symbol: 'triangle',
    x,
    y: potential.map((value, t) => (spikes[t] ? value : null)),
  }
  return {
    title,
    x: { label: 'time step' },
    y: { label: 'potential' },
    series: [
      { name: 'potential', x, y: potential },
      ...(threshold ? [{ name: 'threshold', x, y: threshold, dash: true }] : []),
      ...(fired ? [fired] : []),
    ],
  }
}

/** The neuron, by values [T][neurons], that fires most nearly at every second step. */
export function busiest(spikes: ArrayLike<number>, neurons: number): number {
  const steps = spikes.length / neurons
  const score = (neuron: number): number => {
    let sum = 0
    for (let t = 0; t < steps; t++) sum += spikes[t * neurons + neuron]
    // One that always fires shows more than one that never does.
    return Math.min(sum, steps - sum + 0.5)
  }
  let [best, most] = [0, -1]
  for (let neuron = 0; neuron < neurons; neuron++) {
    const own = score(neuron)
    if (own > most) [best, most] = [neuron, own]
  }
  return best
}

const ROWS = 9
/** Columns of a number beside the picture. */
const LEFT = 9

/** The same in letters: * the potential, - the threshold, | a spike. */
export function traceText({ title, potential, threshold, spikes }: Trace, columns: number): string {
  const wide = Math.max(1, Math.min(4, Math.floor((columns - LEFT) / potential.length)))
  const steps = Math.max(1, Math.min(potential.length, Math.floor((columns - LEFT) / wide)))
  const known = [...potential.slice(0, steps), ...(threshold ?? []).slice(0, steps), 0]
  const finite = known.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const rows = Array.from({ length: ROWS }, () => Array<string>(steps * wide).fill(' '))
  /** A number that is none, or infinite, has no place. */
  const draw = (value: number, column: number, sign: string): void => {
    const row = Math.round(((high - value) / (high - low || 1)) * (ROWS - 1))
    if (Number.isFinite(value)) rows[row][column] = sign
  }
  for (let t = 0; t < steps; t++) {
    if (threshold) for (let i = 0; i < wide; i++) draw(threshold[t], t * wide + i, '-')
    draw(potential[t], t * wide, '*')
  }
  const beside = (row: number): string =>
    row === 0 ? figureText(high) : row === ROWS - 1 ? figureText(low) : ''
  const cut = steps < potential.length ? `, the first ${steps} of ${potential.length} steps` : ''
  return [
    `${title}${cut}`,
    ...rows.map((row, i) => `${beside(i).padStart(LEFT - 1)} ${row.join('')}`.trimEnd()),
    ...(spikes
      ? [
          `${'spikes'.padStart(LEFT - 1)} ${spikes
            .slice(0, steps)
            .map((fired) => (fired ? '|' : '.').padEnd(wide))
            .join('')}`.trimEnd(),
        ]
      : []),
  ].join('\n')
}
