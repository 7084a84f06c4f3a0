/** What a loss and a penalty are, and which there are. */

import { describe, expectFinite, fail } from '../base/errors.js'
import { complete, type Made, maker, type Rule } from '../base/rules.js'
import type { crossEntropy, output } from '../kernels/records/loss.js'
import type { FieldsOf } from '../kernels/records/schema.js'
import type { Loss, Penalty } from '../network/optimizer.js'
import type { Graph, GraphNode } from '../network/trace.js'
import { show } from '../network/value.js'
import type { PlanOptions } from './context.js'
import type { Pass } from './pass.js'
import type { ProgramBuilder } from './program.js'
import type { Expression, SpikeTensor } from './tensors.js'
import type { TrainingSpec } from './training.js'

export type { Loss } from '../network/optimizer.js'

/** What the records of all losses have. */
export type LossFields = Pick<
  FieldsOf<typeof crossEntropy>,
  | (keyof FieldsOf<typeof crossEntropy> & keyof FieldsOf<typeof output>)
  | 'output'
  | 'losses'
  | 'delta'
  | 'gradientScale'
>

/** What a loss may read of the training that it is for. */
export interface LossNumbers {
  /** Whether each step's output has a gradient of its own. */
  readonly instantaneous: boolean
  /** Whether all steps have one, and not those alone that a run chooses. */
  readonly allSteps: boolean
  /** Share of the mean squared error in the cross entropy, in online methods. */
  readonly mseWeight: number
  /** What rates are multiplied by: T for counts, else 1. */
  readonly factor: number
  /** What the output is multiplied by; absent: nothing. */
  readonly outputScale: number | undefined
}

/** An output besides the last. */
export interface Exit {
  readonly name: string
  readonly node: GraphNode
  readonly value: Expression
}

/** The end of a network. */
export interface End {
  readonly pass: Pass
  readonly node: GraphNode
  readonly x: Expression
  readonly others: readonly Exit[]
}

/** What planner, session, data and the command line ask of a loss. */
interface LossKind<L extends Loss, O extends object> extends Made<O> {
  /** Whether it is of the output of each step. */
  ofSteps?(loss: L): boolean
  /** Whether it is a function of the user's: the host computes it, and its gradient. */
  readonly isHost?: boolean
  /** Whether it is of all outputs of a network with several. */
  readonly ofExits?: boolean
  /** Whether it compares outputs with numbers, so that their error is told, not the accuracy. */
  ofValues?(loss: L): boolean
  /** Numbers of a sample's target, 0 for a label; absent: `ofValues` tells, one for each output. */
  targetFloats?(loss: L, options: Pick<PlanOptions, 'graph' | 'timeSteps'>): number
  /** What a number of a target may be; default: all that are finite. */
  targetRule?(loss: L, classes: number): Rule<number> | undefined
  /** @throws SpikewasmError for a network or a method that it is not defined for */
  checkPlan?(loss: L, options: PlanOptions): void
  /** The record that writes the loss, and in training its gradient. */
  emit(b: ProgramBuilder, loss: L, fields: LossFields, numbers: LossNumbers): void
  /** Where training is not by the last output alone. */
  lower?(end: End, loss: L): void
}

type KnownLoss = LossKind<Loss, Record<string, unknown>> & { make(options: object): Loss }

const losses = new Map<string, KnownLoss>()
/** A loss that is neither a function nor a text of the user's. */
export type BuiltIn = Exclude<
  Loss,
  { readonly evaluate: unknown } | { readonly text: string }
>['kind']

const names: BuiltIn[] = []

/** Names of all losses that are known, and need no function or text of the user's. */
export const lossNames: readonly BuiltIn[] = names

export const lossKind = (kind: Loss['kind']): KnownLoss => losses.get(kind) as KnownLoss

/** Makes a loss known. @returns the function that makes it */
export function defineLoss<L extends Loss, O extends object>(
  kind: L['kind'],
  of: LossKind<L, O>,
): (options?: O, ...more: []) => L {
  const make = maker<L, O>(kind, of, {})
  losses.set(kind, { ...of, make } as unknown as KnownLoss)
  if (!(of.isHost || 'text' in of.options)) names.push(kind as BuiltIn)
  return make
}

let ofExits: ((graph: Graph) => Loss) | undefined

/** Whoever makes networks with several outputs brings along their loss. */
export const useForExits = (make: (graph: Graph) => Loss): void => {
  ofExits = make
}

/** Sizes of several outputs, as messages name them; undefined where they are the same. */
export function differingSizes(graph: Graph): string | undefined {
  const { nodes, exits = [], output, outputName } = graph
  const all = [...exits, { name: outputName, node: output }]
  const sizes = all.map(({ node }) => show(nodes[node]))
  if (new Set(sizes).size === 1) return undefined
  return all.map(({ name }, i) => `${sizes[i]} of ${name}`).join(', ')
}

/** The loss of a network with several outputs where none is given. */
export const lossOfExits = (graph: Graph): Loss | undefined => graph.exits && ofExits?.(graph)

/** Whether a loss is of the sum over time, not of the mean. */
export const isOfCounts = (loss: Loss): boolean => 'of' in loss && loss.of === 'counts'

/** Whether a loss is of the output of each step, not of their mean. */
export const isOfSteps = (loss: Loss): boolean => lossKind(loss.kind).ofSteps?.(loss) ?? false

/** Whether a number of a target counts nowhere. */
export const isIgnored = (loss: Loss, value: number): boolean =>
  'ignore' in loss &&
  loss.ignore !== undefined &&
  Object.is(Math.fround(Number(loss.ignore)) + 0, value + 0)

/** Whether a loss is of numbers that the data give for each output, not of labels. */
export const isOfValues = (loss: Loss): boolean => lossKind(loss.kind).ofValues?.(loss) ?? false

/** Numbers that a sample's target has; 0 where it is a label. */
export function targetFloatsOf(
  loss: Loss,
  options: Pick<PlanOptions, 'graph' | 'timeSteps'>,
): number {
  const { graph } = options
  const { targetFloats } = lossKind(loss.kind)
  if (targetFloats) return targetFloats(loss, options)
  return isOfValues(loss) ? graph.nodes[graph.output].shape[0] : 0
}

/**
 * @param name what messages call the targets
 * @param size numbers of a sample
 * @throws SpikewasmError for a number that the loss cannot be of
 */
export function expectTargets(
  name: string,
  loss: Loss,
  classes: number,
  targets: Float32Array,
  size: number,
): void {
  const rule = lossKind(loss.kind).targetRule?.(loss, classes)
  if (!rule) {
    expectFinite(name, targets, size, targets.length / size)
    return
  }
  const at = targets.findIndex((value) => !rule.fits(value))
  if (at >= 0)
    fail(
      `${name} must hold ${rule.words}, got ${targets[at]} at index ${at}, in sample ` +
        `${Math.floor(at / size)}`,
    )
}

/** Whether it is the text of a loss: a word alone is a name. */
export const isText = (loss: unknown): loss is string => typeof loss === 'string' && /\W/.test(loss)

/** The loss that a text is short for, where the function that makes such losses is there. */
export const lossFrom = <L>(loss: L | string): Exclude<L, string> | Loss =>
  (isText(loss) && losses.get('customText')?.make({ text: loss })) || (loss as Exclude<L, string>)

/** @throws SpikewasmError unless `loss` is complete, or a text */
export function checkLoss(name: string, loss: Loss | string): void {
  const { kind, ...options } = Object(lossFrom(loss)) as Loss
  const known = losses.get(kind)
  if (!known)
    fail(
      `${name} must be made by ${[...names, 'custom'].join(', ')}, as in crossEntropy() or ` +
        `custom(f), or be a text such as '(y - target)^2', got ${describe(loss)}`,
    )
  const all = complete(kind, known.options, options)
  // No caller said them: a completed loss has defaults that its own function might refuse.
  known.check?.(all, {})
}

/** A penalty of a plan, with the neuron layers that it is on. */
type Planned<P> = Omit<P, 'layers'> & Pick<TrainingSpec['penalties'][number], 'layers'>

/** What planner and options ask of a penalty. */
interface PenaltyKind<P extends Penalty, O extends object> extends Made<O> {
  /** Hands its gradient to a layer's spikes, behind those of their readers. @param name its own */
  give(pass: Pass, node: GraphNode, spikes: SpikeTensor, penalty: Planned<P>, name: string): void
}

type KnownPenalty = PenaltyKind<Penalty, object>

const penalties = new Map<string, KnownPenalty>()

/** Makes a penalty known. @returns the function that makes it */
export function definePenalty<P extends Penalty, O extends object>(
  kind: P['kind'],
  of: PenaltyKind<P, O>,
): (options: O, ...more: []) => P {
  penalties.set(kind, of as unknown as KnownPenalty)
  return maker<P, O>(kind, of)
}

/** Hands the gradients of a layer's penalties to its spikes. */
export function givePenalties(pass: Pass, node: GraphNode, spikes: SpikeTensor): void {
  for (const [i, penalty] of pass.options.training?.penalties.entries() ?? [])
    if (penalty.layers.includes(node.name))
      penalties.get(penalty.kind)?.give(pass, node, spikes, penalty, `penalty ${i}`)
}

/** @throws SpikewasmError unless it is a list of penalties */
export function checkPenalties(name: string, list: readonly Penalty[]): void {
  if (!(Array.isArray(list) && list.every((penalty) => penalties.has(penalty?.kind))))
    fail(
      `${name} must be an array of what ${[...penalties.keys()].join(', ') || 'ratePenalty'} ` +
        `makes, got ${describe(list)}`,
    )
  for (const { kind, ...options } of list)
    complete(kind, (penalties.get(kind) as KnownPenalty).options, options)
}
