/** NIR files on the command line: a model from one, and one from a model. */

import { basename } from 'node:path'
import { Option } from 'commander'
import { expect } from '../errors.js'
import type { NirOptions } from '../io/nir/options.js'
import type { Model } from '../model.js'
import { networkFromNir } from '../nir/index.js'
import { withFiles } from './mistakes.js'
import { named, numeric } from './options.js'

/** What names a NIR file, and says how its time becomes steps. */
export interface NirArguments {
  readonly nir?: string
  readonly dt?: number
  readonly discretisation?: NirOptions['discretisation']
  readonly reset?: NirOptions['reset']
}

/** Fresh options each time. */
export const nirOptions = {
  nir: (): Option =>
    new Option('--nir <file>', 'network of another program, a file of NIR (needs h5wasm)'),
  dt: (): Option =>
    numeric('--dt <seconds>', "with a NIR file: time of a step (default: the file's, else 0.0001)"),
  discretisation: (): Option =>
    named(
      '--discretisation <name>',
      "with a NIR file: how neurons decay in a step (default: the file's, else euler)",
      ['euler', 'exact'],
    ),
  reset: (): Option =>
    named(
      '--reset <name>',
      'with a NIR file: what becomes of the potential of a neuron that spikes ' +
        "(default: the file's, else subtract)",
      ['subtract', 'zero', 'stored'],
    ),
}

/** All that belong to a file that is read. */
export const readingNir = (): Option[] => [
  nirOptions.nir(),
  nirOptions.dt(),
  nirOptions.discretisation(),
  nirOptions.reset(),
]

/** @throws SpikewasmError for options that are about a NIR file where there is none */
export function expectNir(args: NirArguments, because = '--nir'): void {
  for (const key of ['dt', 'discretisation', 'reset'] as const)
    expect(args[key] === undefined, () => `--${key} must come with ${because}, got ${args[key]}`)
}

/** The model of a NIR file. */
export async function nirModel({ nir: path = '', dt, discretisation, reset }: NirArguments) {
  const { network, state, input, timeSteps, frames } = await withFiles(() =>
    networkFromNir(path, { dt, discretisation, reset }),
  )
  return {
    name: basename(path, '.nir'),
    isWhole: true,
    network: () => network,
    options: {
      input,
      ...(timeSteps !== undefined && { timeSteps }),
      ...(frames !== undefined && { frames }),
    },
    load: (model: Model): void => model.loadStateDict(state),
  }
}
