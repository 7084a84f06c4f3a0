/** `spikewasm show --trace`: potential, threshold and spikes of neurons of a trained model. */

import type { Dataset } from '../data/dataset.js'
import { fail } from '../errors.js'
import type { Model } from '../model.js'
import type { CompileOptions } from '../network.js'
import { fires } from '../nn/kind.js'
import { figureHtml, pageHtml } from '../pages/frame.js'
import { escapeHtml } from '../pages/html.js'
import { layerLabel } from '../pages/run.js'
import { busiest, type Trace, traceChart, traceText } from '../pages/trace.js'
import { checkBy, integer } from '../rules.js'
import { writeText } from './mistakes.js'
import * as shared from './options.js'
import * as o from './spec.js'
import { answer } from './terminal.js'
import { modelFileSpecs, withModelOnData } from './which-model.js'

/** A model, a sample and some of its neurons. */
export const traceSpecs = {
  ...modelFileSpecs,
  ...o.withoutPreset({ dataset: shared.data.dataset }),
  data: shared.data.data,
  ...shared.modelOfData,
  ...o.withoutPreset(shared.time),
  ...shared.split,
  sample: o.number('<i>', 'which sample of it, from 0 on', { preset: 0 }),
  layer: o.text('<name>', 'a layer of neurons', { usual: 'all that spike' }),
  neuron: o.numbers('<list>', 'neurons of a layer, from 0 on', { usual: 'a busy one of each' }),
}

interface TraceArguments extends o.ArgumentsOf<typeof traceSpecs> {
  readonly out?: string
  readonly json: boolean
}

export async function showTrace(args: TraceArguments): Promise<void> {
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
    if (out !== undefined) await writeText(out, () => pageOf(title, traces))
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

function pageOf(title: string, traces: readonly Trace[]): Promise<string> {
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
