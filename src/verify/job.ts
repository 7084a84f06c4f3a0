/** What a host is given and what it gives back. */

import type { Call } from '../edge/sizes.js'
import * as v from '../runtime/vendor/valibot/index.js'

/** The shape of a job; hosts in other languages get these numbers as arguments, in this order. */
export interface JobNumbers {
  readonly call: Call
  readonly inputType: 'f32' | 'u8'
  /** Samples in the file of samples. */
  readonly samples: number
  /** Bytes of one sample there. */
  readonly sampleBytes: number
  /** Bytes that one call takes; a sample holds one or several times as many. */
  readonly frameBytes: number
  /** Calls for one sample: 1 of `infer`, T of `step`. */
  readonly steps: number
  readonly classes: number
  /** A slow host stops after so many seconds; it has then run fewer samples. */
  readonly seconds: number
}

/** A job on disk, in a folder of its own in which a host may write. */
export interface Job extends JobNumbers {
  readonly folder: string
  /** Path of the exported network. */
  readonly net: string
  /** Path of the samples as they go into the input, one after the other. */
  readonly input: string
  /** Path of the outputs that are expected, float32 [samples][classes]. */
  readonly expected: string
}

const natural = v.pipe(v.number(), v.integer(), v.minValue(0))
export const outcome = v.object({
  /** Samples that ran. */
  samples: v.pipe(natural, v.minValue(1)),
  /** Floats of their outputs that are not bit by bit the expected ones. */
  differ: natural,
  /** The first of them; the bits of both as unsigned numbers. */
  first: v.nullable(v.object({ sample: natural, output: natural, got: natural, want: natural })),
  /** Median over rounds of the time for one sample, in microseconds, input written. */
  us: v.number(),
  /** Compile, instantiate and first answer, in milliseconds. */
  coldMs: v.number(),
  /** What the process holds after the first answer, in bytes; null where unknown. */
  residentBytes: v.nullable(natural),
  /** Of the module's memory, as the host sees it. */
  memoryBytes: natural,
})

/** What a host has measured. */
export type Outcome = Readonly<v.InferOutput<typeof outcome>>
