/** Benchmarks of ops: a plan, numbers in its own memory, and runs on that. */
import { mean } from '../../base/numbers.js'
import { sizeOf } from '../../network/value.js'
import type { TensorInfo, Values } from '../../ops/index.js'
import type { Benchmark, Work } from '../benchmark.js'
import { fillNormal, makeTrain, type SpikeTrain } from '../spikes.js'

/** What all cases of kernels depend on. */
export interface KernelOptions {
  readonly B: number
  readonly T: number
  readonly threads: number
  readonly densities: readonly number[]
  /** One algorithm each, and few shapes. */
  readonly quick: boolean
}

/** What benchmarks use of a plan. */
interface AnyPlan {
  readonly tensors: Readonly<Record<string, TensorInfo>>
  write(name: string, values: Values): void
  read(name: string): Values
  run(): unknown
  dispose(): void | Promise<void>
}

/** How an op is planned, and its work. */
export interface Spec {
  readonly options: object | ((sw: typeof import('../../index.js')) => object)
  /** Spikes per neuron and step, where it reads some. */
  readonly density?: number
  readonly work?: Work | ((train: SpikeTrain) => Work)
}

/**
 * A benchmark of an op. All inputs lie in the plan's memory when it is timed: a call is the
 * engine's work and nothing else.
 */
export const kernel = (
  name: string,
  op: string,
  { T, threads }: Pick<KernelOptions, 'T' | 'threads'>,
  { options, density, work }: Spec,
): Benchmark => ({
  name: threads > 1 ? `${name} threads ${threads}` : name,
  section: 'kernels',
  threads,
  ...(typeof work === 'object' && { work }),
  async prepare({ sw, ops }) {
    const planner = ops as unknown as Record<string, { plan(options: object): AnyPlan }>
    const given = typeof options === 'function' ? options(sw) : options
    const plan = planner[op].plan({ ...given, ...(threads > 1 && { threads }) })
    const tensors = Object.values(plan.tensors)
    const spikes = tensors.find(({ type }) => type === 'uint8')
    const train = density !== undefined && spikes ? trainOf(spikes, T, density) : undefined
    for (const [i, tensor] of tensors.entries()) plan.write(tensor.name, valuesOf(tensor, i, train))
    await plan.run()
    const told = train ? [describeTrain(train)] : []
    if (op === 'lif') {
      const rate = mean(Array.from(plan.read('counts'))) / T
      told.unshift(`rate ${rate.toFixed(2)}${train ? ', shortcut' : ''}`)
    }
    return {
      run: () => plan.run(),
      ...(told.length > 0 && { density: told.join(' ') }),
      ...(typeof work === 'function' && { work: work(train!) }),
      dispose: () => plan.dispose(),
    }
  },
})

/** A train for spikes [B, T, …], or for their counts [B, …] of so many steps. */
function trainOf({ shape, order }: TensorInfo, steps: number, density: number): SpikeTrain {
  const isTimed = order.includes('bit')
  const [B, T] = [shape[0], isTimed ? shape[1] : steps]
  return makeTrain(sizeOf(shape) / (isTimed ? T : 1), { B, T }, density, 7)
}

/** What a tensor holds: any that a run writes is overwritten. */
function valuesOf(tensor: TensorInfo, at: number, train: SpikeTrain | undefined): Values {
  const { name, type, shape, order } = tensor
  const count = sizeOf(shape)
  if (type === 'int32') return Int32Array.from({ length: count }, (_, i) => i % 10)
  if (type === 'uint8') {
    const isTimed = order.includes('bit')
    if (train && !isTimed) return countsOf(train, shape[0], count)
    return train?.bytes.length === count ? train.bytes : new Uint8Array(count)
  }
  const values = new Float32Array(count)
  if (shape.length > 1 || /^(parameters|gradients)$/.test(name)) fillNormal(values, 1 + at)
  else if (/^(scales?|weight|runningVar|invStd|squares)$/.test(name)) values.fill(1)
  if (type === 'float32') return values
  // Any bytes take the same time.
  return Int8Array.from(values, (value) => Math.max(-127, Math.min(127, 40 * value)))
}

/** Counts of spikes [B, …] of a train [B, T, …]. */
function countsOf({ bytes }: SpikeTrain, B: number, count: number): Uint8Array {
  const [own, all] = [count / B, bytes.length / B]
  const counts = new Uint8Array(count)
  for (let i = 0; i < bytes.length; i++) counts[Math.floor(i / all) * own + (i % own)] += bytes[i]
  return counts
}

/** Two digits behind the point, or two that are not 0. */
const rateText = (rate: number): string =>
  rate === 0 || rate >= 0.05 ? rate.toFixed(2) : String(Number(rate.toPrecision(2)))

const describeTrain = ({ rate, active }: SpikeTrain): string =>
  `rate ${rateText(rate)}, active ${rateText(active)}`

/** Density where one is enough. */
export const USUAL_DENSITY = 0.2

/** `d0.10`; with more digits where more were given. */
export function densityName(density: number): string {
  const text = density.toFixed(2)
  return `d${Number(text) === density ? text : density}`
}

/** Bytes of float32 that a pass reads and writes, in numbers for each element. */
export function moved(elements: number, read: number, written: number): Work {
  const all = read + written
  const amount = (4 * elements * all) / 1e9
  return { amount, unit: 'GB', limit: 'memory', written: written / all }
}
