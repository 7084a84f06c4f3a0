/**
 * Graph + method → a plan: parameters, buffers with addresses, programs. Plain data; nothing is
 * allocated here.
 */

import { Control } from '../../assembly/opcodes.js'
import { roundUp } from '../base/numbers.js'
import type { Buffer, MemoryKind } from '../kernels/records/words.js'
import { type Graph, inputsOf, readersOf } from '../network/trace.js'
import { sizeOf } from '../network/value.js'
import { budgets, singlesOf, workersOf } from './budgets.js'
import { checkReads } from './check.js'
import { remake } from './checkpoints.js'
import {
  Context,
  type IntegerWeight,
  namedBuffers,
  type Parameter,
  type PlanOptions,
  purposeOf,
  type Run,
  type Statistic,
} from './context.js'
import type { Cut } from './cuts.js'
import { layOut } from './emit/encode.js'
import {
  asksIntegers,
  emitQuantiseAll,
  type FoundIntegers,
  foundIntegers,
  integerWeights,
} from './emit/integer-weights.js'
import { checkLossOfMethod, readsSteps, targetFloats } from './emit/loss.js'
import { storedChannels } from './layout.js'
import { assignAddresses, assignAddressesByWorker } from './memory.js'
import { type Pass, planOf } from './pass.js'
import { atOnce, type Parts, type PlannedRecord, ProgramBuilder } from './program.js'
import {
  forwardProgram,
  type ProgramName,
  type ProgramPlan,
  streamProgram,
  trainingPrograms,
} from './programs.js'
import type { Choices } from './recompute.js'
import { collectState } from './state.js'

export type { IntegerWeight, Parameter, PlanOptions, Purpose, Statistic } from './context.js'
export type { Method, MethodOptions, StepMode } from './methods.js'
export type { RateProbe, StateProbe } from './pass.js'

export type { ProgramName } from './programs.js'

/** A part of a program in memory. */
export interface PlacedCut extends Cut {
  readonly address: number
}

/** A program in memory, and what a host finds in it. */
export interface Program extends Omit<ProgramPlan, 'name' | 'cuts'> {
  readonly address: number
  /** Its parts, where the host may run them one by one. */
  readonly cuts?: readonly PlacedCut[]
  /** Those of all sections. */
  readonly records: readonly PlannedRecord[]
  /** On how many threads it runs: no more than its work is worth. One is the calling thread. */
  readonly workers: number
}

/** Parameters, buffers with addresses and programs of a model. */
export type Plan = Readonly<Of<ReturnType<typeof laidOut>>>
type Of<P> = P extends Parts<infer T> ? T : never

/** What a model's memory is used for, in bytes. */
export interface MemoryUse {
  /** The records that the engine executes. */
  readonly program: number
  /** As stored, padded channels included. */
  readonly parameters: number
  /** Part of `parameters`: whole numbers of weights, and their scales; absent where none are. */
  readonly integers?: number
  /** Laid out as the parameters are. */
  readonly gradients: number
  /** What the optimizer keeps from step to step. */
  readonly optimizer: number
  /** Running statistics, outputs and losses. */
  readonly statistics: number
  /** States that are recorded at each step; absent where none is. */
  readonly recorded?: number
  /** Batches of images and labels. */
  readonly input: number
  /** Part of `scratch`: what the forward pass writes and the backward pass reads. */
  readonly kept: number
  /** Activations and working buffers, which share memory where their lifetimes allow it. */
  readonly scratch: number
  /** Scratch of the workers. */
  readonly workers: number
  /** All memory of the model. */
  readonly total: number
}

/** Not by `Math.max`: as arguments of a call, a million records overflow the stack. */
const greatest = (least: number, values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), least)

/**
 * Zeros that stand for rows outside an image: as many as a kernel reads at once, a kernel row or a
 * flattened image of channels.
 */
function zerosOf(graph: Graph): number {
  const zeros = graph.nodes.map(({ index, shape }) => {
    const pixels = readersOf(graph, index).map((of) => planOf(of).pixels?.(of.layer) ?? 1)
    return storedChannels(shape[0]) * greatest(1, pixels)
  })
  return greatest(0, zeros)
}

/**
 * What the buffers of one pass may take: about the workers' second-level caches, or a quarter of
 * the weights, which each pass reads once more.
 */
const passRoom = (parameterBytes: number, workers: number): number =>
  Math.max(budgets.passBytes * workers, parameterBytes / 4)

/** Everything about a model's memory and programs, for a number of workers. */
export const makePlan = (options: PlanOptions, workers: number): Plan =>
  atOnce(planInParts(options, workers))

/** The same in parts. */
export function* planInParts(options: PlanOptions, workers: number): Parts<Plan> {
  checkLossOfMethod(options)
  const found = yield* findIntegers(options)
  const whole = yield* planRuns(options, options.batchSize, workers, found)
  const images = imagesOfPass(whole, workers)
  return images < options.batchSize ? yield* planRuns(options, images, workers, found) : whole
}

/** Whether results of whole batches are kept to be read. */
const keepsBatches = ({ inspect, record = [], states = {} }: PlanOptions): boolean =>
  inspect || record.length > 0 || Object.keys(states).length > 0

/**
 * Images that run together in inference. A batch whose buffers are larger than the caches takes
 * less memory in passes, and hardly more time. All passes have the same number of images, so that
 * rates count each image once.
 */
function imagesOfPass({ options, memory }: Plan, workers: number): number {
  const { batchSize } = options
  // Several inputs lie one behind the other, each of the whole batch.
  const isOne = inputsOf(options.graph).length === 1
  if (!purposeOf(options).passes || !isOne || keepsBatches(options)) return batchSize
  const room = passRoom(memory.parameters, workers)
  if (memory.scratch <= room) return batchSize
  const most = Math.max(1, Math.floor((batchSize * room) / memory.scratch))
  const divisors = Array.from({ length: batchSize }, (_, i) => i + 1).filter(
    (images) => batchSize % images === 0,
  )
  // Far smaller passes than fit would be slow: then rather one that takes more.
  const fitting = divisors.findLast((images) => images <= most && images > most / 8)
  return fitting ?? (divisors.find((images) => images > most) as number)
}

const NO_PROBES: Pass['probes'] = { neurons: [], weights: [] }

const recordsOf = ({ sections }: ProgramPlan): PlannedRecord[] => sections.flatMap((s) => s.records)

/** What the programs of a plan share. */
function beginPlan(options: PlanOptions, integerOf: ReadonlySet<number> = new Set()) {
  const { graph, fixed } = options
  const state = collectState(graph, fixed ? integerOf : undefined)
  const { parameters, statistics } = state
  const b = new ProgramBuilder()
  const sizes = { ...state, zeros: zerosOf(graph), stepOutputs: readsSteps(options) }
  const named = namedBuffers(b, options, sizes)
  const integers = integerWeights(b, options, [...parameters, ...state.others], integerOf)
  const renew = (): void => emitQuantiseAll(b, graph, integers, parameters, named.parameters)
  if (integers.length > 0 && !fixed && !purposeOf(options).anytime) b.prepare(renew)
  const contexts: Context[] = []
  const contextOf: ContextOf = (images, of, run, carried) => {
    const given = [parameters, statistics, of, run, integers, carried] as const
    const context = Object.assign(new Context(options, images, b, ...given), { renew })
    contexts.push(context)
    return context
  }
  return { b, state, named, integers, contexts, contextOf }
}

/**
 * Nodes whose weights are whole numbers, undefined where none asks for them. Which these are is
 * known when all layers have been lowered.
 */
function* findIntegers(options: PlanOptions): Parts<FoundIntegers | undefined> {
  if (!asksIntegers(options)) return undefined
  const { state, named, contexts, contextOf } = beginPlan(options)
  const { batchSize } = options
  if (named.training) {
    const buffers = { ...named, ...named.training }
    yield* trainingPrograms(contextOf(batchSize, named, 'training'), state, buffers)
  } else {
    // What is dropped in training may be floats there: other purposes have the same bits.
    const dropping: ContextOf = (...of) => Object.assign(contextOf(...of), { drops: true })
    yield* forwardPrograms(options, batchSize, named, dropping)
  }
  yield* forwardPrograms(options, batchSize, named, contextOf)
  return foundIntegers(options.graph, contexts)
}

/**
 * A plan whose runs take so many images. `found`: nodes whose weights are whole numbers. A plan
 * that makes activations again is made twice: `choices` are what it does otherwise, as it takes no
 * more memory.
 */
function* planRuns(
  options: PlanOptions,
  passImages: number,
  workers: number,
  found: FoundIntegers | undefined,
  choices?: Choices,
): Parts<Plan> {
  const { graph } = options
  const purpose = purposeOf(options)
  const { b, state, named, integers, contexts, contextOf } = beginPlan(options, found?.nodes)
  const { parameters, statistics } = state
  const inputs = inputBuffers(b, options, named.losses !== undefined)
  // What a training step has found may be read after others have run.
  const carried = options.inspect ? undefined : new Map<string, Buffer>()

  const planned: ProgramPlan[] = []
  let keptBytes = 0
  if (named.training) {
    const context = contextOf(passImages, named, 'training', carried)
    if (options.gradientCheckpoint === 'layers') context.remade = remake(b, choices)
    const made = yield* trainingPrograms(context, state, { ...named, ...named.training })
    if (context.remade && !choices) {
      const fitting = context.remade.choicesThatFit(passImages)
      const again = yield* planRuns(options, passImages, workers, found, fitting)
      // Where few steps or small layers leave nothing to save.
      const asWithout = { ...options, gradientCheckpoint: 'none' } as const
      const without = yield* planRuns(asWithout, passImages, workers, found)
      return again.memory.total < without.memory.total ? again : { ...without, options }
    }
    planned.push(...made.programs.filter(({ name }) => name === 'train' || purpose.gradients))
    keptBytes = made.keptBytes
  }
  const forward = yield* forwardPrograms(options, passImages, named, contextOf, carried)
  planned.push(...forward.programs)
  if (b.prepared) planned.push({ ...b.prepared, name: 'prepare', rates: [], probes: NO_PROBES })
  checkReads(planned, graph)
  yield
  const lone = contexts.find(({ lone }) => lone)?.lone
  const buffers = { ...named, ...inputs }
  const floats = found?.floats
  const own = { parameters, integers, floats, statistics }
  const given = { options, ...own, named: buffers, lone, passImages }
  return yield* laidOut(b, planned, forward.starts, workers, keptBytes, given)
}

type ContextOf = (
  images: number,
  of: Context['buffers'],
  run: Run,
  carried?: Context['carried'],
) => Context

/** The programs of a purpose that run forward alone, and the first records of two of them. */
function* forwardPrograms(
  options: PlanOptions,
  passImages: number,
  named: ReturnType<typeof namedBuffers>,
  contextOf: ContextOf,
  carried?: Context['carried'],
): Parts<{ readonly programs: readonly ProgramPlan[]; readonly starts: readonly number[] }> {
  const purpose = purposeOf(options)
  const whole = contextOf(passImages, named, 'forward', carried)
  const { builder: b } = whole
  const starts = [b.now]
  const programs: ProgramPlan[] = []
  const forwardOf = (images: number, output: Buffer, run: Run): Context =>
    contextOf(images, { ...named, losses: undefined, output }, run)
  if (purpose.evaluate) programs.push(yield* forwardProgram(whole, 'evaluate'))
  // Where batches of one image run already, it is not needed.
  if (purpose.single && (!purpose.evaluate || (passImages > 1 && !keepsBatches(options)))) {
    starts.push(b.now)
    programs.push(yield* forwardProgram(forwardOf(1, named.output, 'forward'), 'single'))
  }
  if (purpose.stream)
    programs.push(yield* streamProgram(forwardOf(passImages, named.outputSoFar, 'stream')))
  return { programs, starts }
}

/** Slots: two where one is filled while the other is read; a stream has one. */
function inputBuffers(b: ProgramBuilder, options: PlanOptions, hasLoss: boolean) {
  const { batchSize, input, frames, timeSteps, fixed, training } = options
  const wanted = hasLoss ? targetFloats(options) : 0
  const slots = Array.from({ length: fixed ? 1 : purposeOf(options).slots }, (_, i) => i)
  const each = (name: string, floats: number): readonly Buffer[] =>
    slots.map((i) => b.buffer(`${name} ${i}`, batchSize * floats * 4, 'input'))
  return {
    images: each('images', sizeOf(input) * (frames ? timeSteps : 1)),
    labels: each('labels', 1),
    /** Wanted outputs, where the loss is of them and not of labels. */
    targets: wanted > 0 ? each('targets', wanted) : [],
    /** Weights of samples, where they have some. */
    weights: hasLoss && training?.weighted ? each('weights', 1) : [],
  }
}

/** What a plan has before anything has an address. */
interface Given {
  readonly options: PlanOptions
  /** Those that are floats in memory. */
  readonly parameters: readonly Parameter[]
  /** Weights of whole numbers. */
  readonly integers: readonly IntegerWeight[]
  /** Layers that were to have such, by their first nodes, and why they have not. */
  readonly floats?: FoundIntegers['floats'] | undefined
  readonly statistics: readonly Statistic[]
  readonly named: ReturnType<typeof namedBuffers> & ReturnType<typeof inputBuffers>
  /** Why its training programs must not run on a single sample. */
  readonly lone?: string
  /** Images of one run. Fewer than the batch where a batch runs in passes. */
  readonly passImages: number
}

function* laidOut(
  b: ProgramBuilder,
  planned: readonly ProgramPlan[],
  starts: readonly number[],
  workers: number,
  keptBytes: number,
  given: Given,
) {
  const { options, parameters, passImages, named } = given
  const used = b.buffers.filter((buffer) => buffer.persistent || buffer.last >= 0)
  const encodedAt = Control.Bytes
  const laid = layOut(planned, workers, encodedAt)
  const base = roundUp(encodedAt + laid.size, 64) + 64
  yield
  // In inference, buffers of their own must not take back what passes save.
  const ownBytes = purposeOf(options).passes
    ? passRoom(named.parameters.bytes, workers)
    : budgets.ownMemoryBytes
  const end =
    workers > 1
      ? assignAddressesByWorker(used, base, starts, ownBytes)
      : assignAddresses(used, base)
  yield
  const encoded = laid.encode()
  const scratches = planned.flatMap(recordsOf).map((record) => record.scratch)
  const times = options.engine === 'wide' ? 2 : 1
  const workerScratch = times * (roundUp(greatest(64, scratches), 64) + 64)
  const wholes = given.integers.flatMap(({ weight, scale }) => [weight.bytes, scale.bytes])
  const memory = {
    ...memoryUse(used, laid.size, end - base, keptBytes, workerScratch * workers),
    ...(wholes.length > 0 && { integers: wholes.reduce((a, b) => a + b) }),
  }
  const programs = planned.map((of, i): [string, Program] => {
    const address = encoded.programs[i]
    const cuts = of.cuts?.map((cut, k) => ({ ...cut, address: encoded.cuts[i][k] }))
    const program = { ...of, cuts, address, records: recordsOf(of) }
    return [of.name, { ...program, workers: workersOf(of, workers) }]
  })
  return {
    ...given,
    buffers: used as readonly Buffer[],
    programs: Object.fromEntries(programs) as { readonly [name in ProgramName]?: Program },
    /** Functions that its records call. */
    kernels: b.kernels,
    /** Runs that a batch takes: the batch is passes · passImages images. */
    passes: options.batchSize / passImages,
    /** When and how `predict` runs images one by one. */
    singles: singlesOf(options, parameters, passImages, planned, workers),
    encoded,
    encodedAt,
    /** Bytes of scratch for one worker, and where the workers' scratch starts. */
    workerScratch,
    workerScratchAt: end,
    memory: { ...memory, total: end + memory.workers + 64 } as MemoryUse,
  }
}

/** What memory is used for, whose buffers take so many bytes. */
function memoryUse(
  used: readonly Buffer[],
  program: number,
  bytes: number,
  keptBytes: number,
  workers: number,
): Omit<MemoryUse, 'total'> {
  const own = used.filter(({ persistent }) => persistent)
  const sum = (of: MemoryKind): number =>
    own.filter(({ purpose }) => purpose === of).reduce((n, x) => n + x.bytes, 0)
  const recorded = sum('recorded')
  const scratch = Math.max(0, bytes - own.reduce((n, x) => n + x.bytes + 64, 0)) + sum('kept')
  return {
    program,
    parameters: sum('parameters'),
    gradients: sum('gradients'),
    optimizer: sum('optimizer'),
    statistics: sum('statistics'),
    ...(recorded > 0 ? { recorded } : {}),
    input: sum('input'),
    kept: Math.min(keptBytes, scratch),
    scratch,
    workers,
  }
}
