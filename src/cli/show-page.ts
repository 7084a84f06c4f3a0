/** A page that plays a recording: one file, no other is loaded. */

/** What the page shows. */
export interface ShownFrames {
  readonly title: string
  readonly width: number
  readonly height: number
  /** Events of each polarity in a frame and pixel, at most 255: [T][H][W][2], OFF then ON. */
  readonly counts: Uint8Array
  /** [T] µs at which a frame begins, from the first event on. */
  readonly begins: readonly number[]
  /** µs of the whole. */
  readonly duration: number
  /** A line below the title. */
  readonly summary: string
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

/** ON and OFF, apart for all eyes. */
const [ON, OFF] = ['#e69f00', '#0072b2']

/** The page's own script; `data` is what `showPage` puts before it. */
const script = `
const bytes = Uint8Array.from(atob(data.counts), (c) => c.charCodeAt(0))
const { width, height, begins, duration } = data
const size = width * height * 2
const on = [230, 159, 0], off = [0, 114, 178]
function draw(canvas, frame) {
  const context = canvas.getContext('2d')
  const image = context.createImageData(width, height)
  for (let i = 0; i < width * height; i++) {
    const less = bytes[frame * size + 2 * i], more = bytes[frame * size + 2 * i + 1]
    const sum = less + more
    const strength = sum === 0 ? 0 : Math.min(1, 0.45 + 0.2 * sum)
    for (let c = 0; c < 3; c++) {
      const colour = sum === 0 ? 255 : (off[c] * less + on[c] * more) / sum
      image.data[4 * i + c] = 255 + (colour - 255) * strength
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
  const caption = document.createElement('figcaption')
  caption.textContent = (begin / 1000).toFixed(1) + ' ms'
  figure.append(canvas, caption)
  figure.onclick = () => show(t)
  strip.append(figure)
  return canvas
})]) { canvas.width = width; canvas.height = height }
begins.forEach((_, t) => draw(strip.children[t].firstChild, t))
function show(t) {
  slider.value = t
  draw(main, t)
  ;[...strip.children].forEach((figure, i) => figure.classList.toggle('now', i === t))
  label.textContent = (begins[t] / 1000).toFixed(1) + ' of ' + (duration / 1000).toFixed(1) + ' ms'
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
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.2rem; overflow-wrap: anywhere } canvas { image-rendering: pixelated; width: 100% }
#main { max-width: 26rem; border: 1px solid #ccc } #at { width: 16rem; vertical-align: middle }
#strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)); gap: .4rem }
figure { margin: 0; cursor: pointer } figure canvas { border: 1px solid #ddd }
figure.now canvas { border-color: #000 } figcaption { font-size: .75rem; text-align: center }
.on::before, .off::before { content: '■ ' } .on::before { color: ${ON} }
.off::before { color: ${OFF} }
`

/** The page's text. */
export function showPage(frames: ShownFrames): string {
  const { title, summary, counts, width, height, begins, duration } = frames
  const encoded = Buffer.from(counts.buffer, counts.byteOffset, counts.length).toString('base64')
  const data = JSON.stringify({ width, height, begins, duration, counts: encoded })
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${style}</style>
<h1>${escaped(title)}</h1>
<p>${escaped(summary)}. <span class="on">ON</span> <span class="off">OFF</span></p>
<canvas id="main" role="img" aria-label="events of the frame"></canvas>
<p><button id="play">Play</button>
<input id="at" type="range" min="0" max="${begins.length - 1}" value="0" aria-label="frame">
<span id="time"></span></p>
<div id="strip"></div>
<script>const data = ${data}${script}</script>
</html>
`
}
