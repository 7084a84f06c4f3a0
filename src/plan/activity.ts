/**
 * What evaluation counts of a network's activity: at how many steps each input of a layer with
 * weights is not 0, and what neurons do. The records run only when the host wants it, and count on
 * from run to run until the host takes what they have counted.
 */

import { ActivityCount, Plane } from '../../assembly/opcodes.js'
import { recordable } from '../equations/recorded.js'
import { describe, fail } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import type { NeuronModel } from '../nn/neuron-model.js'
import { own } from '../own.js'
import { budgets, inUnits } from './budgets.js'
import { storedChannels } from './layout.js'
import type { NeuronResults } from './neuron-record.js'
import type { Pass, RateProbe, ValueCounts } from './pass.js'
import { activeFloats, activeSpikes, recordSpikes } from './records/active.js'
import {
  type FloatTensor,
  type Shape,
  type SpikeInput,
  type SpikeTensor,
  windowWords,
} from './tensors.js'
import { type Buffer, ref } from './words.js'

/** Where the host says whether it wants counts; undefined where the program has none. */
const wantedIn = ({ context, training }: Pass): Buffer | undefined =>
  training || context.run !== 'forward' || !context.buffers.losses
    ? undefined
    : context.buffers.activityWanted

/** Memory that all calls of a layer count in. */
const countBuffer = ({ b, context }: Pass, name: string, bytes: number): Buffer =>
  b.carried(context.carried, name, bytes, 'statistics')

/** Counts the values of `shape`, which are floats or spikes. */
export function countValues(
  pass: Pass,
  node: GraphNode,
  of: ValueCounts['of'],
  shape: Shape,
  seen: FloatTensor | SpikeInput,
): void {
  const wanted = wantedIn(pass)
  if (!wanted) return
  const { stored } = 'sources' in seen ? seen.sources[0] : seen
  const pixels = shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, stored)
  const out = countBuffer(pass, `${node.name} ${of} counts`, pixels * stored * 4)
  const others = countBuffer(pass, `${node.name} ${of} others`, units * 4)
  const { images, callSteps: steps } = pass
  const shared = { out, others, images, pixels, channels: stored, steps, pixelsPerUnit }
  pass.b.when(ref(wanted), () => {
    if ('sources' in seen) {
      const { sources, pool } = seen
      const [, sourceH, sourceW] = sources[0].shape
      pass.b.emit(activeSpikes, units, {
        ...shared,
        mostCounted: budgets.byteCount,
        width: shape[2],
        sources: sources.map(({ masks }) => ({ masks: ref(masks) })),
        sourceCount: sources.length,
        planeBytes: pass.context.images * sourceH * sourceW * stored,
        sourceH,
        sourceW,
        ...windowWords(pool),
      })
    } else {
      const { address, indirect, pixelBytes, stepBytes, loopBytes } = pass.dense(seen)
      const place = { in: address, indirect, pixelBytes, stepBytes, loopBytes }
      pass.b.emit(activeFloats, units, { ...shared, ...place })
    }
  })
  const scaled = 'sources' in seen && seen.scale !== 1
  const counted = { counts: out, copies: 1, others, units, shape, stored, scaled }
  pass.activity.values.push({ node: node.index, of, ...counted })
}

/** Where a layer of neurons counts, as its record has it; nothing where nobody wants to know. */
export function countNeurons(
  pass: Pass,
  node: GraphNode,
  units: number,
  spiking = true,
): Pick<NeuronResults, 'activity' | 'activityWanted'> {
  const activityWanted = wantedIn(pass)
  if (!activityWanted) return {}
  const activity = countBuffer(pass, `${node.name} activity`, units * ActivityCount.Bytes)
  const [c, h, w] = node.shape
  const neurons = c * h * w
  pass.activity.neurons.push({ node: node.index, counts: activity, units, neurons, spiking })
  return { activity, activityWanted }
}

/** Where a layer of so many units, each an image, counts what comes to its recurrent weight. */
export function countArrivals(
  pass: Pass,
  { name, index: node, shape }: GraphNode,
  units: number,
  stored: number,
): Buffer | undefined {
  if (!wantedIn(pass)) return undefined
  const bytes = units * shape[1] * shape[2] * stored * 4
  const counts = countBuffer(pass, `${name} recurrent counts`, bytes)
  const probe = { node, of: 'recurrent', counts, copies: units, units: 0, shape, stored } as const
  pass.activity.values.push({ ...probe, scaled: false })
  return counts
}

/**
 * Where a layer's record keeps values by name, of all steps; a stream has those of its last one.
 * @throws SpikewasmError for names that the equations do not have
 */
export function recordStates(
  pass: Pass,
  { name, shape }: GraphNode,
  { equations, parameters }: NeuronModel,
): NeuronResults['recorded'] {
  const { options, context, callSteps, b } = pass
  const asked = own(options.states ?? {}, name)
  if (!asked || options.fixed) return undefined
  const known = recordable(equations, Object.keys(parameters))
  const names = asked === 'all' ? known : [...new Set(asked)]
  for (const one of names)
    if (!known.includes(one))
      fail(`compile.record: layer ${name} has no ${describe(one)}; there are ${known.join(', ')}`)
  const whole = context.run !== 'stream'
  const steps = whole ? options.timeSteps : callSteps
  const stored = storedChannels(shape[0])
  const bytes = pass.images * shape[1] * shape[2] * steps * names.length * stored * 4
  const buffer = b.carried(context.carried, `${name} states`, bytes, 'recorded')
  pass.states.push({ name, names, buffer, steps, shape, stored })
  return { at: buffer, values: { names, steps, whole } }
}

/**
 * Keeps a layer's spikes of all steps, where they are recorded: those of calls are put together. A
 * stream has those of its last step.
 */
export function recordMasks(
  pass: Pass,
  { masks, shape, stored, name }: SpikeTensor,
): RateProbe['recorded'] {
  const { b, context, callSteps, options } = pass
  if (!pass.isRecorded(name)) return undefined
  if (!context.outer || context.run === 'stream') return { masks, steps: callSteps }
  const { timeSteps: steps } = options
  const bytes = pass.images * shape[1] * shape[2] * stored
  const planes = Math.ceil(steps / Plane.Steps)
  const out = b.carried(context.carried, `${name} record`, planes * bytes, 'statistics')
  const bytesPerUnit = budgets.recordBytes
  const sizes = { planeBytes: bytes, bytesPerUnit, steps: callSteps }
  b.emit(recordSpikes, Math.ceil(bytes / bytesPerUnit), { in: masks, out, ...sizes })
  return { masks: out, steps }
}
