/** Exported networks beside the models that they come from. */

import type { Model } from '../../src/index.js'
import {
  compile,
  type Method,
  type Module,
  type StepMode,
  type WeightType,
} from '../../src/index.js'
import { weightTypes } from '../../src/network/weights.js'
import { randomNetwork } from './draw/networks.js'

type Random = () => number

/** Uniform numbers 0 … 1 from a seed. */
export function numbers(seed: number): Random {
  let state = seed >>> 0 || 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

export const sizeOf = ({ input }: { input: readonly number[] }): number =>
  input.reduce((a, b) => a * b, 1)

/** Float32 numbers −0.5 … 1.5. */
export const uniform = (random: Random, count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random() * 2 - 0.5)

/** Which of the outputs of two networks differ in any bit. */
export function differing(a: Float32Array, b: Float32Array): number {
  const [x, y] = [a, b].map((f) => new Uint32Array(f.buffer, f.byteOffset, f.length))
  if (x.length !== y.length) return Number.POSITIVE_INFINITY
  return x.reduce((n, bits, i) => n + Number(bits !== y[i]), 0)
}

/** Moves parameters and running statistics away from where they start. */
export async function shake(model: Model, random: Random): Promise<void> {
  const state = model.stateDict()
  for (const [name, { data }] of Object.entries(state)) {
    const positive = name.endsWith('running_var')
    for (let i = 0; i < data.length; i++) {
      const change = random() - 0.5
      data[i] = positive ? Math.abs(data[i] + change) + 0.1 : data[i] * (1 + change) + change * 0.1
    }
  }
  model.loadStateDict(state)
}

const methods: readonly [Method, StepMode][] = [
  ['rate', 'm'],
  ['rate', 's'],
  ['bptt', 'm'],
  ['sltt', 's'],
  ['os', 's'],
]

/**
 * A compiled random network with shaken parameters.
 *
 * @param streams it also runs step by step, so that no layer needs all steps at once
 * @param weights default: any
 */
export async function randomModel(
  random: Random,
  stepMode?: StepMode,
  streams = false,
  weights?: WeightType,
): Promise<Model> {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]
  const input = one([
    [1, 8, 8],
    [3, 9, 9],
    [2, 12, 12],
  ] as const)
  const [method, mode] = stepMode === 's' ? (['rate', 's'] as const) : one(methods)
  const network = randomNetwork(random, input, method, mode === 'm' && !streams) as Module
  const options = {
    input,
    timeSteps: one([1, 2, 3, 4, 6, 9]),
    frames: stepMode === undefined && random() < 0.3,
    batchSize: one([1, 3]),
    method,
    stepMode: mode,
    purpose: one(['train', 'inference'] as const),
  }
  const type = weights ?? one(weightTypes)
  // Where no weight can be of whole numbers, all are of floats.
  const model = await compile(network, { ...options, weights: type }).catch((error) => {
    if (!String(error).includes('compile.weights')) throw error
    return compile(network, options)
  })
  await shake(model, random)
  return model
}
