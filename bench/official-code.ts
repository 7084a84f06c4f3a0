/** The paper's official PyTorch code in processes of its own; bench/peers/official.py drives it. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, SpikewasmError } from '../src/errors.js'
import type { BenchOptions } from './options.js'

const script = fileURLToPath(new URL('../../bench/peers/official.py', import.meta.url))

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

/**
 * @returns the version of PyTorch
 * @throws SpikewasmError that says what the two folders are and where they come from, names a model
 *   that the code does not have, or says why Python cannot run it
 */
export function checkOfficial(options: BenchOptions): string {
  const { official, spikingjelly, model } = options
  const holds = (folder: string | undefined, file: string): boolean =>
    folder !== undefined && existsSync(join(folder, file))
  expect(
    holds(official, 'model/model_setting.py') &&
      holds(spikingjelly, 'spikingjelly/activation_based'),
    () =>
      `bench.official and bench.spikingjelly must be checkouts of the paper's code and of SpikingJelly 0.0.0.0.14, got ${official ?? 'none'} and ${spikingjelly ?? 'none'}; get them with
  git clone https://github.com/Tab-ct/rate-based-backpropagation
  git clone --branch 0.0.0.0.14 https://github.com/fangwei123456/spikingjelly`,
  )
  expect(
    model === undefined || networks.includes(model),
    () =>
      `bench.model must be one of ${networks.join(', ')} for the official code, got ` +
      `${JSON.stringify(model)}`,
  )
  return runOfficial<{ torch: string }>(options, 'check').torch
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
  { official, spikingjelly, python, threads }: BenchOptions,
  command: 'check' | 'step' | 'agreement',
  settings: Readonly<Record<string, string | number | readonly number[]>> = {},
  stdin: Uint8Array = new Uint8Array(),
): Result {
  const named = Object.entries({ official, spikingjelly, threads, ...settings }).flatMap(
    ([name, value]) => [`--${name}`, ...[value].flat().map(String)],
  )
  const { status, stdout, stderr, error } = spawnSync(
    python,
    ['-W', 'ignore', script, command, ...named],
    {
      input: stdin,
      encoding: 'utf8',
    },
  )
  if (error !== undefined || status !== 0)
    throw new SpikewasmError(
      `bench.python: ${python} could not run the official code: ` +
        `${error?.message ?? stderr.trim().split('\n').at(-1)}; ` +
        'name a Python that has PyTorch with --python, or install it (pip install torch)',
    )
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Result
}
