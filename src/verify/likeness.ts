/** Outputs that cannot be the same bits: how far two networks are from each other. */

import { indexOfLargest } from '../edge/accuracy.js'

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
    // A loop: there may be more numbers than a call takes arguments.
    let [low, high] = [want[0], want[0]]
    for (const value of want) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
    spans += high - low
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
