/** The options that `npm run bench` has besides those of `spikewasm bench`. */
import { availableParallelism } from 'node:os'
import { Command, Option } from 'commander'
import { sections as shared } from '../src/bench/options.js'
import { benchOptions } from '../src/cli/bench.js'
import { counting } from '../src/cli/options.js'
import { expect } from '../src/errors.js'

/** Sections of the repository alone. */
export const developerSections = [
  'outside',
  'edge',
  'peers',
  'single',
  'official',
  'online',
  'curves',
  'accuracy',
  'agreement',
] as const
export type DeveloperSection = (typeof developerSections)[number]

export interface BenchOptions {
  readonly sections: readonly string[]
  readonly quick: boolean
  /** Other libraries too, installed on demand. */
  readonly peers: boolean
  /** Wide vectors, where they help. */
  readonly revectorize: boolean
  /** Undefined: the default choice, see steps.ts, edge.ts, official.ts and agreement.ts. */
  readonly model: string | undefined
  /** Largest number of threads. */
  readonly threads: number
  /** Checkouts of the paper's code and of SpikingJelly, and the Python that runs them. */
  readonly official: string | undefined
  readonly spikingjelly: string | undefined
  readonly python: string
  /** Checkouts of the authors' code of OTTT and SLTT, and of the SpikingJelly that SLTT needs. */
  readonly ottt: string | undefined
  readonly sltt: string | undefined
  readonly spikingjelly12: string | undefined
  /** CIFAR-10: its archive or its folder. */
  readonly data: string | undefined
  /** The folder of Fashion-MNIST; undefined: where the Debian package puts it. */
  readonly fashion: string | undefined
  readonly epochs: number | undefined
  /** Images of accuracy, of either kind at most; undefined: all, or few in a quick run. */
  readonly limit: number | undefined
  readonly svg: string | undefined
  /** Least number of timed steps beside others' code; undefined: 10, or 3 in a quick run. */
  readonly steps: number | undefined
  /** T of the comparison with the official code's numbers. */
  readonly timeSteps: number
}

/** The options as commander hands them over. */
export interface DeveloperArguments {
  readonly only?: string
  readonly quick?: boolean
  readonly peers?: boolean
  readonly revectorize?: boolean
  readonly model?: string
  readonly threads?: number
  readonly official?: string
  readonly spikingjelly?: string
  readonly python: string
  readonly ottt?: string
  readonly sltt?: string
  readonly spikingjelly12?: string
  readonly data?: string
  readonly fashion?: string
  readonly epochs?: number
  readonly limit?: number
  readonly svg?: string
  readonly steps?: number
  readonly timeSteps?: number
}

/** Adds what the sections of the repository take. */
export function addDeveloperOptions(command: Command): Command {
  const text = (flags: string, description: string): Command =>
    command.addOption(new Option(flags, description))
  const count = (flags: string, description: string): Command =>
    command.addOption(counting(flags, description))
  text(
    '--peers',
    'tfjs-backend-wasm and onnxruntime-web too; installs them in bench/peers when they are ' +
      'missing; with --only edge: onnxruntime-web on the same trained networks. --only single ' +
      '(predict of one image, cnn, vgg11 and resnet18) always has onnxruntime-web, and PyTorch ' +
      'where --python has it',
  )
  text(
    '--official <dir>',
    "checkout of the paper's PyTorch code, for --only official: training steps beside those of " +
      'that code, on the same batch and cores; agreement: spikes, output, loss and gradients of ' +
      "whole networks against that code's; curves: steps over T, batch, width and threads, " +
      "without the checkouts ours alone; accuracy: training beside that code's, same start, " +
      'order and recipe: accuracy over time',
  )
  text('--spikingjelly <dir>', 'checkout of SpikingJelly, which that code needs')
  command.addOption(
    new Option('--python <command>', 'the Python that has PyTorch').default('python3'),
  )
  text(
    '--ottt <dir>',
    "checkout of the authors' code of OTTT, for --only online: training steps and gradients of " +
      'their VGG networks beside theirs; official adds those that are given',
  )
  text('--sltt <dir>', "the same of SLTT's")
  text('--spikingjelly-12 <dir>', 'checkout of SpikingJelly 0.0.0.0.12, which SLTT needs')
  count(
    '--steps <n>',
    'least number of timed steps of official, online and curves (default: 10, 10 and 3; quick: ' +
      '3, 3 and 1)',
  )
  text(
    '--fashion <dir>',
    'Fashion-MNIST for accuracy: the folder of its four files (default: ' +
      '/usr/share/datasets/fashion-mnist)',
  )
  text(
    '--data <path>',
    'CIFAR-10 for accuracy: cifar-10-binary.tar.gz or its folder; vgg11 trains on it',
  )
  count('--epochs <n>', 'of accuracy (default: Fashion-MNIST 5, CIFAR-10 10; quick: 2)')
  count(
    '--limit <n>',
    'images of accuracy to train with, and to test with, at most (default: all; quick: 2000 and ' +
      '1000)',
  )
  return text('--svg <file>', 'chart of accuracy (default: accuracy.svg)')
}

/** Largest values that make sense. */
const most = {
  steps: 10_000,
  epochs: 10_000,
  limit: 2 ** 31,
  timeSteps: 255,
  threads: 256,
} as const

/** @throws SpikewasmError that names the option. */
export function developerOptions(args: DeveloperArguments): BenchOptions {
  for (const [name, max] of Object.entries(most)) {
    const value = args[name as keyof typeof most]
    expect(
      value === undefined || value <= max,
      () => `bench.${name} must be an integer from 1 to ${max}, got ${value}`,
    )
  }
  const { only, quick = false, peers = false, revectorize = true, python } = args
  return {
    sections: only === undefined ? [...shared, ...(peers ? ['peers'] : [])] : [only],
    quick,
    peers,
    revectorize,
    model: args.model,
    threads: args.threads ?? Math.min(4, availableParallelism()),
    official: args.official,
    spikingjelly: args.spikingjelly,
    python,
    ottt: args.ottt,
    sltt: args.sltt,
    spikingjelly12: args.spikingjelly12,
    data: args.data,
    fashion: args.fashion,
    epochs: args.epochs,
    limit: args.limit,
    svg: args.svg,
    steps: args.steps,
    timeSteps: args.timeSteps ?? 4,
  }
}

/** Options of a command line, for tests. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const command = addDeveloperOptions(benchOptions(new Command('bench'), developerSections))
  command.exitOverride().parse([...args], { from: 'user' })
  return developerOptions(command.opts<DeveloperArguments>())
}
