/** A prepared network → the bytes of its module. */

import { Control } from '../../assembly/opcodes.js'
import type { Program } from '../plan/plan.js'
import { roundUp } from '../round-up.js'
import { VERSION } from '../version.js'
import {
  ABI_VERSION,
  inputCount,
  labelBytes,
  type NetAddresses,
  type NetInfo,
  type NetTarget,
  STRUCT_BYTES,
  writeInfoStruct,
} from './abi.js'
import { type Contents, contentsOf, copyRanges, segmentsOf } from './contents.js'
import { call, type Driver, loadWord, specialise } from './module.js'
import type { ExportSettings } from './options.js'
import { mostSynops, type Prepared } from './prepare.js'
import { lowerToScalar } from './scalar/scalar.js'
import { sectionBytes } from './section.js'
import { decodeModule } from './wasm/decode.js'
import { encodeModule } from './wasm/encode.js'
import { type Expression, type Func, i32, operation } from './wasm/ir.js'

const PAGE = 65536

/** Memory behind that of the plan, handed out piece by piece. */
class Behind {
  constructor(public end: number) {}

  take(bytes: number): number {
    const at = roundUp(this.end, 16)
    this.end = at + bytes
    return at
  }
}

/** The module of a network. `engine`: the bytes of the engine that its code is taken from. */
export function buildNet(
  prepared: Prepared,
  engine: Uint8Array,
  settings: ExportSettings,
  target: NetTarget,
): Uint8Array {
  const { plan } = prepared
  const { options, named, parameters } = plan
  const { graph, input, frames, timeSteps } = options
  const { mode, labels, inputType } = settings
  const channels = input[0]
  const classes = graph.nodes[graph.output].shape[0]
  const info: NetInfo = {
    abi: ABI_VERSION,
    version: VERSION,
    name: settings.name,
    input,
    inputType,
    frames: frames && mode !== 'step',
    timeSteps,
    classes,
    labels,
    mean: inputType === 'u8' ? (settings.mean ?? Array(channels).fill(0)) : undefined,
    std: inputType === 'u8' ? (settings.std ?? Array(channels).fill(1)) : undefined,
    mode,
    target,
    stepMode: options.stepMode,
    batchSize: settings.batchSize,
    weights: settings.weights,
    parameters: parameters.reduce(
      (n, { layout }) => n + layout.shape.reduce((a, b) => a * b, 1),
      0,
    ),
    weightBytes: 0,
    memoryBytes: PAGE,
    usedBytes: PAGE,
    synops: { max: mostSynops(graph, frames, timeSteps), mean: settings.synops },
  }

  const behind = new Behind(plan.memory.total)
  const functions = decodeModule(engine)
  const image = named.images[0].address
  const count = inputCount(info)
  // Channels last is the same as channels first where there is one of either.
  const [c, h, w] = input
  const steps = info.frames ? timeSteps : 1
  const direct = inputType === 'f32' && (c * steps === 1 || h * w === 1)
  const at: NetAddresses = {
    input: direct ? image : behind.take(count * (inputType === 'u8' ? 1 : 4)),
    output: mode === 'step' ? behind.take(classes * 4) : named.output.address,
    labels: labels ? behind.take(labelBytes(labels).length) : 0,
    mean: info.mean ? behind.take(channels * 4) : 0,
    std: info.std ? behind.take(channels * 4) : 0,
  }
  const struct = behind.take(STRUCT_BYTES)

  const convert: Expression[] =
    inputType === 'u8'
      ? [call(functions, 'edgeBytes', at.input, image, steps, c, h * w, at.mean, at.std)]
      : direct
        ? []
        : [call(functions, 'edgeFloats', at.input, image, steps, c, h * w)]
  const run = ({ address }: Program): Expression =>
    call(functions, 'run', address, 0, 1, plan.workerScratchAt, 0, 0)
  const constant = (name: string, value: number): Driver => ({
    name,
    result: 'i32',
    body: [i32(value)],
  })
  const { evaluate, stream } = plan.programs
  const programs = [evaluate, stream].filter((program) => program !== undefined)
  const drivers: Driver[] = [
    constant('abi_version', ABI_VERSION),
    constant('info_ptr', struct),
    constant(inputType === 'u8' ? 'input_u8_ptr' : 'input_ptr', at.input),
    constant(inputType === 'u8' ? 'input_u8_len' : 'input_len', count),
    constant('output_ptr', at.output),
    constant('output_len', classes),
    { name: 'predicted_class', result: 'i32', body: [loadWord(named.predictions.address)] },
  ]
  if (evaluate)
    drivers.push({ name: 'infer', result: undefined, body: [...convert, run(evaluate)] })
  if (stream) {
    const mean = call(functions, 'edgeMean', named.output.address, at.output, classes, timeSteps)
    const first = operation('i32.store', [i32(Control.FirstStep), i32(0)], { align: 2 })
    drivers.push(
      { name: 'step', result: undefined, body: [...convert, run(stream), mean] },
      { name: 'reset', result: undefined, body: [first] },
    )
  }
  const contents = contentsOf(prepared, programs)
  const table = behind.take(contents.table.length + 4)
  if (contents.entries > 0)
    drivers.push({ name: START, result: undefined, body: spread(functions, table, contents) })
  const changing = stream ? [Control.FirstStep] : []
  const { read, ...code } = specialise(functions, prepared, programs, drivers, changing)
  const pages = Math.ceil(behind.end / PAGE)
  const complete: NetInfo = {
    ...info,
    weightBytes: contents.weightBytes,
    memoryBytes: pages * PAGE,
    usedBytes: behind.end,
  }

  const bytes = new Uint8Array(behind.end)
  bytes.set(contents.bytes)
  copyRanges(prepared, read, bytes)
  bytes.set(contents.table, table)
  if (labels) bytes.set(labelBytes(labels), at.labels)
  if (info.mean) bytes.set(new Uint8Array(Float32Array.from(info.mean).buffer), at.mean)
  if (info.std) bytes.set(new Uint8Array(Float32Array.from(info.std).buffer), at.std)
  bytes.set(writeInfoStruct(complete, at), struct)
  const exports = new Map(code.drivers)
  exports.delete(START)
  const kept = new Set(code.drivers.values())
  return encodeModule({
    functions: target === 'scalar' ? lowerToScalar(code.functions, kept) : code.functions,
    exports,
    start: code.drivers.get(START),
    pages,
    segments: segmentsOf(bytes),
    custom: [sectionBytes(complete)],
  })
}

const START = 'start'

/**
 * Spreads padded weights, once: a host may run the module, keep its memory, and start another
 * instance with it.
 */
function spread(
  functions: ReadonlyMap<string, Func>,
  table: number,
  { table: { length }, entries }: Contents,
): Expression[] {
  const done = table + length
  const label = { kind: 'block', result: undefined } as const
  const set = operation('i32.store', [i32(done), i32(1)], { align: 2 })
  const expand = call(functions, 'edgeExpand', table, entries)
  return [
    {
      kind: 'block',
      label,
      body: [{ kind: 'br_if', label, value: undefined, condition: loadWord(done) }, set, expand],
    },
  ]
}
