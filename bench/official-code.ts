/**
 * Others' PyTorch code in processes of its own: the paper's official code, which
 * bench/peers/official.py drives, and that of the authors of OTTT and SLTT (online.py).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, SpikewasmError } from '../src/errors.js'
import type { BenchOptions } from './options.js'
import { linesOf, runPeer } from './peers.js'

/** Networks that it has, by our names; `cnn` is put together from its parts. */
const networks = [
  'cnn',
  'vgg11',
  'vgg13',
  'vggsnn',
  'resnet18',
  'resnet19',
  'sewResnet34',
  'preactResnet34',
]

/** Milliseconds of training steps. */
export interface StepTimes {
  readonly median: number
  readonly best: number
  /** Median absolute deviation in percent of the median, as in loops.ts. */
  readonly spread: number
  readonly samples: number
}

/** What the scripts print for `step`. */
export interface PeerStep extends StepTimes {
  /** GFLOP/s of the fastest dense product on the same threads, in the same type. */
  readonly peakGflops: number
  /** Of the whole process. */
  readonly processorMs: number
  readonly residentMiB: number
}

/** Instead of a time: why there is none, in one line. */
export interface LeftOut {
  readonly leftOut: string
}

/** How a processor multiplies bfloat16; avx512: by way of float32. */
export type Bfloat16 = 'amx' | 'avx512_bf16' | 'avx512' | 'none'

type Settings = Readonly<Record<string, string | number | boolean | readonly number[] | undefined>>

const holds = (folder: string | undefined, file: string): boolean =>
  folder !== undefined && existsSync(join(folder, file))

/**
 * @returns the version of PyTorch, and what it can do
 * @throws SpikewasmError that says what the two folders are and where they come from, names a model
 *   that the code does not have, or says why Python cannot run it
 */
export function checkOfficial(options: BenchOptions): {
  torch: string
  bfloat16: Bfloat16
  /** GFLOP/s of a product of matrices, and of the fastest of it and two convolutions. */
  matmul: number
  peak: number
} {
  const { official, spikingjelly, model } = options
  expect(
    holds(official, 'model/model_setting.py') &&
      holds(spikingjelly, 'spikingjelly/activation_based'),
    () =>
      "bench.official and bench.spikingjelly must be checkouts of the paper's code and of " +
      `SpikingJelly 0.0.0.0.14, got ${official ?? 'none'} and ${spikingjelly ?? 'none'}; get ` +
      'them by git clone https://github.com/Tab-ct/rate-based-backpropagation && ' +
      'git clone --branch 0.0.0.0.14 https://github.com/fangwei123456/spikingjelly',
  )
  expect(
    model === undefined || networks.includes(model),
    () =>
      `bench.model must be one of ${networks.join(', ')} for the official code, got ` +
      `${JSON.stringify(model)}`,
  )
  return runOfficial(options, 'check')
}

/**
 * Runs one command of the script.
 *
 * @param settings its options, by name
 * @param stdin what it reads
 * @returns the JSON that it ends with
 * @throws SpikewasmError that holds the last line of its errors
 */
export function runOfficial<Result>(
  options: BenchOptions,
  command: 'check' | 'step' | 'agreement',
  settings: Settings = {},
  stdin?: Uint8Array,
): Result {
  const all = { ...officialSettings(options), ...settings }
  return lastOf(runScript('official.py', command, options.python, all, stdin))
}

/** Trains with the official code: what it says of each epoch, and its processor time. */
export function trainOfficial<Epoch>(
  options: BenchOptions,
  settings: Settings,
): { epochs: Epoch[]; processorMs: number } {
  const all = { ...officialSettings(options), ...settings }
  const output = runScript('official.py', 'train', options.python, all)
  const { processorMs } = lastOf<{ processorMs: number }>(output)
  return { epochs: linesOf<Epoch>(output).slice(0, -1), processorMs }
}

const officialSettings = ({ official, spikingjelly, threads }: BenchOptions): Settings => ({
  official,
  spikingjelly,
  threads,
})

/** Methods of training online, each with its authors' code. */
export const onlineMethods = ['ottt', 'sltt'] as const
export type OnlineMethod = (typeof onlineMethods)[number]

const onlineCode: Readonly<
  Record<OnlineMethod, { readonly file: string; readonly repository: string }>
> = {
  ottt: { file: 'models/spiking_vgg.py', repository: 'pkuxmq/OTTT-SNN' },
  sltt: { file: 'models/spiking_vgg_bn.py', repository: 'qymeng94/SLTT' },
}

/** How to get the authors' code of a method. */
export function howToGet(method: OnlineMethod): string {
  const clone = `git clone https://github.com/${onlineCode[method].repository}`
  // The commit that set the version: the repository has no tag for it.
  return method === 'ottt'
    ? clone
    : `${clone} && git clone https://github.com/fangwei123456/spikingjelly spikingjelly-12 && ` +
        `git -C spikingjelly-12 checkout 1171f524`
}

/**
 * @returns the version of PyTorch
 * @throws SpikewasmError that says what the folder is and where it comes from, or why Python cannot
 *   run it
 */
export function checkOnline(options: BenchOptions, method: OnlineMethod): string {
  const folder = options[method]
  expect(
    holds(folder, onlineCode[method].file),
    () =>
      `bench.${method} must be a checkout of its authors' code, got ${folder ?? 'none'}; get it ` +
      `by ${howToGet(method)}`,
  )
  expect(
    method === 'ottt' || holds(options.spikingjelly12, 'spikingjelly/clock_driven/neuron.py'),
    () =>
      `bench.spikingjelly-12 must be a checkout of SpikingJelly 0.0.0.0.12, which the code of ` +
      `SLTT imports, got ${options.spikingjelly12 ?? 'none'}; get both by ${howToGet(method)}`,
  )
  return runOnline<{ torch: string }>(options, method, 'check').torch
}

/** As `runOfficial`, of the authors' code of a method. */
export function runOnline<Result>(
  options: BenchOptions,
  method: OnlineMethod,
  command: 'check' | 'state' | 'step' | 'agreement',
  settings: Settings = {},
  stdin?: Uint8Array,
): Result {
  const all = {
    method,
    code: options[method],
    spikingjelly: method === 'sltt' ? options.spikingjelly12 : undefined,
    threads: options.threads,
    ...settings,
  }
  return lastOf(runScript('online.py', command, options.python, all, stdin))
}

/** What a script of bench/peers writes to its output. */
function runScript(
  file: string,
  command: string,
  python: string,
  { tuned = false, ...settings }: Settings,
  input?: Uint8Array,
): string {
  const named = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, ...[value].flat().map(String)],
  )
  const args = ['-W', 'ignore', file, command, ...named]
  const result = runPeer(python, args, { input, tuned: Boolean(tuned) })
  if ('output' in result) return result.output
  const code = file === 'official.py' ? 'the official code' : "the authors' code"
  throw new SpikewasmError(
    `bench.python: ${python} could not run ${code}: ${result.why}; ` +
      'name a Python that has PyTorch with --python, or install it (pip install torch)',
  )
}

const lastOf = <T>(output: string): T => linesOf<T>(output).at(-1) as T
