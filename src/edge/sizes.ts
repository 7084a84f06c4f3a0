/** How large the samples of an exported network are, and how it is called. */

import type { NetInfo } from './abi.js'

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
