/** What a host is given and what it gives back. */

/** How a sample is shown: one call of `infer`, or `reset` and a `step` for each time step. */
export const calls = ['infer', 'step'] as const
export type Call = (typeof calls)[number]

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

/** A float that is not the expected one; the bits of both as unsigned numbers. */
export interface Difference {
  readonly sample: number
  readonly output: number
  readonly got: number
  readonly want: number
}

/** What a host has measured. */
export interface Outcome {
  /** Samples that ran. */
  readonly samples: number
  /** Floats of their outputs that are not bit by bit the expected ones. */
  readonly differ: number
  /** The first of them. */
  readonly first: Difference | null
  /** Median over rounds of the time for one sample, in microseconds, input written. */
  readonly us: number
  /** Compile, instantiate and first answer, in milliseconds. */
  readonly coldMs: number
  /** What the process holds after the first answer, in bytes; null where unknown. */
  readonly residentBytes: number | null
  /** Of the module's memory, as the host sees it. */
  readonly memoryBytes: number
}
