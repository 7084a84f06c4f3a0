/** Measures of a network's answers, gathered batch by batch. */

/** How well one class is told from the others. Where there is nothing to divide by, it is 0. */
export interface ClassMetrics {
  /** Share of the samples with this answer that are of this class, 0…1. */
  readonly precision: number
  /** Share of the samples of this class with this answer, 0…1. */
  readonly recall: number
  /** Harmonic mean of precision and recall, 0…1. */
  readonly f1: number
  /** Samples of this class. */
  readonly count: number
}

/** Answers of a network on labelled samples. */
export interface Answers {
  /** Samples of each label with each answer, [label][answer]; absent above 1,000 classes. */
  readonly confusion?: number[][]
  /** One for each class, in the order of the labels. */
  readonly perClass: ClassMetrics[]
  /** Share of the samples whose label is among the k largest outputs, 0…1; present with a k. */
  readonly topK?: number
}

/** The matrix of more classes would be too large to be of use. */
const MOST_CONFUSED = 1000

/**
 * Counts answers.
 *
 * @param k counts samples whose label is among the k largest outputs; undefined: does not
 */
export function makeTally(classes: number, k: number | undefined) {
  const matrix = classes <= MOST_CONFUSED ? new Uint32Array(classes * classes) : undefined
  const [right, answered, labelled] = [0, 0, 0].map(() => new Uint32Array(classes))
  let [samples, within] = [0, 0]
  return {
    /**
     * @param labels as many as samples count
     * @param answers their classes
     * @param logits [samples][classes]
     */
    add(labels: ArrayLike<number>, answers: ArrayLike<number>, logits: Float32Array): void {
      for (let i = 0; i < labels.length; i++) {
        const [label, answer] = [labels[i], answers[i]]
        samples++
        labelled[label]++
        answered[answer]++
        if (label === answer) right[label]++
        if (matrix) matrix[label * classes + answer]++
        if (k !== undefined && rankOf(logits, i * classes, classes, label) < k) within++
      }
    },
    result: (): Answers => ({
      ...(matrix ? { confusion: rowsOf(matrix, classes) } : {}),
      perClass: Array.from({ length: classes }, (_, c) => {
        const precision = ratio(right[c], answered[c])
        const recall = ratio(right[c], labelled[c])
        const f1 = ratio(2 * right[c], answered[c] + labelled[c])
        return { precision, recall, f1, count: labelled[c] }
      }),
      ...(k === undefined ? {} : { topK: ratio(within, samples) }),
    }),
  }
}

const ratio = (part: number, all: number): number => (all === 0 ? 0 : part / all)

const rowsOf = (matrix: Uint32Array, classes: number): number[][] =>
  Array.from({ length: classes }, (_, label) => [
    ...matrix.subarray(label * classes, (label + 1) * classes),
  ])

/** How many outputs come before a label's: larger ones, and equal ones of lower classes. */
function rankOf(logits: Float32Array, at: number, classes: number, label: number): number {
  const own = logits[at + label]
  let rank = 0
  for (let c = 0; c < classes; c++) {
    const other = logits[at + c]
    if (other > own || (other === own && c < label)) rank++
  }
  return rank
}

/** Σ |output · scale − target| over samples and outputs. */
export function absoluteErrors(
  outputs: Float32Array,
  targets: Float32Array,
  scale: number,
): number {
  let sum = 0
  for (let i = 0; i < targets.length; i++) sum += Math.abs(outputs[i] * scale - targets[i])
  return sum
}
