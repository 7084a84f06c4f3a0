/** A diagnosis that nobody has measured, for tests of what is shown. */

import type { Cosine, Diagnosis } from '../../src/diagnose/diagnosis.js'
import { variantNames } from '../../src/diagnose/diagnosis.js'

/** A made-up diagnosis of a network with so many layers. No two of its numbers should be equal. */
export function made({
  layers = 3,
  timeSteps = [1, 2, 12],
  spikes = false,
  processes = false,
} = {}): Diagnosis {
  const [neurons, weights] = [0, 1].map((offset) =>
    Array.from({ length: layers }, (_, i) => `block${i}.${offset}`),
  )
  const cosines = (names: readonly string[], value: number): Record<string, Cosine> =>
    Object.fromEntries(names.map((name, i) => [name, i === 1 ? null : value - i / 100]))
  return {
    setup: {
      network: 'net </script><b>&"',
      dataset: 'data',
      input: [1, 8, 8],
      parameters: 1234567,
      batchSize: 32,
      steps: 100,
      learningRate: 0.1,
      probes: 4,
      timeSteps,
      methods: variantNames,
      threads: 1,
      ...(processes && { baseBytes: 1e8 }),
      seed: 0,
      layers: Object.fromEntries(
        weights.flatMap((name, i) => [
          [name, `conv2d ${name}`],
          [neurons[i], `neurons ${neurons[i]}`],
        ]),
      ),
    },
    training: timeSteps.map((T) => ({
      timeSteps: T,
      points: [0, 50, 100].map((step) => ({
        step,
        a1: cosines(neurons, 0.99 - T / 500 + (step - 100) / 2000),
        a2: cosines(T === 1 ? [] : weights.slice(1), 0.98 - T / 250 + (step - 100) / 3000),
        a3: cosines(weights, 0.9123456789 + T / 1000 + (step - 100) / 1000),
      })),
      gradients: weights.map((name, i) => ({
        parameter: `${name}.weight`,
        cosine: i === 1 ? null : 0.95 - i / 100 - T / 1000,
        normRatio: i === 1 ? null : 1.05 - i / 7 + T / 100,
      })),
      firingRates: Object.fromEntries(
        neurons.map((name, i) => [
          name,
          Array.from({ length: T }, (_, t) => 0.2 + i / 30 + 0.01 * t),
        ]),
      ),
      testAccuracy: 0.5 + T / 100,
    })),
    costs: variantNames.flatMap((method, m) =>
      timeSteps.map((T) => ({
        method,
        timeSteps: T,
        forwardMs: T + 12.3125 * m,
        backwardMs: 2 * T + m,
        updateMs: 0.1,
        stepMs: 3 * T + m,
        keptBytes: 1e6 * (T + m),
        totalBytes: 2e6 * T + 3e6 * m,
        ...(processes && {
          process: { peakBytes: 2e8 + 5e6 * T + m, planBytes: 7e6 * T + 1e6 * m, stepMs: 4 * T },
        }),
      })),
    ),
    ...(spikes && {
      activity: {
        ...{ timeSteps: 12, dataset: 'tests', samples: 64, label: 3, predicted: 5 },
        layers: Object.fromEntries(
          neurons.map((name, i) => [
            name,
            {
              ...{ neurons: 50 + 100 * i, rows: Math.min(100, 50 + 100 * i) },
              // The second layer never fires.
              spikeRows: i === 1 ? [] : [1, 7, 50],
              spikeSteps: i === 1 ? [] : [1, 12, 3],
              sampleRates: Array.from({ length: 12 }, (_, t) => 0.01 * t),
              rates: Array.from({ length: 12 }, (_, t) => 0.02 * t),
            },
          ]),
        ),
      },
    }),
  }
}
