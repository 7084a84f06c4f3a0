/**
 * Others' PyTorch code in processes of its own: the paper's official code, which
 * bench/peers/official.py drives, and that of the authors of OTTT and SLTT (online.py).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../src/base/errors.js'
import type { summarise } from '../src/bench/loops.js'
import type { BenchOptions } from './options.js'
import { linesOf, runPeer } from './peers.js'

/** Networks that the official code has, by our names; `cnn` is put together from its parts. */
const networks = [
  ...['cnn', 'vgg11', 'vgg13', 'vggsnn', 'resnet18', 'resnet19', 'sewResnet34'],
  'preactResnet34',
]

/** Milliseconds of training steps. */
export type StepTimes = ReturnType<typeof summarise>

/** What the scripts print for `step`. */
export interface PeerStep extends StepTimes {
  /** GFLOP/s of the fastest dense product on the same threads, in the same type. */
  readonly peakGflops: number
  /** Of the whole process. */
  readonly processorMs: number
  readonly residentMiB: number
}

type Settings = Readonly<Record<string, string | number | boolean | readonly number[] | undefined>>

/** Methods of training online, each with its authors' code. */
export const onlineMethods = ['ottt', 'sltt'] as const
export type OnlineMethod = (typeof onlineMethods)[number]

/** How to get the authors' code of a method. */
export const howToGet: Readonly<Record<OnlineMethod, string>> = {
  ottt: 'git clone https://github.com/pkuxmq/OTTT-SNN',
  // The commit that set the version: the repository has no tag for it.
  sltt:
    'git clone https://github.com/qymeng94/SLTT && ' +
    'git clone https://github.com/fangwei123456/spikingjelly spikingjelly-12 && ' +
    'git -C spikingjelly-12 checkout 1171f524',
}

const holds = (folder: string | undefined, file: string): boolean =>
  folder !== undefined && existsSync(join(folder, file))

/**
 * @returns the version of PyTorch, and what it can do
 * @throws SpikewasmError that says what the two folders are and where they come from, names a model
 *   that the code does not have, or says why Python cannot run it
 */
export function checkOfficial(options: BenchOptions): {
  torch: string
  /** How the processor multiplies bfloat16; avx512: by way of float32. */
  bfloat16: 'amx' | 'avx512_bf16' | 'avx512' | 'none'
  /** GFLOP/s of a product of matrices, and of the fastest of it and two convolutions. */
  matmul: number
  peak: number
} {
  const { official, spikingjelly, model } = options
  const isThere =
    holds(official, 'model/model_setting.py') &&
    holds(spikingjelly, 'spikingjelly/activation_based')
  if (!isThere)
    fail(
      "bench.official and bench.spikingjelly must be checkouts of the paper's code and of " +
        `SpikingJelly 0.0.0.0.14, got ${official ?? 'none'} and ${spikingjelly ?? 'none'}; get ` +
        'them by git clone https://github.com/Tab-ct/rate-based-backpropagation && ' +
        'git clone --branch 0.0.0.0.14 https://github.com/fangwei123456/spikingjelly',
    )
  if (model !== undefined && !networks.includes(model))
    fail(
      `bench.model must be one of ${networks.join(', ')} for the official code, got ` +
        `${JSON.stringify(model)}`,
    )
  return runCode('official', options, 'check')
}

/**
 * @returns the version of PyTorch
 * @throws SpikewasmError that says what the folder is and where it comes from, or why Python cannot
 *   run it
 */
export function checkOnline(options: BenchOptions, method: OnlineMethod): string {
  const folder = options[method]
  const file = method === 'ottt' ? 'models/spiking_vgg.py' : 'models/spiking_vgg_bn.py'
  if (!holds(folder, file))
    fail(
      `bench.${method} must be a checkout of its authors' code, got ${folder ?? 'none'}; get it ` +
        `by ${howToGet[method]}`,
    )
  if (method === 'sltt' && !holds(options.spikingjelly12, 'spikingjelly/clock_driven/neuron.py'))
    fail(
      `bench.spikingjelly-12 must be a checkout of SpikingJelly 0.0.0.0.12, which the code of ` +
        `SLTT imports, got ${options.spikingjelly12 ?? 'none'}; get both by ${howToGet[method]}`,
    )
  return runCode<{ torch: string }>(method, options, 'check').torch
}

/**
 * Runs one command of the script that drives a code.
 * @returns the JSON that it ends with
 */
export const runCode = <R>(...given: Parameters<typeof linesOfCode>): R =>
  linesOfCode<R>(...given).at(-1) as R

/**
 * @param settings options of the script, by name; `tuned`: as `runPeer` has it
 * @param input what it reads
 * @returns all lines of JSON that it writes
 * @throws SpikewasmError that holds the last line of its errors
 */
export function linesOfCode<R>(
  code: 'official' | OnlineMethod,
  { official, spikingjelly, spikingjelly12, threads, python, ...folders }: BenchOptions,
  command: 'check' | 'state' | 'step' | 'agreement' | 'train',
  { tuned = false, ...settings }: Settings = {},
  input?: Uint8Array,
): R[] {
  const isOfficial = code === 'official'
  const own: Settings = isOfficial
    ? { official, spikingjelly }
    : {
        method: code,
        code: folders[code],
        ...(code === 'sltt' && { spikingjelly: spikingjelly12 }),
      }
  const named = Object.entries({ ...own, threads, ...settings }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, ...[value].flat().map(String)],
  )
  const args = ['-W', 'ignore', isOfficial ? 'official.py' : 'online.py', command, ...named]
  const result = runPeer(python, args, { input, tuned: Boolean(tuned) })
  if ('output' in result) return linesOf<R>(result.output)
  fail(
    `bench.python: ${python} could not run ${isOfficial ? 'the official code' : "the authors' code"}` +
      `: ${result.why}; name a Python that has PyTorch with --python, or install it (pip install ` +
      'torch)',
  )
}
