/** NIR files on the command line: a model from one, and one from a model. */

import { basename } from 'node:path'
import { expect } from '../errors.js'
import type { Model } from '../model.js'
import { networkFromNir } from '../nir/index.js'
import { withFiles } from './mistakes.js'
import { type ArgumentsOf, name, number, text } from './spec.js'

/** How the time of a NIR file becomes steps. */
export const nirTimeSpecs = {
  dt: number('<seconds>', 'with a NIR file: time of a step', { usual: "the file's, else 0.0001" }),
  discretisation: name(
    '<name>',
    'with a NIR file: how neurons decay in a step',
    ['euler', 'exact'],
    { usual: "the file's, else euler" },
  ),
  reset: name(
    '<name>',
    'with a NIR file: what becomes of the potential of a neuron that spikes',
    ['subtract', 'zero', 'stored'],
    { usual: "the file's, else subtract" },
  ),
}

/** All that belong to a file that is read. */
export const nirSpecs = {
  nir: text('<file>', 'network of another program, a file of NIR (needs h5wasm)'),
  ...nirTimeSpecs,
}

export type NirArguments = ArgumentsOf<typeof nirSpecs>

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
