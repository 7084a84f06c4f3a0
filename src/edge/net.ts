/** An exported network in this process: checked, instantiated, and given as views and functions. */

import { SpikewasmError } from '../errors.js'
import {
  infoWords,
  inputCount,
  labelBytes,
  type NetAddresses,
  type NetInfo,
  optionWords,
  STRUCT_BYTES,
  writeInfoStruct,
} from './abi.js'
import { checkFile, readFileInfo, refuse } from './file.js'

/** An exported network that runs. Arrays are views of its memory, which never moves. */
export interface Net {
  /** What the file says about itself. */
  readonly info: NetInfo
  /** All of its memory, for hosts that need more than the views below. */
  readonly memory: WebAssembly.Memory
  /** Where the input goes: [C][H][W], [T][C][H][W] of frames; in train builds a batch of them. */
  readonly input: Float32Array | Uint8Array
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
 * What an exported network says about itself. Nothing of it is compiled or run.
 * @throws SpikewasmError when the bytes are no exported network
 */
export function netInfo(bytes: Uint8Array): NetInfo {
  return readFileInfo(bytes)
}

/**
 * Checks an exported network from end to end, and instantiates it: in Node or in a page.
 *
 *     const net = await openNet(bytes)
 *     net.input.set(image)
 *     net.infer()
 *     console.log(net.output, net.predictedClass())
 *
 * @throws SpikewasmError when the bytes are no exported network, or its parts contradict each other
 */
export async function openNet(bytes: Uint8Array): Promise<Net> {
  const info = checkFile(bytes)
  const { exports } = await instantiate(bytes)
  const memory = exports.memory as WebAssembly.Memory
  const calls = new Calls(exports)
  if (calls.value('abi_version') !== info.abi)
    refuse(`answer abi_version() with ${info.abi}`, String(calls.value('abi_version')))
  const places = new Places(memory.buffer, info.usedBytes)
  const u8 = info.inputType === 'u8'
  const inputAt = calls.value(u8 ? 'input_u8_ptr' : 'input_ptr')
  const outputAt = calls.value('output_ptr')
  checkCount(calls, u8 ? 'input_u8_len' : 'input_len', inputCount(info))
  checkCount(calls, 'output_len', info.classes)
  checkStruct(places, calls.value('info_ptr'), info, inputAt, outputAt)
  return {
    info,
    memory,
    input: u8
      ? places.view(Uint8Array, 'the input', inputAt, inputCount(info))
      : places.view(Float32Array, 'the input', inputAt, inputCount(info)),
    output: places.view(Float32Array, 'the output', outputAt, info.classes),
    infer: calls.action('infer', info),
    step: calls.action('step', info),
    reset: calls.action('reset', info),
    predictedClass: () => calls.value('predicted_class'),
    training: info.mode === 'train' ? trainingOf(calls, places, info) : undefined,
  }
}

async function instantiate(bytes: Uint8Array): Promise<WebAssembly.Instance> {
  try {
    // Compiled from a copy: nobody changes it meanwhile, and it is never shared memory.
    const module = await WebAssembly.compile(new Uint8Array(bytes))
    return await WebAssembly.instantiate(module)
  } catch (error) {
    return refuse('be a valid module that starts', `an error: ${(error as Error).message}`)
  }
}

/** The module's functions, whose traps become our errors. */
class Calls {
  constructor(private readonly exports: WebAssembly.Exports) {}

  /** What a function returns. */
  value(name: string): number {
    return this.call(name, this.exports[name] as () => number)
  }

  /** A function that returns nothing; if the file lacks it, one that says so. */
  action(name: string, { mode }: NetInfo): () => void {
    const run = this.exports[name] as (() => void) | undefined
    if (run) return () => void this.call(name, run)
    return () => {
      throw new SpikewasmError(
        `${name} must be in the file, got one of mode ${mode}; export the network with mode ` +
          (name === 'infer' ? 'infer' : 'step or both'),
      )
    }
  }

  private call<T>(name: string, run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw new SpikewasmError(
        `${name}() of the exported network must end, got an error: ${(error as Error).message}; ` +
          'open the file again',
        { cause: error },
      )
    }
  }
}

/** The memory that a file may point to. */
class Places {
  constructor(
    private readonly buffer: ArrayBuffer,
    private readonly usedBytes: number,
  ) {}

  /** A view, once its address is aligned and its end within what the network uses. */
  view<T extends Float32Array | Uint8Array | Int32Array | Uint32Array>(
    type: { new (buffer: ArrayBuffer, at: number, length: number): T; BYTES_PER_ELEMENT: number },
    what: string,
    address: number,
    length: number,
  ): T {
    const at = address >>> 0
    const size = type.BYTES_PER_ELEMENT
    const ends = at + length * size
    if (at === 0 || at % size !== 0 || ends > this.usedBytes)
      return refuse(
        `have ${what} inside the ${this.usedBytes} bytes that it uses, at a multiple of ${size}`,
        `bytes ${at} to ${ends}`,
      )
    return new type(this.buffer, at, length)
  }
}

function checkCount(calls: Calls, name: string, expected: number): void {
  const got = calls.value(name) >>> 0
  if (got !== expected) refuse(`answer ${name}() with ${expected}, as it says`, String(got))
}

/** The C struct, and what it points to, must say what the custom section says. */
function checkStruct(
  places: Places,
  address: number,
  info: NetInfo,
  input: number,
  output: number,
): void {
  const found = places.view(Uint32Array, 'its struct', address, STRUCT_BYTES / 4)
  const at = (name: (typeof infoWords)[number]): number => found[infoWords.indexOf(name)]
  const addresses: NetAddresses = {
    input: input >>> 0,
    output: output >>> 0,
    labels: info.labels ? at('labels') : 0,
    mean: info.mean ? at('mean') : 0,
    std: info.std ? at('std') : 0,
  }
  const expected = new Uint32Array(writeInfoStruct(info, addresses).buffer)
  for (const [i, word] of infoWords.entries())
    if (found[i] !== expected[i])
      refuse(`have ${word} ${expected[i]} in its struct, as its section says`, String(found[i]))
  const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
    a.length === b.length && Array.from(a).every((value, i) => value === b[i])
  if (info.labels) {
    const texts = labelBytes(info.labels)
    if (!same(places.view(Uint8Array, 'its labels', addresses.labels, texts.length), texts))
      refuse('have the labels of its section in its memory', 'others')
  }
  for (const name of ['mean', 'std'] as const) {
    const values = info[name] && Float32Array.from(info[name])
    if (values && !same(places.view(Float32Array, name, addresses[name], values.length), values))
      refuse(`have the ${name} of its section in its memory`, 'others')
  }
}

function trainingOf(calls: Calls, places: Places, info: NetInfo): NetTraining {
  checkCount(calls, 'label_len', info.batchSize)
  const count = calls.value('params_len') >>> 0
  if (count < info.parameters)
    refuse(`have at least ${info.parameters} numbers at params_ptr`, String(count))
  for (const { name, shape, offset } of info.state ?? []) {
    const size = shape.reduce((a, b) => a * b, 1)
    if (offset + size > count)
      refuse(`have ${name} within its ${count} parameters`, `${size} numbers from ${offset}`)
  }
  const options = calls.value('options_ptr')
  const numbers = optionWords.indexOf('nesterov')
  return {
    labels: places.view(Int32Array, 'the labels', calls.value('label_ptr'), info.batchSize),
    options: places.view(Float32Array, 'the options', options, numbers),
    nesterov: places.view(Uint32Array, 'the options', options + 4 * numbers, 1),
    params: places.view(Float32Array, 'the parameters', calls.value('params_ptr'), count),
    trainStep: calls.action('train_step', info),
    loss: () => calls.value('loss'),
    correct: () => calls.value('correct'),
  }
}
