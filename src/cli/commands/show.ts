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
import * as view from '../../watch/pages/recording.js'
import { busiest, type Trace, traceChart, traceText } from '../../watch/pages/recording.js'
import { layerLabel } from '../../watch/pages/run.js'
import { about } from '../about.js'
import { withFiles, writeText } from '../mistakes.js'
import * as shared from '../options.js'
import * as o from '../spec.js'
import { answer, codeStream, printJson } from '../terminal.js'
import { modelFileSpecs, withModelOnData } from '../which-model.js'

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
  about.show,
  (args: ShowArguments, file: string | undefined) => {
    if (!args.trace) return show(file, args)
    o.expectLeftOut(args, Object.keys(recordingSpecs), 'with --trace')
    if (file !== undefined)
      fail(`no recording must be given with --trace, got ${file}; --sample chooses a sample`)
    return showTrace(args)
  },
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
  const still = view.smaller(stillOf(recording), columns)
  const picture = coloured ? view.inColour(still) : view.inLetters(still)
  const legend = coloured ? '' : ' (+ ON, - OFF, . few)'
  process.stdout.write(`${plainText(basename(file))}: ${summaryOf(told)}${legend}\n`)
  codeStream(process.stdout).write(`${picture}\n`)
  const wrote = out === undefined ? '' : `wrote ${out}\n`
  process.stdout.write(`${view.histogram(recording.t, columns)}\n${wrote}`)
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

function stillOf(recording: EventRecording): view.Still {
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
  return view.showPage({
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
