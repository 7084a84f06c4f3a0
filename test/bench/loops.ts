/**
 * Benchmarks for tests of comparisons: loops of a known length. They know which build they are
 * prepared for, so that one can be made slower, throw or hang.
 */
import type { Benchmark, Build } from '../../src/bench/benchmark.js'

export interface LoopSelection {
  readonly count: number
  /** Times of this build, by number of the benchmark: 0.05 for 5 % more work. */
  readonly slower?: Readonly<Record<number, number>>
  /** What does something else, in which build. */
  readonly odd?: readonly {
    readonly number: number
    readonly build: 'this' | 'other' | 'both'
    readonly does: 'throw' | 'throw in prepare' | 'reject' | 'hang' | 'exit'
  }[]
}

const LENGTH = 40_000

export function listCompared(selection: LoopSelection): Benchmark[] {
  const { count, slower = {} } = selection
  return Array.from({ length: count }, (_, number) => ({
    name: `loop ${number}`,
    section: 'kernels',
    prepare(build) {
      const odd = oddnessOf(selection, number, build)
      if (odd === 'throw in prepare') throw new Error('cannot be prepared')
      const factor = build.name === 'this' ? 1 + (slower[number] ?? 0) : 1
      const values = new Float64Array(1024).fill(1)
      const length = Math.round(LENGTH * factor)
      const call = (): void => {
        if (odd === 'throw') throw new Error('cannot run')
        if (odd === 'exit') process.exit(3)
        // As an endless loop, but the processor is free for others.
        if (odd === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        work(values, length)
      }
      // Every second one returns a promise.
      return {
        run:
          number % 2 === 0
            ? call
            : async () => {
                if (odd === 'reject') throw new Error('cannot go on')
                call()
              },
      }
    },
  }))
}

function oddnessOf({ odd = [] }: LoopSelection, number: number, build: Build): string | undefined {
  return odd.find(
    (one) => one.number === number && (one.build === 'both' || one.build === build.name),
  )?.does
}

function work(values: Float64Array, length: number): void {
  let sum = 0
  for (let i = 0; i < length; i++) sum = sum * 0.5 + values[i & 1023]
  values[0] = sum * 0.5
}
