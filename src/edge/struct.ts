/** The C struct in the memory of an exported network. docs/edge.md describes it. */

import { fail } from '../base/errors.js'
import { methodNames, stepModes } from '../compile/methods.js'
import { inputCount, inputTypes, type NetInfo, netModes, targets, weightTypes } from './abi.js'
import { checkInfo } from './schema.js'

/** First word of the C struct, `SPKW` in memory. */
export const ABI_MAGIC = 0x574b5053

/** Where things lie in the memory of an exported network, in bytes; 0: not there. */
export type NetAddresses = Readonly<Record<'input' | 'output' | 'labels' | 'mean' | 'std', number>>

/** Modes as bits of the struct's word `modes`, in the order of `netModes`. */
const modeBits = [1, 2, 3, 5]

type Word = (info: NetInfo, at: NetAddresses) => number

/** The words of the C struct in their order, 32 bits each. */
const words = {
  magic: () => ABI_MAGIC,
  abi: ({ abi }) => abi,
  struct_bytes: () => STRUCT_BYTES,
  channels: ({ input }) => input[0],
  height: ({ input }) => input[1],
  width: ({ input }) => input[2],
  frames: ({ frames }) => Number(frames),
  time_steps: ({ timeSteps }) => timeSteps,
  classes: ({ classes }) => classes,
  batch_size: ({ batchSize }) => batchSize,
  input_type: ({ inputType }) => inputTypes.indexOf(inputType),
  modes: ({ mode }) => modeBits[netModes.indexOf(mode)],
  input: (_, at) => at.input,
  input_len: (info) => inputCount(info),
  output: (_, at) => at.output,
  output_len: ({ classes }) => classes,
  memory_bytes: ({ memoryBytes }) => memoryBytes,
  used_bytes: ({ usedBytes }) => usedBytes,
  labels: (_, at) => at.labels,
  mean: (_, at) => at.mean,
  std: (_, at) => at.std,
  synops_max_lo: ({ synops }) => synops.max % 2 ** 32,
  synops_max_hi: ({ synops }) => Math.floor(synops.max / 2 ** 32),
  step_mode: ({ stepMode }) => stepModes.indexOf(stepMode),
  method: ({ method }) => (method ? methodNames.indexOf(method) + 1 : 0),
  target: ({ target }) => targets.indexOf(target),
  weights: ({ weights }) => weightTypes.indexOf(weights),
  parameters: ({ parameters }) => parameters,
  weight_bytes: ({ weightBytes }) => weightBytes,
} satisfies Record<string, Word>

/** Names of the struct's words in their order. */
export const infoWords = Object.keys(words) as (keyof typeof words)[]

/** Size of the struct: four bytes for each of `infoWords`. */
export const STRUCT_BYTES = 116

/** The C struct, little-endian. */
export function writeInfoStruct(info: NetInfo, addresses: NetAddresses): Uint8Array {
  const view = new DataView(new ArrayBuffer(STRUCT_BYTES))
  for (const [i, name] of infoWords.entries())
    view.setUint32(4 * i, (words[name] as Word)(info, addresses), true)
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
