/**
 * Benchmarks for tests of comparisons: loops of a known length. They know which build they are
 * prepared for, so that one can be made slower, throw or hang. They take nothing from a build.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, Build } from '../../src/bench/benchmark.js'
import type { CompareOptions } from '../../src/bench/compare/options.js'

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

export const cases = import.meta.url

/** Options of a comparison of loops that ends as soon as nothing looks slower. */
export const optionsOf = (
  selection: LoopSelection,
  more: Partial<CompareOptions>,
): CompareOptions => ({ selection, cases, seed: 5, thorough: false, ...more })

/** A folder with these files, and a package.json. */
export function packageFolder(path: string, manifest: object, ...files: string[]): string {
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest))
  for (const name of files) writeFileSync(join(path, name), 'export const old = true\n')
  return path
}

/** A build of nothing, which a process has read at once. */
export const emptyBuild = (path: string): string =>
  packageFolder(
    path,
    {
      ...{ name: 'spikewasm', version: '0.0.0', type: 'module' },
      exports: { '.': './index.js', './ops': './ops.js' },
    },
    'index.js',
    'ops.js',
  )

const LENGTH = 40_000

export function listCompared({ count, slower = {}, odd = [] }: LoopSelection): Benchmark[] {
  const does = (number: number, { name }: Build): string | undefined =>
    odd.find((one) => one.number === number && ['both', name].includes(one.build))?.does
  return Array.from({ length: count }, (_, number) => ({
    name: `loop ${number}`,
    section: 'kernels',
    prepare(build) {
      const odd = does(number, build)
      if (odd === 'throw in prepare') throw new Error('cannot be prepared')
      const factor = build.name === 'this' ? 1 + (slower[number] ?? 0) : 1
      const values = new Float64Array(1024).fill(1)
      const call = (): void => {
        if (odd === 'throw') throw new Error('cannot run')
        if (odd === 'exit') process.exit(3)
        // As an endless loop, but the processor is free for others.
        if (odd === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        work(values, Math.round(LENGTH * factor))
      }
      const later = async (): Promise<void> => {
        if (odd === 'reject') throw new Error('cannot go on')
        call()
      }
      // Every second one returns a promise.
      return { run: number % 2 === 0 ? call : later }
    },
  }))
}

function work(values: Float64Array, length: number): void {
  let sum = 0
  for (let i = 0; i < length; i++) sum = sum * 0.5 + values[i & 1023]
  values[0] = sum * 0.5
}
