/** `spikewasm show` */

import { basename } from 'node:path'
import { fail, plainText } from '../../base/errors.js'
import { checkBy, integer } from '../../base/rules.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { events } from '../../data/events/events.js'
import { eventFormats } from '../../data/recordings/parse.js'
import { type EventRecording, inOrder } from '../../data/recordings/recording.js'
import { count as countEvents, slicesOf } from '../../data/recordings/slices.js'
import type { CompileOptions } from '../../model/compile.js'
import type { Model } from '../../model/model.js'
import { fires } from '../../network/kind.js'
import { usesColour } from '../../train/callbacks/epoch-line.js'
import { escapeHtml, figureHtml, pageHtml } from '../../watch/pages/frame.js'
import { layerLabel } from '../../watch/pages/run.js'
import { busiest, type Trace, traceChart, traceText } from '../../watch/pages/trace.js'
import { withFiles, writeText } from '../mistakes.js'
import * as shared from '../options.js'
import * as o from '../spec.js'
import { answer, codeStream, printJson } from '../terminal.js'
import { modelFileSpecs, withModelOnData } from '../which-model.js'

// What a recording looks like: a page that plays it, and a still in the terminal.

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

/** Counts of each polarity and pixel: [2][H][W], OFF then ON. */
export interface Still {
  readonly width: number
  readonly height: number
  readonly counts: Float32Array
}

type Colour = readonly [number, number, number]
const [on, off, none]: readonly Colour[] = [
  [230, 159, 0],
  [0, 114, 178],
  [24, 24, 24],
]

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
  const colour = (x: number, y: number): Colour => {
    if (y >= height) return none
    const [less, more] = [counts[y * width + x], counts[pixels + y * width + x]]
    const sum = less + more
    if (sum === 0) return none
    const strength = 0.35 + 0.65 * Math.sqrt(sum / most)
    return none.map((dark, c) => {
      const bright = (off[c] * less + on[c] * more) / sum
      return Math.round(dark + (bright - dark) * strength)
    }) as unknown as Colour
  }
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    let line = ''
    for (let x = 0; x < width; x++)
      line += `\u001b[38;2;${colour(x, y).join(';')}m\u001b[48;2;${colour(x, y + 1).join(';')}m▀`
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

const DEFAULT_FRAMES = 24
/** More would make the page slow. */
const MOST_FRAMES = 500
const MOST_COLUMNS = 256

/** A recording, and how it becomes a page. */
const recordingSpecs = o.under('Recording', ['format', 'frames', 'timeWindow'], {
  format: o.name('<name>', 'what the file is', eventFormats, { usual: 'what it says' }),
  sensor: {
    ...shared.cutSpecs.sensor,
    heading: 'Recording',
    text: shared.cutSpecs.sensor.text.replace('recordings: ', ''),
    usual: 'as the file says',
  },
  frames: o.count('<n>', 'frames of the page, as long each', {
    needs: 'out',
    usual: `${DEFAULT_FRAMES}`,
    most: MOST_FRAMES,
  }),
  timeWindow: o.number('<µs>', 'µs of a frame, instead of --frames', { needs: 'out', rule: '> 0' }),
})

/** A model, a sample and some of its neurons. */
const traceSpecs = o.under('Trace', ['split', 'sample', 'layer', 'neuron'], {
  ...modelFileSpecs,
  ...o.withoutPreset({ dataset: shared.data.dataset }),
  data: shared.data.data,
  ...shared.modelOfData,
  ...o.withoutPreset(shared.time),
  ...shared.split,
  sample: o.number('<i>', 'which sample of it, from 0 on', { preset: 0 }),
  layer: o.text('<name>', 'a layer of neurons', { usual: 'all that spike' }),
  neuron: o.numbers('<list>', 'neurons of a layer, from 0 on', { usual: 'a busy one of each' }),
})

const showSpecs = {
  ...recordingSpecs,
  ...o.under('Trace', ['trace'], {
    trace: o.flag("a model's neurons on a sample, in the place of a recording"),
  }),
  ...traceSpecs,
  out: o.text('<file>', 'write the page, an .html file'),
  ...shared.jsonOf('what is shown, as JSON'),
}

type ShowArguments = o.ArgumentsOf<typeof showSpecs>

export const showCommand = o.commandOf(
  showSpecs,
  'Show a recording of an event camera: a still and the events over time in the terminal, ' +
    'and with --out a page that plays it. Or with --trace the potential, threshold and ' +
    'spikes of neurons of a trained model, and with --out a page of them.',
  (args: ShowArguments, file: string | undefined) => {
    if (!args.trace) return show(file, args)
    o.expectLeftOut(args, Object.keys(recordingSpecs), 'with --trace')
    if (file !== undefined)
      fail(`no recording must be given with --trace, got ${file}; --sample chooses a sample`)
    return showTrace(args)
  },
  ['[file]', 'recording: N-MNIST .bin or .bs2, .aedat, .aedat4, .npy or .npz'],
)

/** Options of traces that have no preset. */
const ofTraces = Object.keys(traceSpecs).filter((key) => !['best', 'split', 'sample'].includes(key))

async function show(file: string | undefined, args: ShowArguments): Promise<void> {
  o.expectLeftOut(args, ofTraces, 'without --trace')
  if (file === undefined)
    fail('a recording must be given, or --trace and a model; see spikewasm show --help')
  const { format, sensor, frames, timeWindow, out, json } = args
  if (timeWindow !== undefined) o.expectLeftOut(args, ['frames'], 'with --time-window')
  o.expectUse(recordingSpecs, args)
  const recording = inOrder(await withFiles(() => events.read(file, { format, sensor })))
  const told = describe(file, recording)
  if (out !== undefined) await writeText(out, () => pageOf(told, recording, { frames, timeWindow }))
  if (json) return printJson({ ...told, out: out ?? null })
  const columns = Math.max(20, Math.min(process.stdout.columns ?? 80, 100))
  const coloured = usesColour(process.stdout)
  const still = smaller(stillOf(recording), columns)
  const picture = coloured ? inColour(still) : inLetters(still)
  const legend = coloured ? '' : ' (+ ON, - OFF, . few)'
  process.stdout.write(`${plainText(basename(file))}: ${summaryOf(told)}${legend}\n`)
  codeStream(process.stdout).write(`${picture}\n`)
  const lines = [histogram(recording.t, columns), ...(out === undefined ? [] : [`wrote ${out}`])]
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** What JSON says of a recording; times are in µs. */
function describe(file: string, { width, height, length, t, p }: EventRecording) {
  let on = 0
  for (const value of p) on += value
  const firstTime = length > 0 ? t[0] : null
  const duration = length > 0 ? t[length - 1] - t[0] : 0
  return { file, width, height, events: length, on, off: length - on, firstTime, duration }
}

type Told = ReturnType<typeof describe>

const summaryOf = ({ width, height, events: all, on, off, duration }: Told): string =>
  `${width} × ${height} pixels, ${all.toLocaleString('en-US')} events (${on} ON, ${off} OFF) in ` +
  `${(duration / 1000).toFixed(1)} ms`

function stillOf(recording: EventRecording): Still {
  const { width, height, length } = recording
  const counts = new Float32Array(width * height * 2)
  countEvents(recording, { starts: [0], ends: [length] }, counts, [height, width])
  return { width, height, counts }
}

function pageOf(
  told: Told,
  whole: EventRecording,
  { frames = DEFAULT_FRAMES, timeWindow }: Pick<ShowArguments, 'frames' | 'timeWindow'>,
): Promise<string> {
  const factor = Math.max(1, Math.ceil(whole.width / MOST_COLUMNS))
  const size = [Math.ceil(whole.height / factor), Math.ceil(whole.width / factor)] as const
  const recording = factor === 1 ? whole : events.downsample(whole, size)
  const way =
    timeWindow === undefined
      ? ({ framesNumber: frames, splitBy: 'time' } as const)
      : { timeWindow, includeIncomplete: true }
  const slices = slicesOf(recording, way)
  const steps = slices.starts.length
  if (steps > MOST_FRAMES)
    fail(`--time-window must give at most ${MOST_FRAMES} frames, got ${timeWindow}: ${steps}`)
  const [height, width] = size
  const counts = new Float32Array(steps * height * width * 2)
  countEvents(recording, slices, counts, size)
  const each = timeWindow ?? Math.floor(told.duration / frames)
  return showPage({
    title: plainText(basename(told.file)),
    summary: summaryOf(told),
    width,
    height,
    counts: Uint8Array.from(counts, (n) => Math.min(n, 255)),
    begins: Array.from({ length: steps }, (_, i) => i * each),
    duration: told.duration,
  })
}

async function showTrace(args: ShowArguments): Promise<void> {
  const { sample, out, json } = args
  const compiled = ({ length }: Dataset): Partial<CompileOptions> => {
    checkBy('--sample', integer(0, length - 1), sample)
    return { batchSize: 1, record: 'all' }
  }
  await withModelOnData(args, compiled, async (model, part, _, name) => {
    const values = new Float32Array(model.session.imageFloats)
    await part.prepare?.([sample])
    part.read(sample, values)
    const { classes } = await model.predict(values)
    const layers = layersOf(model, args.layer)
    const traces = layers.flatMap((layer) => tracesOf(model, layer, args.neuron))
    const title = `${name}, sample ${sample} of ${part.name}, answer ${classes[0]}`
    if (out !== undefined) await writeText(out, () => tracePage(title, traces))
    answer(json, { sample, answer: classes[0], traces, out: out ?? null }, () => {
      const columns = Math.max(30, Math.min(process.stdout.columns ?? 80, 120))
      const texts = traces.map((trace) => traceText(trace, columns))
      return [title, ...texts, ...(out === undefined ? [] : [`wrote ${out}`])].join('\n\n')
    })
  })
}

/** @throws SpikewasmError for a layer that the network does not have */
function layersOf({ session }: Model, asked: string | undefined): string[] {
  const known = Object.keys(session.settings.states)
  if (known.length === 0) fail('show --trace: the network has no layers of neurons')
  if (asked !== undefined && !known.includes(asked))
    fail(`--layer must be one of ${known.join(', ')}, got ${asked}`)
  if (asked !== undefined) return [asked]
  const spiking = session.graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  return spiking.length > 0 ? spiking : known
}

/** Traces, and where their neurons are. */
function tracesOf(model: Model, layer: string, asked: readonly number[] | undefined) {
  const states = model.states(layer)
  const { potential = states.output, threshold, spike } = states
  const [steps, , C, H, W] = potential.shape
  const count = C * H * W
  const chosen = asked ?? [spike ? busiest(spike.data, count) : 0]
  return chosen.map((neuron) => {
    if (!Number.isInteger(neuron) || neuron < 0 || neuron >= count)
      fail(`--neuron must be from 0 to ${count - 1} in ${layerLabel(layer)}, got ${neuron}`)
    const of = (state = potential): number[] =>
      Array.from({ length: steps }, (_, t) => state.data[t * count + neuron])
    const [c, y, x] = [Math.floor(neuron / (H * W)), Math.floor(neuron / W) % H, neuron % W]
    const place = H * W > 1 ? ` (channel ${c}, row ${y}, column ${x})` : ''
    return {
      layer,
      neuron,
      title: `${layerLabel(layer)}, neuron ${neuron}${place}`,
      potential: of(),
      ...(threshold && { threshold: of(threshold) }),
      ...(spike && { spikes: of(spike) }),
    }
  })
}

function tracePage(title: string, traces: readonly Trace[]): Promise<string> {
  const figure = {
    id: 'traces',
    title: 'Potentials and spikes',
    caption:
      'The potential that is compared with the threshold, before a spike resets it; triangles ' +
      'are spikes.',
    charts: traces.map(traceChart),
  }
  const body = `<h1>${escapeHtml(title)}</h1>\n${figureHtml(figure)}`
  return pageHtml({ title, body, figures: [figure] })
}
