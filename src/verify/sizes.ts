/** How large the samples of an exported network are, and how it is called. */

import { inputCount, type NetInfo } from '../edge/abi.js'
import type { Call } from './job.js'

/**
 * A file as its samples are laid out: where one of mode step is shown data of frames, each step
 * takes the next one.
 */
export const shownAs = (info: NetInfo, { timeSteps }: { readonly timeSteps?: number }): NetInfo =>
  info.mode === 'step' && timeSteps !== undefined ? { ...info, mode: 'infer', frames: true } : info

/** Numbers of one frame, [C][H][W]. */
export const sizeOf = ({ input }: NetInfo): number => input.reduce((a, b) => a * b, 1)

/** Frames that a sample has as it goes into the input. */
export const frameCount = ({ frames, mode, timeSteps }: NetInfo): number =>
  frames && mode !== 'step' ? timeSteps : 1

/** Bytes of one sample: [C][H][W], or [T][C][H][W]. */
export function sampleBytesOf(info: NetInfo): number {
  return sizeOf(info) * frameCount(info) * (info.inputType === 'u8' ? 1 : 4)
}

/** Bytes that one call takes. */
export function frameBytesOf(info: NetInfo, call: Call): number {
  return call === 'step' ? sampleBytesOf(info) / frameCount(info) : sampleBytesOf(info)
}

/** An array of the size and type of a network's input. */
export function inputArray(info: NetInfo): Float32Array | Uint8Array {
  const count = inputCount(info)
  return info.inputType === 'u8' ? new Uint8Array(count) : new Float32Array(count)
}

/** The ways to show a sample that a file has. A train build has `infer` beside its training. */
export function callsOf({ mode }: NetInfo): Call[] {
  if (mode === 'both') return ['infer', 'step']
  return mode === 'step' ? ['step'] : ['infer']
}
