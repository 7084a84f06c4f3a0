/** `spikewasm show --trace`: potential, threshold and spikes of neurons of a trained model. */

import { expect } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import type { Model } from '../model.js'
import { compile } from '../network.js'
import { fires } from '../nn/kind.js'
import { figureHtml, pageHtml } from '../pages/frame.js'
import { escapeHtml } from '../pages/html.js'
import { layerLabel } from '../pages/run.js'
import { busiest, type Trace, traceChart, traceText } from '../pages/trace.js'
import type { RecordedStates } from '../runtime/states.js'
import { classesOf } from './datasets.js'
import { loadData, stepsFor } from './load-data.js'
import { withFiles } from './mistakes.js'
import { dataSpecs, modelOfData, splitSpecs, timeSpecs } from './options.js'
import { printJson } from './report.js'
import { dataOf } from './run-folder.js'
import { type ArgumentsOf, number, numbers, text, withoutPreset } from './spec.js'
import { givenModel, modelFileSpecs } from './which-model.js'

/** A model, a sample and some of its neurons. */
export const traceSpecs = {
  ...modelFileSpecs,
  ...withoutPreset({ dataset: dataSpecs.dataset }),
  data: dataSpecs.data,
  ...modelOfData,
  ...withoutPreset(timeSpecs),
  ...splitSpecs,
  sample: number('<i>', 'which sample of it, from 0 on', { preset: 0 }),
  layer: text('<name>', 'a layer of neurons', { usual: 'all that spike' }),
  neuron: numbers('<list>', 'neurons of a layer, from 0 on', { usual: 'a busy one of each' }),
}

interface TraceArguments extends ArgumentsOf<typeof traceSpecs> {
  readonly out?: string
  readonly json: boolean
}

/** A trace, and where its neuron is. */
interface NeuronTrace extends Trace {
  readonly layer: string
  readonly neuron: number
}

export async function showTrace(args: TraceArguments): Promise<void> {
  const given = await givenModel(args)
  const { run, name, options } = given
  const { split, sample, out, json, timeSteps = options.timeSteps } = args
  const source = dataOf({ ...args, dataset: args.dataset ?? given.dataset, timeSteps }, run)
  const part = (await loadData(source))[split]
  expect(
    Number.isInteger(sample) && sample >= 0 && sample < part.length,
    () => `--sample must be an integer from 0 to ${part.length - 1}, got ${sample}`,
  )
  const input = options.input ?? part.shape
  const model = await compile(
    given.network(input, run?.classes ?? classesOf(source.dataset, part)),
    {
      ...options,
      purpose: 'inference',
      input,
      ...stepsFor(part, args.timeSteps, options.timeSteps),
      batchSize: 1,
      record: 'all',
    },
  )
  try {
    given.load(model)
    const values = new Float32Array(model.session.imageFloats)
    await part.prepare?.([sample])
    part.read(sample, values)
    const { classes } = await model.predict(values)
    const traces = layersOf(model, args.layer).flatMap((layer) => tracesOf(model, layer, args))
    const title = `${name}, sample ${sample} of ${part.name}, answer ${classes[0]}`
    if (out !== undefined) await withFiles(() => writePage(out, title, traces))
    if (json) return printJson({ sample, answer: classes[0], traces, out: out ?? null })
    const columns = Math.max(30, Math.min(process.stdout.columns ?? 80, 120))
    const texts = traces.map((trace) => traceText(trace, columns))
    const wrote = out === undefined ? [] : [`wrote ${out}`]
    process.stdout.write(`${[title, ...texts, ...wrote].join('\n\n')}\n`)
  } finally {
    await model.dispose()
  }
}

/** @throws SpikewasmError for a layer that the network does not have */
function layersOf({ session }: Model, asked: string | undefined): string[] {
  const known = Object.keys(session.settings.states)
  expect(known.length > 0, () => 'show --trace: the network has no layers of neurons')
  expect(
    asked === undefined || known.includes(asked),
    () => `--layer must be one of ${known.join(', ')}, got ${asked}`,
  )
  if (asked !== undefined) return [asked]
  const spiking = session.graph.nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  return spiking.length > 0 ? spiking : known
}

function tracesOf(
  model: Model,
  layer: string,
  { neuron: asked }: Pick<TraceArguments, 'neuron'>,
): NeuronTrace[] {
  const states: RecordedStates = model.states(layer)
  const { potential = states.output, threshold, spike } = states
  const [steps, , C, H, W] = potential.shape
  const count = C * H * W
  const chosen = asked ?? [spike ? busiest(spike.data, count) : 0]
  return chosen.map((neuron) => {
    expect(
      Number.isInteger(neuron) && neuron >= 0 && neuron < count,
      () => `--neuron must be from 0 to ${count - 1} in ${layerLabel(layer)}, got ${neuron}`,
    )
    const of = (state = potential): number[] =>
      Array.from({ length: steps }, (_, t) => state.data[t * count + neuron])
    const [c, y, x] = [Math.floor(neuron / (H * W)), Math.floor(neuron / W) % H, neuron % W]
    const place = H * W > 1 ? ` (channel ${c}, row ${y}, column ${x})` : ''
    return {
      ...{ layer, neuron, title: `${layerLabel(layer)}, neuron ${neuron}${place}` },
      potential: of(),
      ...(threshold && { threshold: of(threshold) }),
      ...(spike && { spikes: of(spike) }),
    }
  })
}

async function writePage(out: string, title: string, traces: readonly Trace[]): Promise<void> {
  const figure = {
    id: 'traces',
    title: 'Potentials and spikes',
    caption:
      'The potential that is compared with the threshold, before a spike resets it; triangles ' +
      'are spikes.',
    charts: traces.map(traceChart),
  }
  const body = `<h1>${escapeHtml(title)}</h1>\n${figureHtml(figure)}`
  const page = await pageHtml({ title, body, figures: [figure] })
  await writeFileAtomic(out, new TextEncoder().encode(page))
}
