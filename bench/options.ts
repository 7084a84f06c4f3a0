/** The options that `npm run bench` has besides those of `spikewasm bench`. */
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { sections as shared } from '../src/bench/benchmark.js'
import { benchSpecs } from '../src/cli/commands/bench.js'
import { type ArgumentsOf, addOptions, count, flag, text } from '../src/cli/spec.js'

/** Sections of the repository alone. */
export const developerSections = [
  'outside',
  'edge',
  'single',
  'official',
  'online',
  'curves',
  'accuracy',
  'agreement',
] as const
export type DeveloperSection = (typeof developerSections)[number]

/** What the sections of the repository take. */
export const developerSpecs = {
  peers: flag(
    'with --only edge: onnxruntime-web on the same trained networks; installs it in bench/peers ' +
      'when it is missing. --only single (predict of one image, cnn, vgg11 and resnet18) always ' +
      'has onnxruntime, in WebAssembly and native, and PyTorch where --python has it',
  ),
  official: text(
    '<dir>',
    "checkout of the paper's PyTorch code, for --only official: training steps beside those of " +
      'that code, on the same batch and cores; agreement: spikes, output, loss and gradients of ' +
      "whole networks against that code's; curves: steps over T, batch, width and threads, " +
      "without the checkouts ours alone; accuracy: training beside that code's, same start, " +
      'order and recipe: accuracy over time',
  ),
  spikingjelly: text('<dir>', 'checkout of SpikingJelly, which that code needs'),
  python: text('<command>', 'the Python that has PyTorch', { preset: 'python3' }),
  ottt: text(
    '<dir>',
    "checkout of the authors' code of OTTT, for --only online: training steps and gradients of " +
      'their VGG networks beside theirs; official adds those that are given',
  ),
  sltt: text('<dir>', "the same of SLTT's"),
  spikingjelly12: text('<dir>', 'checkout of SpikingJelly 0.0.0.0.12, which SLTT needs'),
  steps: count('<n>', 'least number of timed steps of official, online and curves', {
    usual: '10, 10 and 3; quick: 3, 3 and 1',
    most: 10_000,
  }),
  fashion: text('<dir>', 'Fashion-MNIST for accuracy: the folder of its four files', {
    usual: '/usr/share/datasets/fashion-mnist',
  }),
  data: text(
    '<path>',
    'CIFAR-10 for accuracy: cifar-10-binary.tar.gz or its folder; vgg11 trains on it',
  ),
  epochs: count('<n>', 'of accuracy', {
    usual: 'Fashion-MNIST 5, CIFAR-10 10; quick: 2',
    most: 10_000,
  }),
  limit: count('<n>', 'images of accuracy to train with, and to test with, at most', {
    usual: 'all; quick: 2000 and 1000',
    most: 2 ** 31,
  }),
  svg: text('<file>', 'chart of accuracy', { usual: 'accuracy.svg' }),
}

export type DeveloperArguments = ArgumentsOf<typeof developerSpecs> &
  ArgumentsOf<ReturnType<typeof benchSpecs>>

/** The same with what was not given, where all sections agree on it. */
export type BenchOptions = Readonly<DeveloperArguments> & {
  readonly sections: readonly string[]
  readonly quick: boolean
  readonly peers: boolean
  /** Largest number of threads. */
  readonly threads: number
  /** T of the comparison with the official code's numbers. */
  readonly timeSteps: number
}

export function developerOptions(args: DeveloperArguments): BenchOptions {
  const { only, quick = false, peers = false, timeSteps = 4 } = args
  const { threads = Math.min(4, availableParallelism()) } = args
  const sections = only === undefined ? shared : [only]
  return { ...args, sections, quick, peers, threads, timeSteps }
}

/** Options of a command line, for tests. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const specs = { ...benchSpecs(developerSections), ...developerSpecs }
  const command = addOptions(new Command('bench'), specs)
  command.exitOverride().parse([...args], { from: 'user' })
  return developerOptions(command.opts<DeveloperArguments>())
}
