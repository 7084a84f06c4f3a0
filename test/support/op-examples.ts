/** The examples of ops, and runs of any plan on random numbers. */
import { readdirSync } from 'node:fs'
import type * as ops from '../../src/ops/index.js'
import type { Example } from '../ops/examples/example.js'
import { type RandomShapes, randomShapes } from './ops.js'

const folder = new URL('../ops/examples/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'example.js')
const found = await Promise.all(
  files.map((name) => import(new URL(name, folder).href) as Promise<{ examples: Example[] }>),
)
export const examples = found.flatMap((file) => file.examples)

export type AnyPlan = ops.PlanInfo & {
  run(...given: readonly unknown[]): unknown
  dispose(): Promise<void> | void
}

/** Numbers that any tensor of an op may hold. */
function valuesOf(r: RandomShapes, { name, type, shape }: ops.TensorInfo): ops.Values {
  const count = shape.reduce((a, b) => a * b, 1)
  if (name === 'nonFinite') return new Int32Array(count)
  if (type === 'uint8') return r.spikes(count)
  if (type === 'int8') return Int8Array.from({ length: count }, () => r.int(-128, 127))
  if (type === 'int32') return Int32Array.from({ length: count }, () => r.int(0, 2))
  const floats = r.floats(count, 2)
  return /var|invStd/i.test(name) ? floats.map((v) => Math.abs(v) + 0.1) : floats
}

/** Fills all tensors, results too, on which a run must not depend; gives the result. */
export function runOn(plan: AnyPlan, seed: number): unknown {
  const r = randomShapes(seed)
  for (const tensor of Object.values(plan.tensors)) plan.write(tensor.name, valuesOf(r, tensor))
  const result = plan.run()
  return result instanceof Promise ? result.then(structuredClone) : structuredClone(result)
}
