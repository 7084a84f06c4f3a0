/** A prepared network → the bytes of its module. */

import { Control, StepGroup } from '../../assembly/opcodes.js'
import { roundUp } from '../base/numbers.js'
import { VERSION } from '../base/version.js'
import type { Plan, Program } from '../compile/plan.js'
import { collectState } from '../compile/state.js'
import { groupOffset } from '../compile/training.js'
import { dropout, dropoutFloats } from '../kernels/records/activity.js'
import { kernelOf } from '../kernels/records/schema.js'
import type { Buffer } from '../kernels/records/words.js'
import { decodeFunctions, decodeModule } from '../kernels/wasm/decode.js'
import { encodeModule } from '../kernels/wasm/encode.js'
import { type Constant, type Expression, type Func, i32, operation } from '../kernels/wasm/ir.js'
import { type Graph, type GraphNode, inputsOf } from '../network/trace.js'
import { type InputShape, imageShape, sizeOf, sizesOf } from '../network/value.js'
import { draws } from '../nn/layers/equations.js'
import { ABI_VERSION, inputCount, type NetInfo, type NetTarget } from './abi.js'
import { type Contents, contentsOf, copyRanges, type Range, segmentsOf } from './contents.js'
import { seal, sectionBytes } from './file.js'
import { labelBytes, type NetAddresses, STRUCT_BYTES, writeInfoStruct } from './header.js'
import { paramsOf, stateEntries } from './learning.js'
import {
  call,
  callOf,
  type Driver,
  loadWord,
  reachable,
  specialise,
  store,
  word,
} from './module.js'
import type { ExportSettings } from './options.js'
import type { Prepared } from './prepare.js'
import { lowerToScalar } from './scalar/lower.js'
import { synapticOperations } from './synops.js'

/** Bytes of the options that a host may change. */
export const learningOptions: Range = { from: Control.LearningRate, to: Control.Nesterov + 4 }

/** Which control words a step changes, besides those that nobody takes for constant. */
export const changedBySteps = ({ options }: Plan): Control[] =>
  chooses(options) ? [Control.StepMask] : []

const chooses = ({ backwardSteps, timeSteps }: Plan['options']): boolean =>
  backwardSteps < timeSteps

/**
 * The functions of a file that learns.
 *
 * @param convert brings the batch into the plan's order
 * @param run runs the program of a training step
 * @param stepsAt address of the number of steps so far
 */
export function learningDrivers(
  functions: ReadonlyMap<string, Func>,
  { plan, learning }: Prepared,
  train: Program,
  convert: readonly Expression[],
  run: Expression,
  stepsAt: number,
): Driver[] {
  const { options, named } = plan
  const { batchSize, graph, timeSteps, backwardSteps } = options
  const labels = named.labels[0].address
  const { from, count } = paramsOf(plan)
  const seed = i32(learning?.seed ?? 0)
  const steps = (): Expression => loadWord(stepsAt)
  const drops =
    train.records.some(({ name }) => name === dropout.name || name === dropoutFloats.name) ||
    graph.nodes.some(({ layer }) => layer?.kind === 'equations' && draws(layer))
  const random: Expression[] = [
    ...(drops ? [callOf(functions, 'edgeSeed', [seed, steps()])] : []),
    ...(chooses(options)
      ? [callOf(functions, 'edgeStepMask', [seed, steps(), i32(timeSteps), i32(backwardSteps)])]
      : []),
  ]
  const classes = graph.nodes[graph.output].shape[0]
  const fits = callOf(functions, 'edgeLabels', [i32(labels), i32(batchSize), i32(classes)])
  const next = store(stepsAt, operation('i32.add', [steps(), i32(1)]))
  const step: Expression = {
    kind: 'if',
    label: { kind: 'block', result: undefined },
    condition: fits,
    yes: [
      ...(random.length > 0 ? [...random, next] : []),
      store(Control.NonFinite, i32(0)),
      ...convert,
      ...optionsOf(plan),
      run,
    ],
    no: [call(functions, 'edgeRefuse')],
  }
  const nan: Constant = { kind: 'const', type: 'f32', value: Number.NaN }
  const mean = operation('f32.load', [i32(Control.Loss)], { align: 2 })
  const args = [nan, mean, loadWord(Control.NonFinite)] as const
  const loss: Expression = { kind: 'select', type: 'f32', args }
  return [
    word('label_ptr', i32(labels)),
    word('label_len', i32(batchSize)),
    word('options_ptr', i32(learningOptions.from)),
    word('params_ptr', i32(from)),
    word('params_len', i32(count)),
    word('correct', loadWord(Control.Correct)),
    { name: 'loss', result: 'f32', body: [loss] },
    { name: 'train_step', result: undefined, body: [step] },
  ]
}

const rangeOf = ({ address, bytes }: Buffer): Range => ({ from: address, to: address + bytes })

/** Brings the options that a host may change to where a rule with numbers of its own reads them. */
function optionsOf({ named }: Plan): Expression[] {
  const { numbers } = named.training ?? {}
  if (!numbers) return []
  return [true, false].flatMap((decays) => {
    const at = numbers.address + groupOffset(0, decays)
    const rate = loadWord(Control.LearningRate)
    const decay = loadWord(decays ? Control.Decay : Control.DecayOther)
    return [store(at + StepGroup.Rate, rate), store(at + StepGroup.Decay, decay)]
  })
}

const PAGE = 65536

/** Memory behind that of the plan, handed out piece by piece. */
class Behind {
  /** What is in pieces from the start. */
  readonly contents: (readonly [address: number, bytes: Uint8Array])[] = []

  constructor(public end: number) {}

  take(bytes: number): number {
    const at = roundUp(this.end, 16)
    this.end = at + bytes
    return at
  }

  put(bytes: Uint8Array): number {
    const at = this.take(bytes.length)
    this.contents.push([at, bytes])
    return at
  }
}

/** What a file says about itself; of its weights and memory, before these are known. */
function infoOf({ plan, rounded }: Prepared, settings: ExportSettings, target: NetTarget): NetInfo {
  const { options } = plan
  const { graph, input, frames, timeSteps } = options
  const { mode, labels, inputType, batchSize, weights, synops } = settings
  const perChannel = (given: readonly number[] | undefined, usual: number) =>
    inputType === 'u8' ? (given ?? Array<number>(input[0]).fill(usual)) : undefined
  const isFrames = frames && mode !== 'step'
  return {
    abi: ABI_VERSION,
    version: VERSION,
    name: settings.name,
    input,
    ...namedInputs(graph, isFrames ? timeSteps : 1),
    inputType,
    frames: isFrames,
    timeSteps,
    classes: graph.nodes[graph.output].shape[0],
    labels,
    mean: perChannel(settings.mean, 0),
    std: perChannel(settings.std, 1),
    mode,
    target,
    stepMode: options.stepMode,
    method: options.method,
    batchSize,
    weights: plan.integers.length > 0 ? weights : 'f32',
    otherWeights: rounded.size > 0 ? 'int8' : 'f32',
    parameters: parameterCount(plan),
    weightBytes: 0,
    memoryBytes: PAGE,
    usedBytes: PAGE,
    synops: { max: synapticOperations(graph, frames, timeSteps), mean: synops },
    state: mode === 'train' ? stateEntries(plan) : undefined,
  }
}

/** Where named inputs lie in a sample. */
function namedInputs(graph: Graph, steps: number): Pick<NetInfo, 'inputs'> {
  const inputs = inputsOf(graph)
  if (inputs[0].name === '') return {}
  let offset = 0
  return {
    inputs: inputs.map((input) => {
      const own = { name: input.name, shape: sizesOf(input) as unknown as InputShape, offset }
      offset += sizeOf(input.shape) * steps
      return own
    }),
  }
}

/** The inputs of a sample; one where they have no names. */
const partsOf = ({ inputs, input }: NetInfo) =>
  (inputs ?? [{ shape: input, offset: 0 }]).map(({ shape, offset }) => ({
    shape: imageShape(shape),
    offset,
  }))

/** Where a host writes and reads. */
function addressesOf({ named }: Plan, info: NetInfo, behind: Behind): NetAddresses {
  const { inputType, labels, mean, std } = info
  const steps = info.frames ? info.timeSteps : 1
  // Channels last is the same as channels first where there is one of either.
  const isSame = ([c, h, w]: readonly number[]): boolean => c * steps === 1 || h * w === 1
  const parts = partsOf(info)
  const isApart = parts.length > 1 && info.batchSize > 1
  const direct = inputType === 'f32' && !isApart && parts.every(({ shape }) => isSame(shape))
  const floats = (all: readonly number[] | undefined): number =>
    all ? behind.put(new Uint8Array(Float32Array.from(all).buffer)) : 0
  const bytes = inputCount(info) * (inputType === 'u8' ? 1 : 4)
  return {
    input: direct ? named.images[0].address : behind.take(bytes),
    output: info.mode === 'step' ? behind.take(info.classes * 4) : named.output.address,
    labels: labels ? behind.put(labelBytes(labels)) : 0,
    mean: floats(mean),
    std: floats(std),
  }
}

/** Brings images from where a host writes them into the order of the plan. */
function conversion(
  functions: ReadonlyMap<string, Func>,
  image: number,
  info: NetInfo,
  at: NetAddresses,
): (images: number, steps: number) => Expression[] {
  if (at.input === image) return () => []
  return (images, steps) => {
    const parts = partsOf(info)
    // A sample has its inputs one behind the other; in the plan each is by itself, of all samples.
    const [times, each] = parts.length > 1 ? [images, 1] : [1, images]
    const all = inputCount(info) / info.batchSize
    return parts.flatMap(({ shape: [c, h, w], offset }) =>
      Array.from({ length: times }, (_, b) => {
        const from = at.input + 4 * (b * all + offset)
        const to = image + 4 * (offset * images + b * steps * c * h * w)
        const args = [from, to, each, steps, c, h * w]
        return info.inputType === 'u8'
          ? call(functions, 'edgeBytes', ...args, at.mean, at.std)
          : call(functions, 'edgeFloats', ...args)
      }),
    )
  }
}

/** Functions that tell a host where it writes and reads, and what was predicted. */
function wordsOf(info: NetInfo, at: NetAddresses, struct: number, predicted: number): Driver[] {
  const input = info.inputType === 'u8' ? 'input_u8' : 'input'
  return [
    word('abi_version', i32(ABI_VERSION)),
    word('info_ptr', i32(struct)),
    word(`${input}_ptr`, i32(at.input)),
    word(`${input}_len`, i32(inputCount(info))),
    word('output_ptr', i32(at.output)),
    word('output_len', i32(info.classes)),
    word('predicted_class', loadWord(predicted)),
  ]
}

/** The module of a network. `engine`: the bytes of the engine that its code is taken from. */
export function buildNet(
  prepared: Prepared,
  engine: Uint8Array,
  settings: ExportSettings,
  target: NetTarget,
): Uint8Array {
  const { plan, learning } = prepared
  const { named } = plan
  const info = infoOf(prepared, settings, target)
  const { classes, timeSteps } = info
  const behind = new Behind(plan.memory.total)
  // Copies: what is specialised changes in place.
  const functions = decodeModule(engine, plan.kernels && decodeFunctions(plan.kernels.bytes(false)))
  const at = addressesOf(plan, info, behind)
  const struct = behind.take(STRUCT_BYTES)
  const convert = conversion(functions, named.images[0].address, info, at)
  const run = ({ address }: Program): Expression =>
    call(functions, 'run', address, 0, 1, plan.workerScratchAt, 0, 0)
  const { evaluate, single, stream, train } = plan.programs
  const forward = evaluate ?? single
  const programs = [forward, stream, train].filter((program) => program !== undefined)
  const drivers = wordsOf(info, at, struct, named.predictions.address)
  const steps = info.frames ? timeSteps : 1
  if (forward)
    drivers.push({ name: 'infer', result: undefined, body: [...convert(1, steps), run(forward)] })
  if (stream) {
    const raw = named.outputSoFar.address
    const mean = call(functions, 'edgeMean', raw, at.output, classes, timeSteps)
    drivers.push(...streamDrivers([...convert(1, 1), run(stream), mean], forward && behind.take(4)))
  }
  const stepsAt = behind.take(4)
  if (train) {
    const batch = convert(settings.batchSize, steps)
    drivers.push(...learningDrivers(functions, prepared, train, batch, run(train), stepsAt))
  }
  const contents = contentsOf(prepared, programs, (piece) => behind.put(piece))
  const table = behind.take(contents.table.length + 4)
  if (contents.entries > 0)
    drivers.push({ name: START, result: undefined, body: spread(functions, table, contents) })
  const changing = stream ? [Control.FirstStep] : train ? changedBySteps(plan) : []
  const { read, ...code } = specialise(functions, prepared, programs, drivers, changing)

  const bytes = new Uint8Array(behind.end)
  bytes.set(contents.bytes)
  copyRanges(prepared, read, bytes)
  bytes.set(contents.table, table)
  if (learning) {
    const { numbers } = named.training ?? {}
    copyRanges(prepared, [learningOptions, ...(numbers ? [rangeOf(numbers)] : [])], bytes)
    new DataView(bytes.buffer).setUint32(stepsAt, learning.steps, true)
  }
  for (const [address, piece] of behind.contents) bytes.set(piece, address)
  const { end: usedBytes } = behind
  const { weightBytes } = contents
  const memoryBytes = roundUp(usedBytes, PAGE)
  const complete: NetInfo = { ...info, weightBytes, memoryBytes, usedBytes }
  bytes.set(writeInfoStruct(complete, at), struct)
  const users = (func: string): string[] => usersOf(func, engine, plan, programs)
  return sealed(complete, code, bytes, users)
}

/** The module of functions and memory, with its seal. */
function sealed(
  info: NetInfo,
  { functions, drivers }: Omit<ReturnType<typeof specialise>, 'read'>,
  bytes: Uint8Array,
  users: (func: string) => string[],
): Uint8Array {
  const exports = new Map(drivers)
  exports.delete(START)
  const kept = new Set(drivers.values())
  const module = encodeModule({
    functions: info.target === 'scalar' ? lowerToScalar(functions, kept, users) : functions,
    exports,
    start: drivers.get(START),
    pages: info.memoryBytes / PAGE,
    segments: segmentsOf(bytes),
    custom: [sectionBytes(info)],
  })
  return seal(module)
}

/**
 * `step` and `reset`. The step that follows is in a control word, and where another program needs
 * that word to be 0, meanwhile at `kept`.
 */
function streamDrivers(step: readonly Expression[], kept: number | undefined): Driver[] {
  const { FirstStep } = Control
  const clear = store(FirstStep, i32(0))
  const body =
    kept === undefined
      ? step
      : [store(FirstStep, loadWord(kept)), ...step, store(kept, loadWord(FirstStep)), clear]
  return [
    { name: 'step', result: undefined, body },
    { name: 'reset', result: undefined, body: [store(kept ?? FirstStep, i32(0))] },
  ]
}

/** Numbers that were trained, in whatever form. */
const parameterCount = ({ options }: Plan): number =>
  collectState(options.graph).parameters.reduce((n, { layout }) => n + sizeOf(layout.shape), 0)

const START = 'start'

/**
 * Spreads padded weights, once: a host may run the module, keep its memory, and start another
 * instance with it.
 */
function spread(
  functions: ReadonlyMap<string, Func>,
  table: number,
  { table: { length }, entries, expand: name }: Contents,
): Expression[] {
  const done = table + length
  const label = { kind: 'block', result: undefined } as const
  const set = store(done, i32(1))
  const expand = call(functions, name, table, entries)
  const isDone: Expression = { kind: 'br_if', label, value: undefined, condition: loadWord(done) }
  return [{ kind: 'block', label, body: [isDone, set, expand] }]
}

/**
 * The layers whose operations reach a function, as messages name them, for example `2, maxPool2d`.
 * Empty for what all of them use.
 */
export function usersOf(
  func: string,
  engine: Uint8Array,
  { kernels, options: { graph } }: Plan,
  programs: readonly Program[],
): string[] {
  // Read again: the code of a network has been changed in place.
  const functions = decodeModule(engine, kernels && decodeFunctions(kernels.bytes(false)))
  const users = new Set<GraphNode>()
  for (const { layer, ...kind } of programs.flatMap(({ records }) => records)) {
    const node = graph.nodes[layer]
    const kernel = node && functions.get(kernelOf(kind))
    if (kernel && reachable([kernel]).some(({ name }) => name === func)) users.add(node)
  }
  return Array.from(users, ({ name, kind }) => `${name || 'network'}, ${kind}`)
}
