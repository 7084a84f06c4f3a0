/**
 * Others' PyTorch code in processes of its own: the paper's official code, which
 * bench/peers/official.py drives, and that of the authors of OTTT and SLTT (online.py).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../src/base/errors.js'
import type { summarise } from '../src/bench/run.js'
import { flagOf } from '../src/cli/spec.js'
import type { BenchOptions } from './options.js'
import { lastLineOf, runPeer } from './peers.js'

export type Code = 'official' | 'ottt' | 'sltt'
type Checkout = Code | 'spikingjelly' | 'spikingjelly12'

interface Place {
  readonly is: string
  /** A file that tells it from other folders. */
  readonly file: string
  readonly get: string
}

const jelly = 'git clone https://github.com/fangwei123456/spikingjelly'
const checkouts: Readonly<Record<Checkout, Place>> = {
  official: {
    is: "the paper's code",
    file: 'model/model_setting.py',
    get: 'git clone https://github.com/Tab-ct/rate-based-backpropagation',
  },
  spikingjelly: {
    is: 'SpikingJelly 0.0.0.0.14, which that code imports',
    file: 'spikingjelly/activation_based',
    get: `${jelly} --branch 0.0.0.0.14`,
  },
  ottt: {
    is: "its authors' code",
    file: 'models/spiking_vgg.py',
    get: 'git clone https://github.com/pkuxmq/OTTT-SNN',
  },
  sltt: {
    is: "its authors' code",
    file: 'models/spiking_vgg_bn.py',
    get: 'git clone https://github.com/qymeng94/SLTT',
  },
  // The commit that set the version: the repository has no tag for it.
  spikingjelly12: {
    is: 'SpikingJelly 0.0.0.0.12, which the code of SLTT imports',
    file: 'spikingjelly/clock_driven/neuron.py',
    get: `${jelly} spikingjelly-12 && git -C spikingjelly-12 checkout 1171f524`,
  },
}

/** The checkouts that each code needs. */
const needs: Readonly<Record<Code, readonly Checkout[]>> = {
  official: ['official', 'spikingjelly'],
  ottt: ['ottt'],
  sltt: ['sltt', 'spikingjelly12'],
}

/** Networks that the official code has, by our names; `cnn` is put together from its parts. */
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
export type StepTimes = ReturnType<typeof summarise>

/** What the scripts print for `step`. */
export interface PeerStep extends StepTimes {
  /** What the whole process took. */
  readonly processorMs: number
  readonly residentMiB: number
  /** Why it could not be measured; then nothing else is there. */
  readonly leftOut?: string
}

/** The codes whose folders are given; the official one where none is, which then is asked for. */
export const codesOf = (options: BenchOptions): Code[] => {
  const given = (['official', 'ottt', 'sltt'] as const).filter((code) =>
    needs[code].some((checkout) => options[checkout] !== undefined),
  )
  return given.length > 0 ? given : ['official']
}

/** How a code that is not given is added to a run. */
export const howToAdd = (code: Code): string =>
  `Left out: ${code} against its authors' code, for want of --${code} DIR; get it by ` +
  checkouts[code].get

/**
 * @returns the version of PyTorch, and for the official code what a product of matrices reaches and
 *   the fastest of it and two convolutions, in GFLOP/s
 * @throws SpikewasmError that says what a folder is and where it comes from, names a model that the
 *   code does not have, or says why Python cannot run it
 */
export function checkCode(
  code: Code,
  options: BenchOptions,
): { readonly torch: string; readonly matmul: number; readonly peak: number } {
  for (const name of needs[code]) {
    const { is, file, get } = checkouts[name]
    const folder = options[name]
    if (folder === undefined || !existsSync(join(folder, file)))
      fail(`${flagOf(name)} must be a checkout of ${is}, got ${folder ?? 'none'}; get it by ${get}`)
  }
  const { model } = options
  if (code === 'official' && model !== undefined && !networks.includes(model))
    fail(
      `bench.model must be one of ${networks.join(', ')} for the official code, got ` +
        `${JSON.stringify(model)}`,
    )
  return runCode(code, options, 'check')
}

type Settings = Readonly<Record<string, string | number | boolean | readonly number[] | undefined>>

/**
 * Runs one command of the script that drives a code.
 * @param settings options of the script, by name; `tuned`: as `runPeer` has it
 * @param input what it reads
 * @returns the JSON that it ends with
 * @throws SpikewasmError that holds the last line of its errors
 */
export function runCode<R>(
  code: Code,
  { threads, python, ...folders }: BenchOptions,
  command: 'check' | 'state' | 'step' | 'agreement',
  { tuned = false, ...settings }: Settings = {},
  input?: Uint8Array,
): R {
  const isOfficial = code === 'official'
  const spikingjelly = isOfficial ? folders.spikingjelly : folders.spikingjelly12
  const own: Settings = isOfficial
    ? { official: folders.official, spikingjelly }
    : { method: code, code: folders[code], ...(code === 'sltt' && { spikingjelly }) }
  const named = Object.entries({ ...own, threads, ...settings }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, ...[value].flat().map(String)],
  )
  const args = ['-W', 'ignore', isOfficial ? 'official.py' : 'online.py', command, ...named]
  const result = runPeer(python, args, { input, tuned: Boolean(tuned) })
  if ('output' in result) return lastLineOf<R>(result.output)
  fail(
    `bench.python: ${python} could not run ${isOfficial ? 'the official code' : "the authors' code"}` +
      `: ${result.why}; name a Python that has PyTorch with --python, or install it (pip install ` +
      'torch)',
  )
}
