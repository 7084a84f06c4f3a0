/**
 * What evaluation counts of a network's activity: at how many steps each input of a layer with
 * weights is not 0, and what neurons do. The records run only when the host wants it, and count on
 * from run to run until the host takes what they have counted.
 */

import { ActivityCount, Plane } from '../../../assembly/opcodes.js'
import { describe, fail } from '../../base/errors.js'
import { own } from '../../base/objects.js'
import { recordable } from '../../kernels/equations/kernel-set.js'
import * as records from '../../kernels/records/activity.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import type { NeuronModel } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import type { Windows } from '../../network/window.js'
import { budgets, inUnits } from '../budgets.js'
import { storedChannels } from '../layout.js'
import type { Pass, RateProbe, ValueCounts } from '../pass.js'
import type { ProgramBuilder } from '../program.js'
import * as tensors from '../tensors.js'
import type { NeuronResults } from './neuron-record.js'

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
  shape: tensors.Shape,
  seen: tensors.FloatTensor | tensors.SpikeInput,
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
      pass.b.emit(records.activeSpikes, units, {
        ...shared,
        mostCounted: budgets.byteCount,
        width: shape[2],
        sources: sources.map(({ masks }) => ({ masks: ref(masks) })),
        sourceCount: sources.length,
        planeBytes: pass.context.images * sourceH * sourceW * stored,
        sourceH,
        sourceW,
        ...tensors.windowWords(pool),
      })
    } else {
      const input = pass.dense(seen)
      const { address, pixelBytes, stepBytes, loopBytes } = input
      const indirect = tensors.indirectWord(input)
      const place = { in: address, indirect, pixelBytes, stepBytes, loopBytes }
      pass.b.emit(records.activeFloats, units, { ...shared, ...place })
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
  { masks, shape, stored, name }: tensors.SpikeTensor,
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
  b.emit(records.recordSpikes, Math.ceil(bytes / bytesPerUnit), { in: masks, out, ...sizes })
  return { masks: out, steps }
}

// Records of max pooling.

/** Windows over images, from one extent to another. */
export interface MaxPool {
  readonly window: Windows
  readonly images: number
  /** Channels as stored. */
  readonly stored: number
  readonly steps: number
  readonly from: { readonly shape: tensors.Shape }
  readonly to: { readonly shape: tensors.Shape }
}

/** Units that have so many floats of each pixel, and the sizes of a record. */
function sizesOf({ window, images, stored, from, to }: MaxPool, floats: number) {
  const [, height, width] = to.shape
  const [, sourceH, sourceW] = from.shape
  const pixels = images * height * width
  const words = tensors.windowWords(window)
  const fields = { images, channels: stored, ...words, height, width, sourceH, sourceW }
  return { ...inUnits(pixels, floats), pixels, fromPixels: images * sourceH * sourceW, fields }
}

/** Where the choice of each window goes: one for all steps, or one at each. */
export interface Choice {
  readonly buffer: Buffer
  readonly perStep: boolean
}

type Spikes = Pick<tensors.SpikeTensor, 'masks' | 'counts'>

/** Max pooling of spikes; `counts` are those of the input where the rate chooses. */
export function emitMaxPool(
  b: ProgramBuilder,
  pool: MaxPool,
  input: Spikes,
  output: Spikes,
  of: {
    choice?: Buffer
    perStep: boolean
    loop: boolean
    countsOfRates?: boolean
    /** In place of the input's counts. */
    sums?: Buffer
  },
): void {
  const { stored, steps } = pool
  const { choice, perStep, loop, countsOfRates, sums } = of
  const { units, pixelsPerUnit, pixels, fromPixels, fields } = sizesOf(pool, stored * 4)
  b.emit(records.maxPool, units, {
    ...fields,
    in: input.masks,
    inCounts: (choice && !perStep) || countsOfRates ? input.counts : undefined,
    inSums: sums,
    inPlaneBytes: fromPixels * stored,
    out: output.masks,
    counts: output.counts,
    planeBytes: pixels * stored,
    choice,
    choicePerStep: perStep,
    steps,
    pixelsPerUnit,
    loop,
    countsOfRates: countsOfRates || undefined,
  })
}

/** Max pooling of floats: the sums over time of `chooser` choose, or else each step's values. */
export function emitMaxPoolFloats(
  b: ProgramBuilder,
  pool: MaxPool,
  places: Pick<FieldsOf<typeof records.maxPoolFloats>, 'in' | 'out' | 'choice' | 'chooser'>,
): void {
  const { units, pixelsPerUnit, fields } = sizesOf(pool, pool.stored * pool.steps)
  b.emit(records.maxPoolFloats, units, { ...fields, ...places, steps: pool.steps, pixelsPerUnit })
}

/** Sends each gradient to the place that was chosen: from the pooled extent to the source's. */
export function emitMaxPoolBackward(
  b: ProgramBuilder,
  pool: MaxPool,
  delta: Buffer,
  { buffer: choice, perStep: choicePerStep }: Choice,
  out: Buffer,
): void {
  const { units, pixelsPerUnit, fields } = sizesOf(pool, pool.stored * pool.steps)
  const places = { in: delta, choice, choicePerStep, out }
  b.emit(records.maxPoolBackward, units, { ...fields, ...places, steps: pool.steps, pixelsPerUnit })
}
