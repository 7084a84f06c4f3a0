/** A page that plays a recording: one file, no other is loaded. */

import { pageHtml } from '../pages/frame.js'
import { escapeHtml } from '../pages/html.js'

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

/** The page's text. */
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
