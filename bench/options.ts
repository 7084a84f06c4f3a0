/** The options of `npm run bench`. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { expect } from '../src/errors.js'

export const sections = [
  'kernels',
  'steps',
  'memory',
  'edge',
  'peers',
  'single',
  'official',
  'online',
  'curves',
  'accuracy',
  'agreement',
] as const
export type Section = (typeof sections)[number]

/** Sections that run only when --only names them. */
const onlyByName: readonly Section[] = [
  'edge',
  'single',
  'official',
  'online',
  'curves',
  'accuracy',
  'agreement',
]

export interface BenchOptions {
  readonly sections: readonly Section[]
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
  readonly json: string | undefined
  readonly markdown: string | undefined
  readonly help: boolean
}

export const usage = `Usage: npm run bench -- [options]

  --quick            seconds instead of minutes: small shapes, few calls
  --only SECTION     ${sections.join(', ')} (default: kernels, steps, memory)
  --peers            tfjs-backend-wasm and onnxruntime-web too; installs them in bench/peers when they are missing;
                     with --only edge: onnxruntime-web on the same trained networks
                     --only single (predict of one image, cnn, vgg11 and resnet18) always has
                     onnxruntime-web, and PyTorch where --python has it
  --revectorize      V8's wide vectors, where they help (spikewasm info says where); not in the processes that
                     memory, edge and official start for peak memory or first images
  --official DIR --spikingjelly DIR [--python COMMAND]
                     checkouts of the paper's PyTorch code and of SpikingJelly, and the Python that has PyTorch (default: python3), for
                     --only official: training steps beside those of that code, on the same batch and cores
                     --only agreement: spikes, output, loss and gradients of whole networks against that code's
                     --only curves: steps over T, batch, width and threads; without the checkouts ours alone
                     --only accuracy: training beside that code's, same start, order and recipe: accuracy over time
  --ottt DIR, --sltt DIR, --spikingjelly-12 DIR
                     checkouts of the authors' code of OTTT and of SLTT, and of SpikingJelly 0.0.0.0.12, which SLTT needs, for
                     --only online: training steps and gradients of their VGG networks beside theirs; official adds those that are given
  --model NAME       network of steps and memory, over all methods, T and threads (default: all that there are, on a selection of these);
                     of edge (default: mlp, cnn, resnet18, vgg11, sewResnet34; quick: mlp, cnn), official and agreement
  --steps N          least number of timed steps of official, online and curves (default: 10, 10 and 3; quick: 3, 3 and 1)
  --fashion DIR      Fashion-MNIST for accuracy: the folder of its four files (default: /usr/share/datasets/fashion-mnist)
  --data PATH        CIFAR-10 for accuracy: cifar-10-binary.tar.gz or its folder; vgg11 trains on it
  --epochs N         of accuracy (default: Fashion-MNIST 5, CIFAR-10 10; quick: 2)
  --limit N          images of accuracy to train with, and to test with, at most (default: all; quick: 2000 and 1000)
  --svg FILE         chart of accuracy (default: accuracy.svg)
  --time-steps T     steps that agreement presents an image for (default: 4)
  --threads N        largest number of threads (default: processors, at most 4)
  --json FILE        times and sizes for github-action-benchmark (customSmallerIsBetter);
                     rates go to the same name with .bigger before its ending (customBiggerIsBetter)
  --markdown FILE    the tables in markdown
`

/** @throws SpikewasmError that names the option. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const flag = { type: 'boolean' } as const
  const text = { type: 'string' } as const
  const config = {
    quick: flag,
    peers: flag,
    revectorize: flag,
    help: flag,
    only: text,
    model: text,
    threads: text,
    official: text,
    spikingjelly: text,
    python: text,
    ottt: text,
    sltt: text,
    'spikingjelly-12': text,
    data: text,
    fashion: text,
    svg: text,
    steps: text,
    epochs: text,
    limit: text,
    'time-steps': text,
    json: text,
    markdown: text,
  }
  const { values } = parse()
  const {
    quick = false,
    peers = false,
    revectorize = false,
    help = false,
    only,
    model,
    official,
    spikingjelly,
    python = 'python3',
    ottt,
    sltt,
    'spikingjelly-12': spikingjelly12,
    data,
    fashion,
    svg,
    json,
    markdown,
  } = values
  expect(
    only === undefined || (sections as readonly string[]).includes(only),
    () => `bench.only must be one of ${sections.join(', ')}, got ${JSON.stringify(only)}`,
  )
  const threads = integer('threads', 256) ?? Math.min(4, availableParallelism())
  const steps = integer('steps', 10_000)
  const epochs = integer('epochs', 10_000)
  const limit = integer('limit', 2 ** 31)
  const timeSteps = integer('time-steps', 255) ?? 4
  const byDefault = sections.filter((section) =>
    section === 'peers' ? peers : !onlyByName.includes(section),
  )
  const chosen = only === undefined ? byDefault : [only as Section]
  return {
    sections: chosen,
    quick,
    peers,
    revectorize,
    model,
    threads,
    official,
    spikingjelly,
    python,
    ottt,
    sltt,
    spikingjelly12,
    data,
    fashion,
    epochs,
    limit,
    svg,
    steps,
    timeSteps,
    json,
    markdown,
    help,
  }

  function integer(
    name: 'threads' | 'steps' | 'epochs' | 'limit' | 'time-steps',
    max: number,
  ): number | undefined {
    const given = values[name]
    if (given === undefined) return undefined
    const value = Number(given)
    expect(
      Number.isInteger(value) && value >= 1 && value <= max,
      () => `bench.${name} must be an integer from 1 to ${max}, got ${given}`,
    )
    return value
  }

  function parse() {
    try {
      return parseArgs({ args: [...args], options: config })
    } catch (error) {
      expect(
        false,
        () =>
          `bench: ${error instanceof Error ? error.message : String(error)}; run it ` +
          `with --help for the options`,
      )
    }
  }
}
