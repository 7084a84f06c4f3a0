/**
 * A hand-made exported network of one linear layer, as bytes: it has the whole interface, so that
 * what reads, checks and runs exported files can be tested without the exporter.
 *
 * A frame x gives y[k] = b[k] + Σ w[k][i]·x[i] in float32, added in the order of i. `infer` gives the
 * mean of y over the frames, `step` the mean since `reset`. `train_step` adds the learning rate to
 * each parameter; `loss` is the first label, `correct` the second word of the options as a whole
 * number.
 */

import { ABI_VERSION, inputCount, type NetInfo, netExports } from '../../src/edge/abi.js'
import { seal, sectionBytes } from '../../src/edge/file.js'
import {
  labelBytes,
  type NetAddresses,
  STRUCT_BYTES,
  writeInfoStruct,
} from '../../src/edge/header.js'

export interface TinyOptions {
  readonly info?: Partial<NetInfo>
  /** [classes][C·H·W]; default: class k looks at pixel k alone. */
  readonly weights?: ArrayLike<number>
  /** [classes]; default 0 */
  readonly bias?: ArrayLike<number>
  /** How often `infer` computes the layer for a still sample: it is slow without a large file. */
  readonly repeats?: number
  /** What is wrong with the file. */
  readonly flaws?: Flaws
}

export interface Flaws {
  /** Payload of the custom section; null: no section. */
  readonly section?: Uint8Array | null
  /** Bytes of the memory's limits. */
  readonly limits?: readonly number[]
  /** An export that is left out. */
  readonly without?: string
  /** Constants that functions answer instead. */
  readonly answers?: Readonly<Record<string, number>>
  /** Addresses in the struct. */
  readonly addresses?: Partial<NetAddresses>
  /** Import a function. */
  readonly imports?: boolean
  /** Bytes of a start function's body. */
  readonly start?: readonly number[]
  /** A body instead of a function's own. */
  readonly bodies?: Readonly<Record<string, readonly number[]>>
}

type Code = readonly (number | Code)[]

const flat = (code: Code): number[] => code.flatMap((c) => (typeof c === 'number' ? [c] : flat(c)))

function unsigned(value: number): number[] {
  const bytes = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return [...bytes, value]
}

function signed(value: number): number[] {
  const bytes = []
  for (; value < -64 || value > 63; value >>= 7) bytes.push((value & 127) | 128)
  return [...bytes, value & 127]
}

const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...flat(items)]
const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes]
const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)]
const text = (name: string): number[] => sized([...new TextEncoder().encode(name)])

const I32 = 0x7f
const F32 = 0x7d
const constant = (value: number): Code => [0x41, ...signed(value | 0)]
const number = (value: number): Code => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)]
const get = (local: number): Code => [0x20, ...unsigned(local)]
const set = (local: number, value: Code): Code => [value, 0x21, ...unsigned(local)]
const load = (address: Code): Code => [address, 0x28, 2, 0]
const loadFloat = (address: Code): Code => [address, 0x2a, 2, 0]
const loadByte = (address: Code): Code => [address, 0x2d, 0, 0]
const store = (address: Code, value: Code): Code => [address, value, 0x36, 2, 0]
const storeFloat = (address: Code, value: Code): Code => [address, value, 0x38, 2, 0]
const add = (a: Code, b: Code): Code => [a, b, 0x6a]
const times = (a: Code, b: Code): Code => [a, b, 0x6c]
const over = (a: Code, b: Code): Code => [a, b, 0x6d]
const addFloat = (a: Code, b: Code): Code => [a, b, 0x92]
const subtract = (a: Code, b: Code): Code => [a, b, 0x93]
const timesFloat = (a: Code, b: Code): Code => [a, b, 0x94]
const divide = (a: Code, b: Code): Code => [a, b, 0x95]
const toFloat = (a: Code): Code => [a, 0xb2]
const call = (index: number, ...args: Code[]): Code => [...args, 0x10, ...unsigned(index)]
/** For `local` from 0 to count − 1; count ≥ 1. */
const loop = (local: number, count: number, body: Code): Code => [
  set(local, constant(0)),
  0x03,
  0x40,
  body,
  set(local, add(get(local), constant(1))),
  [get(local), constant(count), 0x49, 0x0d, 0],
  0x0b,
]

/** A function with so many locals of i32 and f32 behind its parameters. */
function body(code: Code, i32 = 0, f32 = 0): number[] {
  const locals = [
    ...(i32 ? [[...unsigned(i32), I32]] : []),
    ...(f32 ? [[...unsigned(f32), F32]] : []),
  ]
  return sized([...vector(locals), ...flat(code), 0x0b])
}

export function tinyInfo(info: Partial<NetInfo> = {}): NetInfo {
  const { input = [1, 2, 2], classes = 3, mode = 'infer' } = info
  const parameters = classes * (input.reduce((a, b) => a * b, 1) + 1)
  return {
    abi: ABI_VERSION,
    version: '0.1.0',
    input,
    inputType: 'f32',
    frames: false,
    timeSteps: 4,
    classes,
    mode,
    target: 'scalar',
    stepMode: 'm',
    batchSize: 1,
    weights: 'f32',
    otherWeights: 'f32',
    parameters,
    weightBytes: 4 * parameters,
    memoryBytes: 65536,
    usedBytes: 0,
    synops: { max: 4 * parameters },
    ...(mode === 'train' ? { method: 'rate' as const } : {}),
    ...info,
  }
}

/** Where everything lies; addresses in bytes. */
function place(info: NetInfo): {
  at: NetAddresses
  names: Record<'struct' | 'weights' | 'bias' | 'sum' | 'steps' | 'targets' | 'options', number>
  end: number
} {
  let end = 64
  const take = (bytes: number): number => {
    const begin = end
    end = Math.ceil((end + bytes) / 16) * 16
    return begin
  }
  const { classes, input, labels, mean, std } = info
  const struct = take(STRUCT_BYTES)
  const size = input.reduce((a, b) => a * b, 1)
  const at = {
    labels: labels ? take(labelBytes(labels).length) : 0,
    mean: mean ? take(4 * mean.length) : 0,
    std: std ? take(4 * std.length) : 0,
    input: take(inputCount(info) * (info.inputType === 'u8' ? 1 : 4)),
    output: take(4 * classes),
  }
  // The bias right behind the weights: they are the parameters of a train build.
  const weights = take(4 * classes * (size + 1))
  const names = {
    struct,
    weights,
    bias: weights + 4 * classes * size,
    sum: take(4 * classes),
    steps: take(4),
    targets: take(4 * info.batchSize),
    options: take(20),
  }
  return { at, names, end }
}

/** The bytes of the module. */
export function tinyNet(options: TinyOptions = {}): Uint8Array {
  const { flaws = {} } = options
  const draft = tinyInfo(options.info)
  const { at, names, end } = place(draft)
  const info: NetInfo = {
    ...draft,
    usedBytes: options.info?.usedBytes ?? end,
    memoryBytes: options.info?.memoryBytes ?? Math.ceil(end / 65536) * 65536,
  }
  const pages = info.memoryBytes / 65536
  const bodies = functionBodies(info, at, names, options.repeats)
  const exported = netExports(info).filter(({ name }) => name !== flaws.without)
  const shift = flaws.imports ? 1 : 0
  // Types: 0 () → (), 1 () → i32, 2 () → f32, 3 (i32, i32) → ().
  const types = [
    [0x60, 0, 0],
    [0x60, 0, 1, I32],
    [0x60, 0, 1, F32],
    [0x60, 2, I32, I32, 0],
  ]
  const typeOf = { nothing: 0, i32: 1, f32: 2 }
  // Function 0 is the layer, then the exports, then the start function.
  const declared = [3, ...exported.map(({ result }) => typeOf[result ?? 'nothing'])]
  const codes = [
    bodies.layer,
    ...exported.map(({ name }) => {
      const answer = flaws.answers?.[name]
      if (answer !== undefined) return body(constant(answer))
      return flaws.bodies?.[name] ? body(flaws.bodies[name]) : bodies[name]
    }),
  ]
  if (flaws.start) {
    declared.push(0)
    codes.push(body(flaws.start))
  }
  const payload = flaws.section === undefined ? sectionBytes(info) : flaws.section
  const bytes = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...(flaws.imports ? section(2, vector([[...text('env'), ...text('log'), 0, 0]])) : []),
    ...section(3, vector(declared.map((type) => [type]))),
    ...section(5, vector([flaws.limits ?? [1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(
      7,
      vector([
        ...(flaws.without === 'memory' ? [] : [[...text('memory'), 2, 0]]),
        ...exported.map(({ name }, i) => [...text(name), 0, ...unsigned(i + 1 + shift)]),
      ]),
    ),
    ...(flaws.start ? section(8, unsigned(codes.length - 1 + shift)) : []),
    ...section(10, vector(codes)),
    ...section(11, vector(data(info, { ...at, ...flaws.addresses }, at, names, options))),
    ...(payload ? section(0, [...payload]) : []),
  ])
  // What is no JSON of ours has no room for a seal.
  return payload && isSealable(bytes) ? seal(bytes) : bytes
}

/** Whether a file ends with room for a seal, or with one. */
export const isSealable = (bytes: Uint8Array): boolean =>
  /"seal":"[\da-f]{8}"\}$/.test(new TextDecoder('latin1').decode(bytes.slice(-18)))

/** A file up to its first custom section: that of an exported network is the last one. */
export function stripped(bytes: Uint8Array): Uint8Array {
  let at = 8
  while (bytes[at] !== 0) {
    let [size, digits] = [0, 0]
    do size += (bytes[at + 1 + digits] & 127) * 128 ** digits
    while (bytes[at + 1 + digits++] >= 128)
    at += 1 + digits + size
  }
  return bytes.slice(0, at)
}

function functionBodies(
  info: NetInfo,
  at: NetAddresses,
  names: ReturnType<typeof place>['names'],
  repeats?: number,
): Record<string, number[]> {
  const { classes, input } = info
  const u8 = info.inputType === 'u8'
  const size = input.reduce((a, b) => a * b, 1)
  const pixels = input[1] * input[2]
  const word = (base: number, index: Code): Code => add(constant(base), times(index, constant(4)))
  const channel = over(get(3), constant(pixels))
  const raw = divide(toFloat(loadByte(add(get(0), get(3)))), number(255))
  const shifted = at.mean ? subtract(raw, loadFloat(word(at.mean, channel))) : raw
  const scaled = at.std ? divide(shifted, loadFloat(word(at.std, channel))) : shifted
  const x = u8 ? scaled : loadFloat(add(get(0), times(get(3), constant(4))))
  const weight = loadFloat(word(names.weights, add(times(get(2), constant(size)), get(3))))
  const target = add(get(1), times(get(2), constant(4)))
  // Parameters 0: the frame, 1: the sums; locals 2: k, 3: i, 4: the sum of k.
  const layer = body(
    loop(2, classes, [
      set(4, loadFloat(word(names.bias, get(2)))),
      loop(3, size, set(4, addFloat(get(4), timesFloat(weight, x)))),
      storeFloat(target, addFloat(loadFloat(target), get(4))),
    ]),
    2,
    1,
  )
  const clear = (base: number): Code => loop(0, classes, storeFloat(word(base, get(0)), number(0)))
  const mean = (from: number, count: Code): Code =>
    loop(
      0,
      classes,
      storeFloat(word(at.output, get(0)), divide(loadFloat(word(from, get(0))), count)),
    )
  const frames = repeats ?? (info.frames && info.mode !== 'step' ? info.timeSteps : 1)
  const frameBytes = repeats === undefined ? size * (u8 ? 1 : 4) : 0
  const one = (value: number): number[] => body(constant(value))
  return {
    layer,
    abi_version: one(ABI_VERSION),
    info_ptr: one(names.struct),
    input_ptr: one(at.input),
    input_len: one(inputCount(info)),
    input_u8_ptr: one(at.input),
    input_u8_len: one(inputCount(info)),
    output_ptr: one(at.output),
    output_len: one(classes),
    infer: body(
      [
        clear(at.output),
        loop(
          1,
          frames,
          call(
            0,
            add(constant(at.input), times(get(1), constant(frameBytes))),
            constant(at.output),
          ),
        ),
        mean(at.output, number(frames)),
      ],
      2,
    ),
    step: body(
      [
        call(0, constant(at.input), constant(names.sum)),
        store(constant(names.steps), add(load(constant(names.steps)), constant(1))),
        mean(names.sum, toFloat(load(constant(names.steps)))),
      ],
      1,
    ),
    reset: body([clear(names.sum), store(constant(names.steps), constant(0))], 1),
    // Locals 0: k, 1: the best so far.
    predicted_class: body(
      [
        loop(0, classes, [
          loadFloat(word(at.output, get(0))),
          loadFloat(word(at.output, get(1))),
          [0x5e, 0x04, 0x40, set(1, get(0)), 0x0b],
        ]),
        get(1),
      ],
      2,
    ),
    label_ptr: one(names.targets),
    label_len: one(info.batchSize),
    options_ptr: one(names.options),
    train_step: body(
      loop(0, info.parameters, [
        storeFloat(
          word(names.weights, get(0)),
          addFloat(loadFloat(word(names.weights, get(0))), loadFloat(constant(names.options))),
        ),
      ]),
      1,
    ),
    loss: body(toFloat(load(constant(names.targets)))),
    correct: body([loadFloat(constant(names.options + 4)), 0xa8]),
    params_ptr: one(names.weights),
    params_len: one(info.parameters),
  }
}

/** Data segments: the struct, what it points to, the parameters. */
function data(
  info: NetInfo,
  said: NetAddresses,
  at: NetAddresses,
  names: ReturnType<typeof place>['names'],
  { weights, bias }: TinyOptions,
): number[][] {
  const size = info.input.reduce((a, b) => a * b, 1)
  const own = Array.from({ length: info.classes * size }, (_, i) =>
    Number(i % size === Math.floor(i / size) % size),
  )
  const bytes = (values: ArrayLike<number>): Uint8Array =>
    new Uint8Array(Float32Array.from(values).buffer)
  const segment = (address: number, content: Uint8Array): number[] => [
    0,
    ...flat(constant(address)),
    0x0b,
    ...sized([...content]),
  ]
  return [
    segment(names.struct, writeInfoStruct(info, said)),
    ...(info.labels ? [segment(at.labels, labelBytes(info.labels))] : []),
    ...(info.mean ? [segment(at.mean, bytes(info.mean))] : []),
    ...(info.std ? [segment(at.std, bytes(info.std))] : []),
    segment(names.weights, bytes(weights ?? own)),
    ...(bias ? [segment(names.bias, bytes(bias))] : []),
  ]
}
