/** What a program that evaluates has counted, and where. */

import type { Shape } from '../nn/value.js'
import type { Buffer } from './words.js'

/** Counts of the values that a layer with weights reads, or that a layer gives. */
export interface ValueCounts {
  readonly node: number
  /** Of what the layer reads, of its output, or of what its recurrent weight reads. */
  readonly of: 'input' | 'output' | 'recurrent'
  /** u32 [copies][H][W][stored]: steps of the images at which a value was not 0. */
  readonly counts: Buffer
  readonly copies: number
  /** u32 [units]: 1 where a value was neither 0 nor ±1; absent where none is. */
  readonly others?: Buffer
  readonly units: number
  readonly shape: Shape
  readonly stored: number
  /** They are spikes times a factor that is not 1. */
  readonly scaled: boolean
}

/** Counts of a layer of neurons. */
export interface NeuronCounts {
  readonly node: number
  /** `ActivityCount` [units] */
  readonly counts: Buffer
  readonly units: number
  /** Neurons of one image. */
  readonly neurons: number
  /** Whether they spike. */
  readonly spiking: boolean
}

/** What a program counts. */
export interface ActivityProbes {
  readonly values: ValueCounts[]
  readonly neurons: NeuronCounts[]
}
