/** Built-in losses written as functions of one's own. */

import { type CustomLoss, custom, type LossBatch } from '../../src/index.js'

/** −log softmax(z)[label], and its gradient, for each row of outputs; and (z − w)². */
interface Mixture {
  /** Share of the squared distance. */
  readonly m: number
  /** What the outputs are drawn to. */
  readonly wanted: (label: number, c: number) => number
}

type Rows = Pick<LossBatch, 'outputs' | 'targets' | 'shape' | 'valid'>

/** (1 − m)·cross entropy + m·mean squared distance, the mean over valid samples and steps. */
export function mixture({ outputs: z, targets, shape, valid }: Rows, { m, wanted }: Mixture) {
  const [B, C] = shape.slice(-2)
  const steps = shape.length === 3 ? shape[0] : 1
  const gradient = new Float64Array(z.length)
  let [loss, correct] = [0, 0]
  for (let t = 0; t < steps; t++)
    for (let b = 0; b < valid; b++) {
      const row = Array.from(z.subarray((t * B + b) * C, (t * B + b + 1) * C))
      const high = Math.max(...row)
      const sum = row.reduce((all, x) => all + Math.exp(x - high), 0)
      const label = targets[b]
      loss += (1 - m) * (Math.log(sum) + high - row[label])
      if (t === steps - 1 && row.indexOf(high) === label) correct++
      for (const [c, x] of row.entries()) {
        const distance = x - wanted(label, c)
        loss += (m * distance * distance) / C
        const entropy = Math.exp(x - high) / sum - (c === label ? 1 : 0)
        gradient[(t * B + b) * C + c] = (1 - m) * entropy + (m * 2 * distance) / C
      }
    }
  const over = valid * steps
  return { loss: loss / over, gradient: gradient.map((g) => g / over), correct }
}

const onehot = (label: number, c: number): number => (c === label ? 1 : 0)

/** Numbers of built-in losses are float32. */
export const small = Math.fround(0.05)

/** By the names of the built-in losses. */
export const ownLosses = {
  crossEntropy: (of: 'mean' | 'steps', mseWeight = 0): CustomLoss =>
    custom((batch) => mixture(batch, { m: mseWeight, wanted: onehot }), { of }),
  mse: (of: 'mean' | 'steps'): CustomLoss =>
    custom((batch) => mixture(batch, { m: 1, wanted: onehot }), { of }),
  tet: (of: 'mean' | 'steps'): CustomLoss =>
    custom((batch) => mixture(batch, { m: small, wanted: () => 1 }), { of }),
}
