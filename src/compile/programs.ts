/** The programs that a purpose needs. */

import type { Buffer } from '../kernels/records/words.js'
import { type Exit, type Graph, type GraphNode, readersOf } from '../network/trace.js'
import { type Context, purposeOf } from './context.js'
import { type Cut, cutsOf } from './cuts.js'
import { emitInputGradients, startInputGradients } from './emit/input-gradient.js'
import { isForHost, lowerLoss } from './emit/loss.js'
import {
  emitAccumulate,
  emitClear,
  emitMeanUpdate,
  emitUpdate,
  type Update,
  updateRanges,
} from './emit/update.js'
import { type Demand, Pass, planOf } from './pass.js'
import type { Parts, PlannedProgram, Section } from './program.js'
import type { State } from './state.js'
import type { Expression } from './tensors.js'
import { expectAccumulates, standardTraining, type TrainingBuffers } from './training.js'

/**
 * @param training whether a backward pass follows
 * @param callSteps steps of the call that the records make
 */
export function* lowerGraph(context: Context, training: boolean, callSteps: number): Parts<Pass> {
  const { graph } = context.options
  const wanted = (node: GraphNode): Demand =>
    Object.assign({}, ...readersOf(graph, node.index).map((reader) => planOf(reader).wants?.(pass)))
  const pass = new Pass(context, training, callSteps, wanted)
  // The host gets all outputs in evaluation too.
  const { options, run } = context
  const all = training || (isForHost(options) && run === 'forward' && !options.fixed)
  const exits = (all && graph.exits) || []
  const needed = neededNodes(graph, exits)
  const values: Expression[] = []
  for (const node of graph.nodes) {
    if (!needed.has(node.index)) continue
    context.builder.inLayer(node.index, () => {
      const inputs = node.inputs.map((i) => values[i])
      values[node.index] = planOf(node).lower(pass, node, node.layer, ...inputs)
    })
    yield
  }
  const last = graph.nodes[graph.output]
  const others = exits.map(({ name, node }) => {
    return { name, node: graph.nodes[node], value: values[node] }
  })
  context.builder.inLayer(last.index, () => lowerLoss(pass, last, values[last.index], others))
  return pass
}

/** What outputs depend on. Inputs come before their readers. */
function neededNodes(graph: Graph, exits: readonly Exit[]): Set<number> {
  const needed = new Set([graph.output, ...exits.map(({ node }) => node)])
  for (const { index, inputs } of graph.nodes.toReversed())
    if (needed.has(index)) for (const input of inputs) needed.add(input)
  return needed
}

/**
 * `train` is a whole step, `gradients` one without the optimizer; `accumulate` adds up gradients of
 * several batches, and `update` makes the step with their mean.
 */
export type ProgramName =
  | 'train'
  | 'gradients'
  | 'accumulate'
  | 'update'
  | 'evaluate'
  | 'single'
  | 'stream'
  | 'prepare'

export interface ProgramPlan extends PlannedProgram {
  readonly name: ProgramName
  /** Rates of the neuron layers after it. */
  readonly rates: Pass['rates']
  /** Values that are recorded, by layers of neurons. */
  readonly states?: Pass['states']
  /**
   * What `diagnostics` reads; empty unless gradients have a row for each step and `inspect` was
   * asked for.
   */
  readonly probes: Pass['probes']
  /** Penalties on firing rates that it adds to the loss; training programs have them. */
  readonly penalties?: Pass['penalties']
  /** What the network gives: outputs of each size of call, in their order. */
  readonly outputs?: Context['outputs']
  /** Its parts, where the host may run them one by one. */
  readonly cuts?: readonly Cut[]
  /** Where it leaves the gradients of inputs, where these are wanted. */
  readonly inputGradients?: Pass['inputGradients']
  /** What it counts where `named.activityWanted` is not 0; of the program `evaluate`. */
  readonly activity?: Pass['activity']
}

/**
 * Forward and backward, with and without the optimizer's step. `keptBytes`: of what the forward
 * pass keeps for the backward pass.
 */
export function* trainingPrograms(
  context: Context,
  { parameters, parameterFloats: floats }: State,
  buffers: TrainingBuffers & { readonly parameters: Buffer },
): Parts<{ programs: ProgramPlan[]; keptBytes: number }> {
  const { builder: b, options, outer, online, masked, accumulate } = context
  const { anytime } = purposeOf(options)
  const updatesInLoop = online && options.update === 'everyStep'
  const { training: spec = standardTraining } = options
  expectAccumulates(spec, options)
  const update = { spec, buffers, ranges: updateRanges(parameters, spec, floats), floats }
  const step = (): void => {
    b.phase = 'update'
    emitUpdate(b, update)
    if (updatesInLoop || !anytime) context.renew()
  }
  const { sections } = b.program('train', stepsInside(context))
  if (accumulate) emitClear(b, buffers.gradients, floats)
  if (anytime) context.renew()
  startInputGradients(context)
  let forwardEnd = 0
  function* backward(pass: Pass): Parts<void> {
    forwardEnd ||= b.now
    b.phase = 'backward'
    yield* pass.rewind()
    emitInputGradients(pass)
  }
  const pass = yield* lowerCalls(context, true, function* (call) {
    if (!online) return
    if (masked) b.setCondition('stepMask')
    yield* backward(call)
    if (updatesInLoop) step()
    b.phase = 'forward'
  })
  if (!online) {
    if (outer) b.startSection(1)
    yield* backward(pass)
  }
  b.phase = 'backward'
  b.startSection(1)
  pass.complete()
  b.startSection(1)
  if (!updatesInLoop) step()
  const withoutUpdate = sections.map((section) => ({
    ...section,
    records: section.records.filter((r) => r.phase !== 'update'),
  }))
  const { rates, states, probes, penalties, inputGradients } = pass
  const found = { rates, states, probes, penalties, inputGradients }
  const programs: ProgramPlan[] = [
    { name: 'train', sections, ...partsOf(context, sections), ...found },
    { name: 'gradients', sections: withoutUpdate, ...found },
  ]
  if (spec.accumulate) programs.push(...programsApart(context, update))
  return { programs, keptBytes: bytesKept(b.buffers, forwardEnd) }
}

/** The step with the gradients of several batches. */
function programsApart({ builder: b, renew }: Context, update: Update): ProgramPlan[] {
  const apart = (name: 'accumulate' | 'update', emit: () => void): ProgramPlan => {
    const { sections } = b.program(name)
    b.phase = 'update'
    emit()
    return { name, sections, rates: [], probes: { neurons: [], weights: [] }, penalties: [] }
  }
  const step = (): void => {
    emitMeanUpdate(b, update)
    renew()
  }
  return [apart('accumulate', () => emitAccumulate(b, update)), apart('update', step)]
}

/** What the host needs that runs a step in parts. */
function partsOf({ online, outputs, options }: Context, sections: Section[]) {
  return {
    // Behind all calls there are the outputs of the last one.
    outputs: online ? outputs : outputs.slice(-1),
    cuts: isForHost(options) ? cutsOf({ name: 'train', sections }, online) : undefined,
  }
}

/** Bytes of what a forward pass that ends with a record leaves to the backward pass. */
function bytesKept(buffers: readonly Buffer[], forwardEnd: number): number {
  // What no backward record reads makes room for others before the forward pass has ended.
  const kept = buffers.filter(
    (x) =>
      (x.purpose === 'kept' || x.purpose === 'scratch') &&
      x.first < forwardEnd &&
      (x.last >= forwardEnd || (x.purpose === 'kept' && x.persistent)),
  )
  return kept.reduce((n, x) => n + x.bytes, 0)
}

/** One time step forward; neurons keep their potentials for the next one. */
export function* streamProgram(context: Context): Parts<ProgramPlan> {
  const { sections } = context.builder.program('stream')
  const { rates, states, probes } = yield* lowerCalls(context, false)
  return { name: 'stream', sections, rates, states, probes }
}

/**
 * Forward alone, with running statistics. `single` is of one image, without a loss, since nobody
 * has labels: its context has one image and no place for losses.
 */
export function* forwardProgram(context: Context, name: 'evaluate' | 'single'): Parts<ProgramPlan> {
  const { sections } = context.builder.program(name, stepsInside(context))
  if (purposeOf(context.options).anytime) context.renew()
  const { rates, states, probes, activity } = yield* lowerCalls(context, false)
  const outputs = context.outputs.slice(-1)
  return { name, sections, rates, states, probes, activity, outputs }
}

/** Steps of a program's first section, which makes the call where there is one. */
const stepsInside = ({ outer, calls }: Context): number => (outer ? 1 : calls[0].steps)

/**
 * Emits the calls of the network. Those of different sizes have records of their own, and share
 * what they carry.
 *
 * @param behind emits what runs at the end of each call.
 * @returns the pass of the last call, which has all results
 */
function* lowerCalls(
  context: Context,
  training: boolean,
  behind?: (pass: Pass) => Parts<void>,
): Parts<Pass> {
  let pass: Pass | undefined
  for (const { from, steps, repeats } of context.calls) {
    if (context.outer) context.builder.startSection(repeats, from, steps)
    pass = yield* lowerGraph(context, training, steps)
    context.outputs.push(pass.outputs)
    if (behind) yield* behind(pass)
  }
  return pass as Pass
}
