/** The options of `npm run bench`. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { expect } from '../src/errors.js'

export const sections = ['kernels', 'steps', 'memory', 'peers'] as const
export type Section = (typeof sections)[number]

export interface BenchOptions {
  readonly sections: readonly Section[]
  readonly quick: boolean
  /** Undefined: the default choice, see steps.ts. */
  readonly model: string | undefined
  /** Largest number of threads. */
  readonly threads: number
  readonly json: string | undefined
  readonly markdown: string | undefined
  readonly help: boolean
}

export const usage = `Usage: npm run bench -- [options]

  --quick            seconds instead of minutes: small shapes, few calls
  --only SECTION     ${sections.join(', ')} (default: all but peers)
  --peers            tfjs-backend-wasm and onnxruntime-web too; installs them in bench/peers when they are missing
  --model NAME       network of steps and memory, over all methods, T and threads (default: all that there are, on a selection of these)
  --threads N        largest number of threads (default: processors, at most 4)
  --json FILE        times and sizes for github-action-benchmark (customSmallerIsBetter);
                     rates go to the same name with .bigger before its ending (customBiggerIsBetter)
  --markdown FILE    the tables in markdown
`

/** @throws SpikewasmError that names the option. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const flag = { type: 'boolean' } as const
  const text = { type: 'string' } as const
  const config = { quick: flag, peers: flag, help: flag, only: text, model: text, threads: text, json: text, markdown: text }
  const { values } = parse()
  const { quick = false, peers = false, help = false, only, model } = values
  expect(
    only === undefined || (sections as readonly string[]).includes(only),
    () => `bench.only must be one of ${sections.join(', ')}, got ${JSON.stringify(only)}`,
  )
  const threads = values.threads === undefined ? Math.min(4, availableParallelism()) : Number(values.threads)
  expect(
    Number.isInteger(threads) && threads >= 1 && threads <= 256,
    () => `bench.threads must be an integer from 1 to 256, got ${values.threads}`,
  )
  const chosen = only === undefined ? sections.filter((section) => section !== 'peers' || peers) : [only as Section]
  return { sections: chosen, quick, model, threads, json: values.json, markdown: values.markdown, help }

  function parse() {
    try {
      return parseArgs({ args: [...args], options: config })
    } catch (error) {
      expect(false, () => `bench: ${error instanceof Error ? error.message : String(error)}; run it with --help for the options`)
    }
  }
}
