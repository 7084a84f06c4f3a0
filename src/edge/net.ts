/** An exported network in this process: checked, instantiated, and given as views and functions. */

import { fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { inputCount, type NetInfo, optionWords, SECTION } from './abi.js'
import * as file from './file.js'
import * as struct from './header.js'

export { netInfo } from './file.js'

// An exported network that predicts, in this process. Small: pages load it alone.

/** An exported network that runs. Arrays are views of its memory, which never moves. */
export interface Net<I = Float32Array | Uint8Array> {
  /** What the file says about itself. */
  readonly info: NetInfo
  /**
   * Whether no byte has changed since its export. False: its section was stripped, so that nobody
   * can tell; the information comes from its struct.
   */
  readonly sealed: boolean
  /** All of its memory, for hosts that need more than the views below. */
  readonly memory: host.WasmMemory
  /** Where the input goes: [C][H][W], [T][C][H][W] of frames; in train builds a batch of them. */
  readonly input: I
  /** What `infer` and `step` give: [classes]. */
  readonly output: Float32Array
  /** One sample in, outputs out. @throws SpikewasmError in a file of mode step */
  infer(): void
  /** One frame in; `output` is the mean since `reset`. @throws SpikewasmError without step */
  step(): void
  /** The next `step` begins a new stream. @throws SpikewasmError without step */
  reset(): void
  /** Index of the largest output, the first of equals. */
  predictedClass(): number
  /** Train builds alone. */
  readonly training: NetTraining | undefined
}

/** What a train build has besides. */
export interface NetTraining {
  /** [B], the classes of the batch. */
  readonly labels: Int32Array
  /** learning_rate, momentum, weight_decay, weight_decay_other. */
  readonly options: Float32Array
  /** Whether momentum is Nesterov's: 0 or 1. */
  readonly nesterov: Uint32Array
  /** Parameters and running statistics, as stored. */
  readonly params: Float32Array
  /** One optimizer step on the batch in `input` and `labels`. */
  trainStep(): void
  /** Mean loss of the last step's batch. */
  loss(): number
  /** Right answers in it. */
  correct(): number
}

/**
 * Checks the file and opens it, without what is for training and for C.
 *
 * @returns the network, and what further checks of it need
 * @param ofStruct reads its struct, where its section was stripped; without it that is refused
 */
export async function openInference(
  bytes: Uint8Array,
  ofStruct?: (bytes: Uint8Array<ArrayBuffer>, parts: file.Parts) => Promise<NetInfo>,
): Promise<{ readonly net: Net; readonly calls: Calls; readonly view: Views }> {
  // A copy: nobody changes it meanwhile, and it is never shared memory.
  const own = new Uint8Array(file.checkBytes(bytes))
  const parts = file.walk(own)
  const info = parts.info ?? (ofStruct ? await ofStruct(own, parts) : file.infoOf(parts))
  file.checkParts(parts, info)
  const { exports } = await instantiate(own)
  const memory = exports.memory as host.WasmMemory
  const calls = new Calls(exports)
  if (calls.value('abi_version') !== info.abi)
    file.refuse(`answer abi_version() with ${info.abi}`, String(calls.value('abi_version')))
  const view = viewsOf(memory.buffer, info.usedBytes)
  const u8 = info.inputType === 'u8'
  const name = u8 ? 'input_u8' : 'input'
  checkCount(calls, `${name}_len`, inputCount(info))
  checkCount(calls, 'output_len', info.classes)
  const net: Net = {
    info,
    sealed: !!parts.info,
    memory,
    input: view<Float32Array | Uint8Array>(
      u8 ? Uint8Array : Float32Array,
      'the input',
      calls.value(`${name}_ptr`),
      inputCount(info),
    ),
    output: view(Float32Array, 'the output', calls.value('output_ptr'), info.classes),
    infer: calls.action('infer', info),
    step: calls.action('step', info),
    reset: calls.action('reset', info),
    predictedClass: () => calls.count('predicted_class', info.classes - 1),
    training: undefined,
  }
  return { net, calls, view }
}

/** Compiles and starts a module that was walked. */
export async function instantiate(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<{ readonly exports: Readonly<Record<string, unknown>> }> {
  try {
    try {
      return await WebAssembly.instantiate(await WebAssembly.compile(bytes))
    } catch (error) {
      // gjs has no promises of WebAssembly, and says so in an Error of no kind.
      if ((error as Error).name !== 'Error') throw error
      return new WebAssembly.Instance(new WebAssembly.Module(bytes))
    }
  } catch (error) {
    return file.refuse('be a valid module that starts', `an error: ${(error as Error).message}`)
  }
}

/** The module's functions, whose traps become our errors. */
export class Calls {
  constructor(private readonly exports: Readonly<Record<string, unknown>>) {}

  /** What a function returns. */
  value(name: string): number {
    return this.call(name, this.exports[name] as () => number)
  }

  /** What a function returns, from 0 to a most. */
  count(name: string, most: number): number {
    const got = this.value(name)
    return got >= 0 && got <= most
      ? got
      : file.refuse(`answer ${name}() with 0 to ${most}`, String(got))
  }

  /** A function that returns nothing; if the file lacks it, one that says so. */
  action(name: string, { mode }: NetInfo): () => void {
    const run = this.exports[name] as (() => void) | undefined
    if (run) return () => void this.call(name, run)
    return () => {
      fail(
        `${name} must be in the file, got one of mode ${mode}; export the network with mode ` +
          (name === 'infer' ? 'infer' : 'step or both'),
      )
    }
  }

  private call<T>(name: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      fail(
        `${name}() of the exported network must end, got an error: ${(error as Error).message}; ` +
          'open the file again',
        error,
      )
    }
  }
}

/** Views of the memory that a file may point to. */
export type Views = ReturnType<typeof viewsOf>

/** A view, once its address is aligned and its end within what the network uses. */
export const viewsOf =
  (buffer: ArrayBuffer, usedBytes: number) =>
  <T extends Float32Array | Uint8Array | Int32Array | Uint32Array>(
    type: { new (buffer: ArrayBuffer, at: number, length: number): T; BYTES_PER_ELEMENT: number },
    what: string,
    address: number,
    length: number,
  ): T => {
    const at = address >>> 0
    const size = type.BYTES_PER_ELEMENT
    const ends = at + length * size
    if (at === 0 || at % size !== 0 || ends > usedBytes)
      return file.refuse(
        `have ${what} inside the ${usedBytes} bytes that it uses, at a multiple of ${size}`,
        `bytes ${at} to ${ends}`,
      )
    return new type(buffer, at, length)
  }

export function checkCount(calls: Calls, name: string, expected: number): void {
  const got = calls.value(name) >>> 0
  if (got !== expected) file.refuse(`answer ${name}() with ${expected}, as it says`, String(got))
}

/**
 * Checks an exported network from end to end, its seal included, and instantiates it: in Node or in
 * a page. A file whose section was stripped opens, too: then `sealed` is false. The type of the
 * input is asked for: `openNet<Uint8Array>(bytes)` where the network takes bytes.
 *
 *     const net = await openNet(bytes)
 *     net.input.set(image)
 *     net.infer()
 *     console.log(net.output, net.predictedClass())
 *
 * @throws SpikewasmError when the bytes are no exported network, or its parts contradict each other
 */
export async function openNet<I = Float32Array>(bytes: Uint8Array): Promise<Net<I>> {
  const { net, calls, view } = await openInference(bytes, infoOfStruct)
  checkStruct(net, view, calls.value('info_ptr'))
  const training = net.info.mode === 'train' ? trainingOf(calls, view, net.info) : undefined
  return { ...(net as Net<I>), training }
}

/** What a file whose section was stripped says of itself in its memory. */
async function infoOfStruct(bytes: Uint8Array<ArrayBuffer>, parts: file.Parts): Promise<NetInfo> {
  const { exports: names } = parts
  if (!names.has('info_ptr'))
    file.refuse(`have a custom section "${SECTION}", or export info_ptr`, 'neither')
  file.checkMemory(parts)
  file.checkFunction(parts, 'info_ptr', 'i32')
  const { exports } = await instantiate(bytes)
  const { buffer } = exports.memory as WebAssembly.Memory
  const view = viewsOf(buffer, buffer.byteLength)
  const address = new Calls(exports).value('info_ptr')
  const words = view(Uint32Array, 'its struct', address, struct.STRUCT_BYTES / 4)
  return struct.readInfoStruct(words, new Uint8Array(buffer))
}

/** The C struct, and what it points to, must say what the custom section says. */
function checkStruct({ info, input, output }: Net, view: Views, address: number): void {
  const found = view(Uint32Array, 'its struct', address, struct.STRUCT_BYTES / 4)
  const at = (name: (typeof struct.infoWords)[number]): number =>
    found[struct.infoWords.indexOf(name)]
  const addresses: struct.NetAddresses = {
    input: input.byteOffset,
    output: output.byteOffset,
    labels: info.labels ? at('labels') : 0,
    mean: info.mean ? at('mean') : 0,
    std: info.std ? at('std') : 0,
  }
  const expected = new Uint32Array(struct.writeInfoStruct(info, addresses).buffer)
  for (const [i, word] of struct.infoWords.entries())
    if (found[i] !== expected[i])
      file.refuse(
        `have ${word} ${expected[i]} in its struct, as its section says`,
        String(found[i]),
      )
  const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
    a.length === b.length && Array.from(a).every((value, i) => value === b[i])
  if (info.labels) {
    const texts = struct.labelBytes(info.labels)
    if (!same(view(Uint8Array, 'its labels', addresses.labels, texts.length), texts))
      file.refuse('have the labels of its section in its memory', 'others')
  }
  for (const name of ['mean', 'std'] as const) {
    const values = info[name] && Float32Array.from(info[name])
    if (values && !same(view(Float32Array, name, addresses[name], values.length), values))
      file.refuse(`have the ${name} of its section in its memory`, 'others')
  }
}

function trainingOf(calls: Calls, view: Views, info: NetInfo): NetTraining {
  checkCount(calls, 'label_len', info.batchSize)
  const count = calls.value('params_len') >>> 0
  if (count < info.parameters)
    file.refuse(`have at least ${info.parameters} numbers at params_ptr`, String(count))
  for (const { name, shape, offset } of info.state ?? []) {
    const size = shape.reduce((a, b) => a * b, 1)
    if (offset + size > count)
      file.refuse(`have ${name} within its ${count} parameters`, `${size} numbers from ${offset}`)
  }
  const options = calls.value('options_ptr')
  const numbers = optionWords.indexOf('nesterov')
  return {
    labels: view(Int32Array, 'the labels', calls.value('label_ptr'), info.batchSize),
    options: view(Float32Array, 'the options', options, numbers),
    nesterov: view(Uint32Array, 'the options', options + 4 * numbers, 1),
    params: view(Float32Array, 'the parameters', calls.value('params_ptr'), count),
    trainStep: calls.action('train_step', info),
    loss: () => calls.value('loss'),
    correct: () => calls.count('correct', info.batchSize),
  }
}
