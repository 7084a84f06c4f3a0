/**
 * The interface of an exported network, version 1: what its module exports, what the custom section
 * says, and the C struct in its memory. docs/edge.md describes it.
 */

import type { Method, StepMode } from '../plan/methods.js'

/** Version of the interface that this package writes and reads. */
export const ABI_VERSION = 1

/** First word of the C struct, `SPKW` in memory. */
export const ABI_MAGIC = 0x574b5053

/** Name of the custom section. */
export const SECTION = 'spikewasm'

/** All of `NetTarget`. */
export const targets: readonly NetTarget[] = ['simd', 'scalar']
/** Instructions of a file: `simd` or `scalar`. */
export type NetTarget = 'simd' | 'scalar'

/** All of `NetMode`. */
export const netModes: readonly NetMode[] = ['infer', 'step', 'both', 'train']
/** What a file can do: `infer`, `step`, `both` or `train`. */
export type NetMode = 'infer' | 'step' | 'both' | 'train'

/** All of `WeightType`. */
export const weightTypes: readonly WeightType[] = ['f32', 'int8']
/** How weights are stored: `f32` or `int8`. */
export type WeightType = 'f32' | 'int8'

/** All of `InputType`. */
export const inputTypes: readonly InputType[] = ['f32', 'u8']
/** What the input is made of: `f32` or `u8`. */
export type InputType = 'f32' | 'u8'

/** A parameter or running statistic of a train build, and where it lies. */
export interface StateEntry {
  /** As in `stateDict`, for example `0.weight`. */
  readonly name: string
  /** PyTorch's shape. */
  readonly shape: readonly number[]
  /** Floats from `params_ptr`. */
  readonly offset: number
  /** How the numbers lie there; see docs/edge.md. */
  readonly layout: string
}

/** What the custom section of an exported network says. */
export interface NetInfo {
  /** Version of the interface. */
  readonly abi: number
  /** Of the package that wrote the file. */
  readonly version: string
  /** What it is called, if it has a name. */
  readonly name?: string
  /** [C, H, W] of one sample or frame. */
  readonly input: readonly [channels: number, height: number, width: number]
  /** Whether the input is float32 or bytes. */
  readonly inputType: InputType
  /** Whether a sample is T frames, [T][C][H][W]. */
  readonly frames: boolean
  /** T */
  readonly timeSteps: number
  /** Number of outputs. */
  readonly classes: number
  /** A name for each class. */
  readonly labels?: readonly string[]
  /** u8: subtracted from byte / 255, for each channel. */
  readonly mean?: readonly number[]
  /** u8: divides the difference, for each channel. */
  readonly std?: readonly number[]
  /** What it can do. */
  readonly mode: NetMode
  /** Which instructions it uses. */
  readonly target: NetTarget
  /** Where the loop over time steps is; see `compile`. */
  readonly stepMode: StepMode
  /** Training method of a train build. */
  readonly method?: Method
  /** B of a train build; else 1. */
  readonly batchSize: number
  /** How weights are stored. */
  readonly weights: WeightType
  /** Number of trained parameters. */
  readonly parameters: number
  /** Bytes of weights, normalisation and other parameters in the file. */
  readonly weightBytes: number
  /** Of the memory, min = max; whole pages of 65,536 bytes. */
  readonly memoryBytes: number
  /** Bytes of memory that are used at most; everything lies below. */
  readonly usedBytes: number
  /** Synaptic operations of one inference. */
  readonly synops: {
    /** If every neuron fired at every step. A dense first layer counts its products. */
    readonly max: number
    /** At most, from the firing rates that were measured on data at export. */
    readonly mean?: number
  }
  /** Train builds: where parameters and running statistics lie. */
  readonly state?: readonly StateEntry[]
}

/** Options of `exportWasm`; each has a default. */
export interface ExportOptions {
  /**
   * `simd`: for every engine of today. `scalar`: for wasm3 and other interpreters without SIMD, and
   * C compilers. `both`: one file of each. Default `simd`.
   */
  target?: NetTarget | 'both'
  /**
   * `infer`: a whole sample in, outputs out. `step`: one frame at a time, with state kept. `both`.
   * `train`: `infer`, and it goes on learning. Default `infer`.
   */
  mode?: NetMode
  /** `int8`: whole numbers from −127 to 127 with a scale for each output channel. Default `f32`. */
  weights?: WeightType
  /** A name for each class, in the order of the labels. */
  labels?: readonly string[]
  /** With `inputType: 'u8'`: subtracted from byte / 255, for each channel. Default 0. */
  mean?: readonly number[]
  /** With `inputType: 'u8'`: divides byte / 255 − mean, for each channel; > 0. Default 1. */
  std?: readonly number[]
  /** `u8`: the input is bytes, 0 … 255. Default `f32`: exactly what `predict` takes. */
  inputType?: InputType
  /** What the network is called, in the file and its header. */
  name?: string
  /** With `mode: 'train'`: samples of one training step, an integer ≥ 1. Default 1. */
  batchSize?: number
  /** Synaptic operations of one inference, from rates measured on data; noted in the file. */
  synops?: number
  /** Called with the share that is done, 0 … 1. */
  onProgress?: (done: number) => void
}

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

/** Numbers of the input: float32, or bytes with u8. */
export function inputCount(
  info: Pick<NetInfo, 'input' | 'frames' | 'timeSteps' | 'mode' | 'batchSize'>,
): number {
  const frame = info.input.reduce((a, b) => a * b, 1)
  const frames = info.frames && info.mode !== 'step' ? info.timeSteps : 1
  return frame * frames * (info.mode === 'train' ? info.batchSize : 1)
}

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

/** A function that a module exports; none of them takes parameters. */
export interface NetExport {
  readonly name: string
  /** Undefined: it returns nothing. */
  readonly result: 'i32' | 'f32' | undefined
  /** What it is for, in a line. */
  readonly about: string
}

const always = (): boolean => true
const trains = ({ mode }: NetInfo): boolean => mode === 'train'
const steps = ({ mode }: NetInfo): boolean => mode === 'step' || mode === 'both'

const functions: readonly (NetExport & { when: (info: NetInfo) => boolean })[] = [
  { name: 'abi_version', result: 'i32', about: 'version of this interface', when: always },
  { name: 'info_ptr', result: 'i32', about: 'address of struct net_info', when: always },
  {
    name: 'input_ptr',
    result: 'i32',
    about: 'address of the input, float32',
    when: ({ inputType }) => inputType === 'f32',
  },
  {
    name: 'input_len',
    result: 'i32',
    about: 'count of float32 of the input',
    when: ({ inputType }) => inputType === 'f32',
  },
  {
    name: 'input_u8_ptr',
    result: 'i32',
    about: 'address of the input, bytes',
    when: ({ inputType }) => inputType === 'u8',
  },
  {
    name: 'input_u8_len',
    result: 'i32',
    about: 'count of bytes of the input',
    when: ({ inputType }) => inputType === 'u8',
  },
  { name: 'output_ptr', result: 'i32', about: 'address of the output, float32', when: always },
  { name: 'output_len', result: 'i32', about: 'count of float32 of the output', when: always },
  {
    name: 'infer',
    result: undefined,
    about: 'one sample in, outputs out; keeps no state',
    when: ({ mode }) => mode !== 'step',
  },
  {
    name: 'step',
    result: undefined,
    about: 'one frame in; the output is the mean since reset',
    when: steps,
  },
  { name: 'reset', result: undefined, about: 'the next step begins a new stream', when: steps },
  { name: 'predicted_class', result: 'i32', about: 'index of the largest output', when: always },
  { name: 'label_ptr', result: 'i32', about: 'address of the labels, int32', when: trains },
  { name: 'label_len', result: 'i32', about: 'count of labels', when: trains },
  { name: 'options_ptr', result: 'i32', about: 'address of struct net_options', when: trains },
  {
    name: 'train_step',
    result: undefined,
    about: 'one optimizer step on the batch',
    when: trains,
  },
  { name: 'loss', result: 'f32', about: 'mean loss of the last training step', when: trains },
  { name: 'correct', result: 'i32', about: 'right answers in it', when: trains },
  {
    name: 'params_ptr',
    result: 'i32',
    about: 'address of parameters and statistics, float32',
    when: trains,
  },
  { name: 'params_len', result: 'i32', about: 'count of float32 of them', when: trains },
]

/** The functions that a module with this information exports, besides `memory`. */
export function netExports(info: NetInfo): NetExport[] {
  return functions
    .filter(({ when }) => when(info))
    .map(({ name, result, about }) => ({ name, result, about }))
}

/** The words at `options_ptr` of a train build, 32 bits each: float32, but `nesterov` uint32. */
export const optionWords = [
  'learning_rate',
  'momentum',
  'weight_decay',
  'weight_decay_other',
  'nesterov',
] as const
