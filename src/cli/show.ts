/** `spikewasm show` */

import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { events } from '../data/events/events.js'
import { expect, plainText, SpikewasmError } from '../errors.js'
import { count } from '../events/frames.js'
import { type EventFormat, eventFormats } from '../events/parse.js'
import { type EventRecording, inOrder } from '../events/recording.js'
import { slicesOf } from '../events/slices.js'
import { writeFileAtomic } from '../io/files.js'
import { usesColour } from '../train/callbacks/ink.js'
import { withFiles } from './mistakes.js'
import { counting, named, numbers, numeric, shared } from './options.js'
import { printJson } from './report.js'
import { showPage } from './show-page.js'
import { histogram, inColour, inLetters, type Still, smaller } from './show-still.js'
import { showTrace, type TraceArguments } from './show-trace.js'
import { codeStream } from './terminal.js'
import { modelOptions } from './which-model.js'

interface ShowArguments extends TraceArguments {
  readonly trace?: boolean
  readonly format?: EventFormat
  readonly sensor?: readonly number[]
  readonly frames?: number
  readonly timeWindow?: number
}

const DEFAULT_FRAMES = 24
/** More would make the page slow. */
const MOST_FRAMES = 500
const MOST_COLUMNS = 256

export function showCommand(command: Command): Command {
  return command
    .description(
      'Show a recording of an event camera: a still and the events over time in the terminal, ' +
        'and with --out a page that plays it. Or with --trace the potential, threshold and ' +
        'spikes of neurons of a trained model, and with --out a page of them.',
    )
    .argument('[file]', 'recording: N-MNIST .bin or .bs2, .aedat, .aedat4, .npy or .npz')
    .addOption(named('--format <name>', 'what the file is (default: what it says)', eventFormats))
    .addOption(
      numbers(
        '--sensor <list>',
        'width,height of the sensor in pixels (default: as the file says)',
      ),
    )
    .addOption(
      counting(
        '--frames <n>',
        `with --out: frames of the page, as long each (default: ${DEFAULT_FRAMES})`,
      ),
    )
    .addOption(numeric('--time-window <µs>', 'with --out: µs of a frame, instead of --frames'))
    .addOption(new Option('--trace', "a model's neurons on a sample, in the place of a recording"))
    .addOption(modelOptions.run())
    .addOption(modelOptions.best())
    .addOption(modelOptions.weights())
    .addOption(modelOptions.pretrained())
    .addOption(shared.dataset().default(undefined))
    .addOption(shared.data())
    .addOption(shared.modelOfData())
    .addOption(shared.timeSteps())
    .addOption(shared.tau().default(undefined))
    .addOption(named('--split <part>', 'part of the data', ['test', 'train'], 'test'))
    .addOption(numeric('--sample <i>', 'which sample of it, from 0 on', 0))
    .addOption(new Option('--layer <name>', 'a layer of neurons (default: all that spike)'))
    .addOption(
      numbers('--neuron <list>', 'neurons of a layer, from 0 on (default: a busy one of each)'),
    )
    .addOption(new Option('--out <file>', 'write the page, an .html file'))
    .addOption(new Option('--json', 'what is shown, as JSON').default(false))
    .action((file: string | undefined, args: ShowArguments) =>
      args.trace ? trace(file, args) : show(file, args),
    )
}

/** Options that only one of both has. */
const ofRecordings = ['format', 'sensor', 'frames', 'timeWindow'] as const
const ofTraces = [
  ...(['run', 'weights', 'pretrained', 'dataset', 'data', 'model', 'timeSteps', 'tau'] as const),
  ...(['layer', 'neuron'] as const),
]

function expectNone(
  args: ShowArguments,
  names: readonly (keyof ShowArguments)[],
  and: string,
): void {
  for (const name of names)
    expect(args[name] === undefined, () => {
      const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      return `--${flag} must be left out ${and} --trace, got ${args[name]}`
    })
}

function trace(file: string | undefined, args: ShowArguments): Promise<void> {
  expectNone(args, ofRecordings, 'with')
  expect(
    file === undefined,
    () => `no recording must be given with --trace, got ${file}; --sample chooses a sample`,
  )
  return showTrace(args)
}

async function show(file: string | undefined, args: ShowArguments): Promise<void> {
  expectNone(args, ofTraces, 'without')
  if (file === undefined)
    throw new SpikewasmError(
      'a recording must be given, or --trace and a model; see spikewasm show --help',
    )
  const { format, sensor, frames, timeWindow, out, json } = args
  expect(
    frames === undefined || timeWindow === undefined,
    () => `--frames must be left out with --time-window, got ${frames}`,
  )
  expect(
    frames === undefined || frames <= MOST_FRAMES,
    () => `--frames must be at most ${MOST_FRAMES}, got ${frames}`,
  )
  expect(
    timeWindow === undefined || timeWindow > 0,
    () => `--time-window must be > 0, got ${timeWindow}`,
  )
  for (const [flag, value] of Object.entries({ '--frames': frames, '--time-window': timeWindow }))
    expect(
      value === undefined || out !== undefined,
      () => `${flag} must come with --out, the page that it is about, got ${value} without it`,
    )
  const read = await withFiles(() => events.read(file, { format, sensor: sensor as never }))
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
  count(recording, { starts: [0], ends: [length] }, counts, [height, width])
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
  count(recording, slices, counts, size)
  const each = timeWindow ?? Math.floor(told.duration / frames)
  const page = await showPage({
    ...{ title: plainText(basename(file)), summary: summaryOf(told), width, height },
    counts: Uint8Array.from(counts, (n) => Math.min(n, 255)),
    begins: Array.from({ length: steps }, (_, i) => i * each),
    duration: told.duration,
  })
  await writeFileAtomic(out, new TextEncoder().encode(page))
}
