/** The C struct in the memory of an exported network. docs/edge.md describes it. */

import { inputCount, inputTypes, type NetInfo, type NetMode } from './abi.js'

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

/** Modes as bits of the struct's word `modes`. */
const modeBits = { infer: 1, step: 2, both: 3, train: 5 } as const satisfies Record<NetMode, number>

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
  modes: ({ mode }) => modeBits[mode],
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
} satisfies Record<string, Word>

export type InfoWord = keyof typeof words

/** Names of the struct's words in their order. */
export const infoWords = Object.keys(words) as InfoWord[]

/** Size of the struct. */
export const STRUCT_BYTES: number = infoWords.length * 4

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
