/**
 * The interface of an exported network, version 1: what its module exports, what the custom section
 * says, and the C struct in its memory. docs/exported-file.md describes it.
 */

import type { Method, StepMode } from '../compile/methods.js'
import type { EngineSource } from '../engine/load.js'
import type { InputShape } from '../network/value.js'
import type { WeightType } from '../network/weights.js'

/** Version of the interface that this package writes and reads. */
export const ABI_VERSION = 1

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
  /** How the numbers lie there: `plain` is PyTorch's order. */
  readonly layout: string
}

/** One of several inputs: numbers of the sample from `offset` on. */
export interface NamedInput {
  /** As `compile` was given it. */
  readonly name: string
  /** [C, H, W], [C, L] or [F], likewise. */
  readonly shape: InputShape
  /** Numbers of the sample that come before it. */
  readonly offset: number
}

/** What the custom section of an exported network says. */
export interface NetInfo {
  /** Version of the interface. */
  readonly abi: number
  /** Version of the package that wrote the file; `unknown` where its section was stripped. */
  readonly version: string
  /** What it is called, if it has a name. */
  readonly name?: string
  /** [C, H, W] of one sample or frame. */
  readonly input: readonly [channels: number, height: number, width: number]
  /**
   * Named inputs: which numbers of the sample each has, from `offset` on, in the order [C, H, W],
   * of frames [T, C, H, W]. `input` is then [numbers of all, 1, 1].
   */
  readonly inputs?: readonly NamedInput[]
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
  /** Method that the model was compiled with. */
  readonly method?: Method
  /** B of a train build; else 1. */
  readonly batchSize: number
  /** What weights are that spikes meet. */
  readonly weights: WeightType
  /** How other weights are stored: in files of models without whole numbers as bytes, with them. */
  readonly otherWeights: 'f32' | 'int8'
  /** Number of trained parameters. */
  readonly parameters: number
  /** Bytes of weights, normalisation and other parameters in the file. */
  readonly weightBytes: number
  /** Bytes of the memory, min = max; whole pages of 65,536 bytes. */
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
  /** Checksum over the whole file, which was right; absent where its section was stripped. */
  readonly seal?: string
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
  /**
   * `int8`, `int6`: whole numbers from −127 to 127 or −31 to 31 with a scale for each output
   * channel; weights that meet no spikes are stored as bytes. Default: as the model was compiled,
   * whose bits the file then has.
   */
  weights?: WeightType
  /** A name for each class, in the order of the outputs; default: the model's `labels`. */
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
  /**
   * The address of the package's file `engine-named.wasm`, or of its folder (then it ends with /),
   * or its bytes: a page has to say so. Default: the package's.
   */
  wasm?: EngineSource
  /** Called with the share that is done, 0 … 1. */
  onProgress?: (done: number) => void
}

const always = (): boolean => true
const trains = ({ mode }: NetInfo): boolean => mode === 'train'
const steps = ({ mode }: NetInfo): boolean => mode === 'step' || mode === 'both'

const floats = ({ inputType }: NetInfo): boolean => inputType === 'f32'
const bytes = ({ inputType }: NetInfo): boolean => inputType === 'u8'
const infers = ({ mode }: NetInfo): boolean => mode !== 'step'

/** In their order; names with the same type and condition stand together. */
const functions: readonly (readonly [
  names: string,
  result: 'i32' | 'f32' | undefined,
  when: (info: NetInfo) => boolean,
])[] = [
  ['abi_version info_ptr', 'i32', always],
  ['input_ptr input_len', 'i32', floats],
  ['input_u8_ptr input_u8_len', 'i32', bytes],
  ['output_ptr output_len', 'i32', always],
  ['infer', undefined, infers],
  ['step reset', undefined, steps],
  ['predicted_class', 'i32', always],
  ['label_ptr label_len options_ptr', 'i32', trains],
  ['train_step', undefined, trains],
  ['loss', 'f32', trains],
  ['correct params_ptr params_len', 'i32', trains],
]

/**
 * The functions that a module with this information exports, besides `memory`; none takes
 * parameters. Result undefined: it returns nothing.
 */
export const netExports = (info: NetInfo) =>
  functions.flatMap(([names, result, when]) =>
    when(info) ? names.split(' ').map((name) => ({ name, result })) : [],
  )

/** The words at `options_ptr` of a train build, 32 bits each: float32, but `nesterov` uint32. */
export const optionWords = [
  'learning_rate',
  'momentum',
  'weight_decay',
  'weight_decay_other',
  'nesterov',
] as const

// How large the samples of an exported network are, and how it is called.

/** How a sample is shown: one call of `infer`, or `reset` and a `step` for each time step. */
export type Call = 'infer' | 'step'

/** What sizes follow from. */
type Sized = Pick<NetInfo, 'input' | 'frames' | 'timeSteps' | 'mode'>

/**
 * A file as its samples are laid out: where one of mode step is shown data of frames, each step
 * takes the next one.
 */
export const shownAs = (info: NetInfo, { timeSteps }: { readonly timeSteps?: number }): NetInfo =>
  info.mode === 'step' && timeSteps !== undefined ? { ...info, mode: 'infer', frames: true } : info

/** Numbers of one frame, [C][H][W]. */
export const sizeOf = ({ input }: Pick<NetInfo, 'input'>): number =>
  input.reduce((a, b) => a * b, 1)

/** Frames that a sample has as it goes into the input. */
export const frameCount = ({ frames, mode, timeSteps }: Sized): number =>
  frames && mode !== 'step' ? timeSteps : 1

/** Numbers of the input: float32, or bytes with u8. */
export const inputCount = (info: Sized & Pick<NetInfo, 'batchSize'>): number =>
  sizeOf(info) * frameCount(info) * (info.mode === 'train' ? info.batchSize : 1)

/** Bytes of one sample: [C][H][W], or [T][C][H][W]. */
export const sampleBytesOf = (info: NetInfo): number =>
  sizeOf(info) * frameCount(info) * (info.inputType === 'u8' ? 1 : 4)

/** Bytes that one call takes. */
export const frameBytesOf = (info: NetInfo, call: Call): number =>
  sampleBytesOf(info) / (call === 'step' ? frameCount(info) : 1)

/** The ways to show a sample that a file has. A train build has `infer` beside its training. */
export const callsOf = ({ mode }: NetInfo): Call[] =>
  mode === 'both' ? ['infer', 'step'] : mode === 'step' ? ['step'] : ['infer']
