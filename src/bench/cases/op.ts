/** Benchmarks of ops: a plan, its arguments, and one run on the plan's own memory. */
import type { Benchmark, Build, Prepared, Work } from '../benchmark.js'
import type { OwnBuild } from '../build.js'
import { fillNormal } from '../spikes.js'

type Values = Float32Array | Uint8Array | Int32Array

/** What benchmarks use of a plan. */
export interface AnyPlan {
  run(...args: unknown[]): unknown
  dispose(): void | Promise<void>
  readonly tensors: Readonly<Record<string, unknown>>
}

/** What all cases of kernels depend on. */
export interface KernelOptions {
  readonly B: number
  readonly T: number
  readonly threads: number
  readonly densities: readonly number[]
  /** One algorithm each, and few variants. */
  readonly quick: boolean
}

/** How to plan an op, and the arguments of its first run. */
export interface Planned {
  make(): AnyPlan
  readonly args: readonly unknown[]
  readonly density?: string
  /** The density that only a run shows, from its result. */
  readonly densityOf?: (result: unknown) => string
  readonly work?: Work
}

interface Named {
  readonly name: string
  readonly threads: number
  readonly work?: Work
}

/** An op of a build, and the arguments of its first run: together where they share something. */
export type OpCase = Named &
  ({ plan(build: Build): Planned } | { make(build: Build): AnyPlan; args(): readonly unknown[] })

/**
 * All inputs lie in the plan's memory when it is timed: a call is the engine's work and nothing
 * else.
 */
export function opBenchmark(of: OpCase): Benchmark {
  const { name, threads, work } = of
  return {
    name: threads > 1 ? `${name} threads ${threads}` : name,
    section: 'kernels',
    threads,
    ...(work && { work }),
    async prepare(build): Promise<Prepared> {
      const given: Planned =
        'plan' in of ? of.plan(build) : { make: () => of.make(build), args: of.args() }
      const { make, args, densityOf, work: known, ...planned } = given
      const first = make()
      const result = await first.run(...args)
      const density = densityOf ? densityOf(result) : planned.density
      const ready = threads > 1 ? first : freshly(build, make, first)
      return {
        run: () => ready.run() as void | Promise<void>,
        ...(density !== undefined && { density }),
        ...(known && { work: known }),
        dispose: () => ready.dispose(),
      }
    },
  }
}

/** The same plan with the same numbers in it, on an engine that V8 has not optimised yet. */
function freshly(build: Build, make: () => AnyPlan, from: AnyPlan): AnyPlan {
  const { freshEngine } = build as Partial<OwnBuild>
  if (!freshEngine) return from
  freshEngine()
  const to = make()
  new Uint8Array(memoryOf(to)).set(new Uint8Array(memoryOf(from)))
  void from.dispose()
  return to
}

/** The memory that holds all of a plan. */
function memoryOf(plan: AnyPlan): ArrayBuffer {
  const [name] = Object.keys(plan.tensors)
  return (plan as unknown as Record<string, Values>)[name].buffer as ArrayBuffer
}

/** So many normal numbers. */
export function normal(count: number, seed = 1): Float32Array {
  const values = new Float32Array(count)
  fillNormal(values, seed)
  return values
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
