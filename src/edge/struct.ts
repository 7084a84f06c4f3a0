/** The C struct in the memory of an exported network. docs/edge.md describes it. */

import { fail } from '../errors.js'
import { methodNames, stepModes } from '../plan/method-names.js'
import { inputCount, inputTypes, type NetInfo, netModes, targets, weightTypes } from './abi.js'
import { checkInfo } from './schema.js'

/** First word of the C struct, `SPKW` in memory. */
export const ABI_MAGIC = 0x574b5053

/** Where things lie in the memory of an exported network, in bytes; 0: not there. */
export interface NetAddresses {
  readonly input: number
  readonly output: number
  readonly labels: number
  readonly mean: number
  readonly std: number
}

/** Modes as bits of the struct's word `modes`, in the order of `netModes`. */
const modeBits = [1, 2, 3, 5]

/** What a word is, and what the C header says of it. */
export type Word = readonly [value: (info: NetInfo, at: NetAddresses) => number, about?: string]

/** The words of the C struct in their order, 32 bits each. */
export const words = {
  magic: [() => ABI_MAGIC, 'NET_MAGIC'],
  abi: [({ abi }) => abi, 'NET_ABI'],
  struct_bytes: [() => STRUCT_BYTES, 'size of this struct'],
  channels: [({ input }) => input[0]],
  height: [({ input }) => input[1]],
  width: [({ input }) => input[2]],
  frames: [({ frames }) => Number(frames), '1: a sample is time_steps frames'],
  time_steps: [({ timeSteps }) => timeSteps],
  classes: [({ classes }) => classes],
  batch_size: [({ batchSize }) => batchSize, '1 but in train builds'],
  input_type: [({ inputType }) => inputTypes.indexOf(inputType), '0: float32, 1: bytes'],
  modes: [({ mode }) => modeBits[netModes.indexOf(mode)], 'bit 0: infer, 1: step, 2: train'],
  input: [(_, at) => at.input, 'address'],
  input_len: [(info) => inputCount(info), 'float32, or bytes'],
  output: [(_, at) => at.output, 'address'],
  output_len: [({ classes }) => classes, 'float32'],
  memory_bytes: [({ memoryBytes }) => memoryBytes, 'of the module, in whole pages'],
  used_bytes: [({ usedBytes }) => usedBytes, 'exact peak: nothing lies above'],
  labels: [(_, at) => at.labels, 'address of NUL-terminated texts, one after the other; 0: none'],
  mean: [(_, at) => at.mean, 'address of float32 [channels]; 0: none'],
  std: [(_, at) => at.std, 'address of float32 [channels]; 0: none'],
  synops_max_lo: [
    ({ synops }) => synops.max % 2 ** 32,
    'synaptic operations at most, lower 32 bits',
  ],
  synops_max_hi: [({ synops }) => Math.floor(synops.max / 2 ** 32), 'upper 32 bits'],
  step_mode: [({ stepMode }) => stepModes.indexOf(stepMode), '0: m, 1: s'],
  method: [
    ({ method }) => (method ? methodNames.indexOf(method) + 1 : 0),
    '1: rate, 2: bptt, 3: ottt, 4: sltt, 5: os; 0: unknown',
  ],
  target: [({ target }) => targets.indexOf(target), '0: simd, 1: scalar'],
  weights: [({ weights }) => weightTypes.indexOf(weights), '0: float32, 1: int8'],
  parameters: [({ parameters }) => parameters, 'trained numbers'],
  weight_bytes: [({ weightBytes }) => weightBytes, 'of all parameters in the file'],
} satisfies Record<string, Word>

/** Names of the struct's words in their order. */
export const infoWords = Object.keys(words) as (keyof typeof words)[]

/** Size of the struct: four bytes for each of `infoWords`. */
export const STRUCT_BYTES = 116

/** The C struct, little-endian. */
export function writeInfoStruct(info: NetInfo, addresses: NetAddresses): Uint8Array {
  const view = new DataView(new ArrayBuffer(STRUCT_BYTES))
  for (const [i, name] of infoWords.entries())
    view.setUint32(4 * i, words[name][0](info, addresses), true)
  return new Uint8Array(view.buffer)
}

/** The labels as the struct points to them: UTF-8, each with a NUL behind it. */
export function labelBytes(labels: readonly string[]): Uint8Array {
  return new TextEncoder().encode(labels.map((label) => `${label}\0`).join(''))
}

/** Bytes of a label and its NUL; what is longer is refused. */
const MOST_TEXT = 2048

/**
 * What the struct says of a file whose section was stripped: all but its version, name, measured
 * synaptic operations, and where parameters lie.
 *
 * @param found the words
 * @param memory all of the file's
 * @throws SpikewasmError when the words are none of an exported network
 */
export function readInfoStruct(found: Uint32Array, memory: Uint8Array): NetInfo {
  const [magic, abi, , channels, height, width, frames, timeSteps, classes, batchSize] = found
  const [inputType, modes, , , , , memoryBytes, usedBytes, labels, mean, std] = found.subarray(10)
  const [low, high, stepMode, method, target, weights, parameters, weightBytes] = found.subarray(21)
  const what = 'the struct at info_ptr()'
  const sizes = {
    abi: magic === ABI_MAGIC ? abi : 0,
    version: 'unknown',
    input: [channels, height, width],
    inputType: inputTypes[inputType],
    frames: frames === 1,
    timeSteps,
    classes,
    mode: netModes[modeBits.indexOf(modes)],
    target: targets[target],
    stepMode: stepModes[stepMode],
    method: methodNames[method - 1],
    batchSize,
    weights: weightTypes[weights],
    parameters,
    weightBytes,
    memoryBytes,
    usedBytes,
    synops: { max: high * 2 ** 32 + low },
  }
  // Before so much is read.
  const info = checkInfo(sizes, what)
  const floats = (at: number): number[] | undefined => {
    if (at === 0) return undefined
    const bytes = memory.slice(at, at + 4 * channels)
    if (bytes.length < 4 * channels)
      fail(
        `${what} of an exported network must point at ${channels} numbers within its memory, got ` +
          `${at} of ${memory.length} bytes; the file is damaged: export it again`,
      )
    return [...new Float32Array(bytes.buffer)]
  }
  let at = labels
  const text = (): string => {
    const bytes = memory.subarray(at, at + MOST_TEXT)
    const end = bytes.indexOf(0)
    at += end + 1
    return new TextDecoder().decode(bytes.subarray(0, end))
  }
  return checkInfo(
    {
      ...info,
      labels: labels ? Array.from({ length: classes }, text) : undefined,
      mean: floats(mean),
      std: floats(std),
    },
    what,
  )
}
