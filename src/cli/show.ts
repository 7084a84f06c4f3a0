/** `spikewasm show` */

import { basename } from 'node:path'
import { events } from '../data/events/events.js'
import { fail, plainText } from '../errors.js'
import { count as countEvents } from '../events/frames.js'
import { eventFormats } from '../events/parse.js'
import { type EventRecording, inOrder } from '../events/recording.js'
import { slicesOf } from '../events/slices.js'
import { usesColour } from '../train/callbacks/epoch-line.js'
import { withFiles, writeText } from './mistakes.js'
import { cutSpecs, jsonOf } from './options.js'
import { histogram, inColour, inLetters, type Still, showPage, smaller } from './show-page.js'
import { showTrace, traceSpecs } from './show-trace.js'
import * as o from './spec.js'
import { codeStream, printJson } from './terminal.js'

const DEFAULT_FRAMES = 24
/** More would make the page slow. */
const MOST_FRAMES = 500
const MOST_COLUMNS = 256

/** A recording, and how it becomes a page. */
const recordingSpecs = {
  format: o.name('<name>', 'what the file is', eventFormats, { usual: 'what it says' }),
  sensor: {
    ...cutSpecs.sensor,
    text: cutSpecs.sensor.text.replace('recordings: ', ''),
    usual: 'as the file says',
  },
  frames: o.count('<n>', 'with --out: frames of the page, as long each', {
    usual: `${DEFAULT_FRAMES}`,
    most: MOST_FRAMES,
  }),
  timeWindow: o.number('<µs>', 'with --out: µs of a frame, instead of --frames', { rule: '> 0' }),
}

const showSpecs = {
  ...recordingSpecs,
  trace: o.flag("a model's neurons on a sample, in the place of a recording"),
  ...traceSpecs,
  out: o.text('<file>', 'write the page, an .html file'),
  ...jsonOf('what is shown, as JSON'),
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
  for (const [key, value] of Object.entries({ frames, timeWindow }))
    if (value !== undefined && out === undefined)
      fail(
        `${o.flagOf(key)} must come with --out, the page that it is about, got ${value} without it`,
      )
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
