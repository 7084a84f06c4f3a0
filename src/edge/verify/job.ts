/** What a host is given and what it gives back. */

import type { Dataset } from '../../data/datasets/dataset.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { type Call, callsOf, sampleBytesOf, shownAs } from '../abi.js'
import { checkData, indexOfLargest, type NetEvaluation, sampleReader } from '../accuracy.js'
import type { ApartNet } from './apart.js'

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
  /** Bytes of the module's memory, as the host sees it. */
  memoryBytes: natural,
})

/** What a host has measured. */
export type Outcome = Readonly<v.InferOutput<typeof outcome>>

// Accuracy of an exported network that can be stopped.

/** Bytes of samples that are sent at once, at least one sample. */
const CHUNK_BYTES = 1 << 18

/**
 * The same as `evaluateNet`, of all samples.
 *
 * @param onProgress called with the share that is done, 0 … 1
 * @throws SpikewasmError when shape or classes do not match the file's, a number is not finite, or
 *   the file takes too long
 */
export async function evaluateApart(
  net: ApartNet,
  data: Dataset,
  onProgress: (done: number) => void = () => {},
): Promise<NetEvaluation> {
  const { info } = net
  checkData({ info }, data, 'or steps')
  const shown = shownAs(info, data)
  const sampleBytes = sampleBytesOf(shown)
  const take = sampleReader(shown, data)
  const [call] = callsOf(info)
  const count = data.length
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / sampleBytes))
  let correct = 0
  for (let first = 0; first < count; first += chunk) {
    onProgress(first / count)
    const samples = Math.min(chunk, count - first)
    const { bytes, labels } = take(first, samples)
    const { predicted } = await net.ask(call, bytes, {
      sampleBytes,
      onSamples: (done) => onProgress((first + done) / count),
    })
    correct += predicted.reduce((n, k, i) => n + Number(k === labels[i]), 0)
  }
  onProgress(1)
  return { accuracy: correct / count, correct, count }
}

// Outputs that cannot be the same bits: how far two networks are from each other.

/** Outputs of a file with int8 weights beside those of a model of the same weights in floats. */
export type Likeness = Readonly<ReturnType<typeof likenessOf>>

/**
 * How far outputs may be. Sums round otherwise, so that now and then a neuron fires a step earlier
 * or later: that changes single samples. Other weights change them all.
 */
export const likenessLimits = { sameClass: 0.97, medianDifference: 0.02 } as const

/** Whether the file has the model's weights. */
export function isAlike({ sameClass, medianDifference }: Likeness): boolean {
  return (
    sameClass >= likenessLimits.sameClass && medianDifference <= likenessLimits.medianDifference
  )
}

/**
 * @param outputs of the file, [samples][classes]
 * @param wanted those of the model
 */
export function likenessOf(outputs: Float32Array, wanted: Float32Array, classes: number) {
  const samples = outputs.length / classes
  const differences: number[] = []
  let [same, spans] = [0, 0]
  for (let i = 0; i < samples; i++) {
    const got = outputs.subarray(i * classes, (i + 1) * classes)
    const want = wanted.subarray(i * classes, (i + 1) * classes)
    differences.push(got.reduce((most, value, k) => Math.max(most, distance(value, want[k])), 0))
    same += Number(indexOfLargest(got) === indexOfLargest(want))
    // Not by spreading: there may be more numbers than a call takes arguments.
    const high = want.reduce((a, b) => Math.max(a, b))
    spans += high - want.reduce((a, b) => Math.min(a, b))
  }
  differences.sort((a, b) => a - b)
  const span = spans / samples
  return {
    /** Samples of which both have the same class, 0 … 1. */
    sameClass: same / samples,
    /** Median over samples of the largest difference of an output, as a share of `span`. */
    medianDifference: differences[samples >> 1] / (span || 1),
    /** The largest difference of all outputs. */
    largestDifference: differences[samples - 1],
    /** Mean over samples of the model's largest output minus its smallest. */
    span,
  }
}

/** What is no number is far from all. */
function distance(a: number, b: number): number {
  return Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Number.POSITIVE_INFINITY
}
