/** `spikewasm show` */

import { basename } from 'node:path'
import type { Command } from 'commander'
import { events } from '../data/events/events.js'
import { expect, plainText, SpikewasmError } from '../errors.js'
import { count as countEvents } from '../events/frames.js'
import { eventFormats } from '../events/parse.js'
import { type EventRecording, inOrder } from '../events/recording.js'
import { slicesOf } from '../events/slices.js'
import { writeFileAtomic } from '../io/files.js'
import { usesColour } from '../train/callbacks/epoch-line.js'
import { cutSpecs } from './event-options.js'
import { withFiles } from './mistakes.js'
import { jsonOf } from './options.js'
import { printJson } from './report.js'
import { showPage } from './show-page.js'
import { histogram, inColour, inLetters, type Still, smaller } from './show-still.js'
import { showTrace, traceSpecs } from './show-trace.js'
import {
  type ArgumentsOf,
  addOptions,
  count,
  expectLeftOut,
  flag,
  name,
  number,
  text,
} from './spec.js'
import { codeStream } from './terminal.js'

const DEFAULT_FRAMES = 24
/** More would make the page slow. */
const MOST_FRAMES = 500
const MOST_COLUMNS = 256

/** A recording, and how it becomes a page. */
const recordingSpecs = {
  format: name('<name>', 'what the file is', eventFormats, { usual: 'what it says' }),
  sensor: {
    ...cutSpecs.sensor,
    text: cutSpecs.sensor.text.replace('recordings: ', ''),
    usual: 'as the file says',
  },
  frames: count('<n>', 'with --out: frames of the page, as long each', {
    usual: `${DEFAULT_FRAMES}`,
    most: MOST_FRAMES,
  }),
  timeWindow: number('<µs>', 'with --out: µs of a frame, instead of --frames', { rule: '> 0' }),
}

const showSpecs = {
  ...recordingSpecs,
  trace: flag("a model's neurons on a sample, in the place of a recording"),
  ...traceSpecs,
  out: text('<file>', 'write the page, an .html file'),
  ...jsonOf('what is shown, as JSON'),
}

type ShowArguments = ArgumentsOf<typeof showSpecs>

export const showCommand = (command: Command): Command =>
  addOptions(command, showSpecs)
    .description(
      'Show a recording of an event camera: a still and the events over time in the terminal, ' +
        'and with --out a page that plays it. Or with --trace the potential, threshold and ' +
        'spikes of neurons of a trained model, and with --out a page of them.',
    )
    .argument('[file]', 'recording: N-MNIST .bin or .bs2, .aedat, .aedat4, .npy or .npz')
    .action((file: string | undefined, args: ShowArguments) =>
      args.trace ? trace(file, args) : show(file, args),
    )

/** Options of traces that have no preset. */
const ofTraces = Object.keys(traceSpecs).filter((key) => !['best', 'split', 'sample'].includes(key))

function trace(file: string | undefined, args: ShowArguments): Promise<void> {
  expectLeftOut(args, Object.keys(recordingSpecs), 'with --trace')
  expect(
    file === undefined,
    () => `no recording must be given with --trace, got ${file}; --sample chooses a sample`,
  )
  return showTrace(args)
}

async function show(file: string | undefined, args: ShowArguments): Promise<void> {
  expectLeftOut(args, ofTraces, 'without --trace')
  if (file === undefined)
    throw new SpikewasmError(
      'a recording must be given, or --trace and a model; see spikewasm show --help',
    )
  const { format, sensor, frames, timeWindow, out, json } = args
  expect(
    frames === undefined || timeWindow === undefined,
    () => `--frames must be left out with --time-window, got ${frames}`,
  )
  for (const [flag, value] of Object.entries({ '--frames': frames, '--time-window': timeWindow }))
    expect(
      value === undefined || out !== undefined,
      () => `${flag} must come with --out, the page that it is about, got ${value} without it`,
    )
  const read = await withFiles(() => events.read(file, { format, sensor }))
  const recording = inOrder(read)
  const told = describe(file, recording)
  const cut = { frames, timeWindow }
  if (out !== undefined) await withFiles(() => writePage(out, file, recording, cut))
  if (json) {
    printJson({ ...told, out: out ?? null })
    return
  }
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

interface Told {
  readonly file: string
  readonly width: number
  readonly height: number
  readonly events: number
  readonly on: number
  readonly off: number
  /** µs */
  readonly firstTime: number | null
  readonly duration: number
}

function describe(file: string, { width, height, length, t, p }: EventRecording): Told {
  let on = 0
  for (const value of p) on += value
  const [first, last] = length > 0 ? [t[0], t[length - 1]] : [null, 0]
  const counts = { events: length, on, off: length - on }
  return { file, width, height, ...counts, firstTime: first, duration: last - (first ?? 0) }
}

const summaryOf = ({ width, height, events: all, on, off, duration }: Told): string =>
  `${width} × ${height} pixels, ${all.toLocaleString('en-US')} events (${on} ON, ${off} OFF) in ` +
  `${(duration / 1000).toFixed(1)} ms`

function stillOf(recording: EventRecording): Still {
  const { width, height, length } = recording
  const counts = new Float32Array(width * height * 2)
  countEvents(recording, { starts: [0], ends: [length] }, counts, [height, width])
  return { width, height, counts }
}

async function writePage(
  out: string,
  file: string,
  whole: EventRecording,
  { frames = DEFAULT_FRAMES, timeWindow }: Pick<ShowArguments, 'frames' | 'timeWindow'>,
): Promise<void> {
  const told = describe(file, whole)
  const factor = Math.max(1, Math.ceil(whole.width / MOST_COLUMNS))
  const size = [Math.ceil(whole.height / factor), Math.ceil(whole.width / factor)] as const
  const recording = factor === 1 ? whole : events.downsample(whole, size)
  const way =
    timeWindow === undefined
      ? ({ framesNumber: frames, splitBy: 'time' } as const)
      : { timeWindow, includeIncomplete: true }
  const slices = slicesOf(recording, way)
  const steps = slices.starts.length
  expect(
    steps <= MOST_FRAMES,
    () => `--time-window must give at most ${MOST_FRAMES} frames, got ${timeWindow}: ${steps}`,
  )
  const [height, width] = size
  const counts = new Float32Array(steps * height * width * 2)
  countEvents(recording, slices, counts, size)
  const each = timeWindow ?? Math.floor(told.duration / frames)
  const page = await showPage({
    ...{ title: plainText(basename(file)), summary: summaryOf(told), width, height },
    counts: Uint8Array.from(counts, (n) => Math.min(n, 255)),
    begins: Array.from({ length: steps }, (_, i) => i * each),
    duration: told.duration,
  })
  await writeFileAtomic(out, new TextEncoder().encode(page))
}
