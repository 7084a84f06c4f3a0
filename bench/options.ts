/** The options that `npm run bench` has besides those of `spikewasm bench`. */
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { sections as shared } from '../src/bench/benchmark.js'
import { benchSpecs } from '../src/cli/commands/bench.js'
import { type ArgumentsOf, addOptions, count, text } from '../src/cli/spec.js'

/** Sections of the repository alone. */
export const developerSections = ['edge', 'single', 'official', 'agreement'] as const
export type DeveloperSection = (typeof developerSections)[number]

/** What the sections of the repository take. */
export const developerSpecs = {
  official: text(
    '<dir>',
    "checkout of the paper's PyTorch code, for --only official: training steps beside those of " +
      'that code, on the same batch and cores; agreement: spikes, output, loss and gradients of ' +
      "whole networks against that code's",
  ),
  spikingjelly: text('<dir>', 'checkout of SpikingJelly, which that code needs'),
  python: text('<command>', 'the Python that has PyTorch, of single too', { preset: 'python3' }),
  ottt: text(
    '<dir>',
    "checkout of the authors' code of OTTT: official and agreement have their VGG network too",
  ),
  sltt: text('<dir>', "the same of SLTT's"),
  spikingjelly12: text('<dir>', 'checkout of SpikingJelly 0.0.0.0.12, which SLTT needs'),
  steps: count('<n>', 'least number of timed steps of official', {
    usual: '10; quick: 3',
    most: 10_000,
  }),
}

export type DeveloperArguments = ArgumentsOf<typeof developerSpecs> &
  ArgumentsOf<ReturnType<typeof benchSpecs>>

/** The same with what was not given, where all sections agree on it. */
export type BenchOptions = ReturnType<typeof developerOptions>

export function developerOptions(args: DeveloperArguments) {
  const { only, quick = false } = args
  const { threads = Math.min(4, availableParallelism()) } = args
  const sections: readonly string[] = only === undefined ? shared : [only]
  return { ...args, sections, quick, threads }
}

/** Options of a command line, for tests. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const specs = { ...benchSpecs({ sections: developerSections, gone: {} }), ...developerSpecs }
  const command = addOptions(new Command('bench'), specs)
  command.exitOverride().parse([...args], { from: 'user' })
  return developerOptions(command.opts<DeveloperArguments>())
}
