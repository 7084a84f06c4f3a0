/** Activations as texts say: a new one is a function here that calls `elementwise`. */

import { EquationError, MOST_TEXT, parse } from '../equations/parse.js'
import { checkArguments, checkOptions, fail } from '../errors.js'
import { layerOf } from '../nn/kind.js'
import type { PerNeuron } from '../nn/numbers.js'
import { checkSurrogate } from '../nn/surrogates.js'
import { checkText, type Equations, equationsKind, readEquations } from './equations.js'

const OUTPUT = 'output = '

/** Options of `elementwise`. */
export interface ElementwiseOptions {
  /** Names of parameters that are learnt. */
  learn?: readonly string[]
  /** Seed of what rand() and randn() draw, 0…2³² − 1; default 0. */
  seed?: number
}

/**
 * An activation as a text says, of each number and at each time step: [C, H, W] → [C, H, W]. The
 * last line is an expression of `x` and of parameters; lines `name = …` before it help. It is what
 * `neuron` makes of `output = …`, without a state. Its derivative is taken of the text.
 *
 * @param text as that of `neuron`
 * @param parameters numbers by name: one for the layer, each channel or each neuron
 * @throws SpikewasmError with line, column and a caret for a mistake in the text
 * @example
 *
 * const swish = elementwise('x * sigmoid(beta*x)', { beta: 1 }, { learn: ['beta'] })
 */
export function elementwise(
  text: string,
  parameters: Readonly<Record<string, PerNeuron>> = {},
  options: ElementwiseOptions = {},
  ...more: []
): Equations {
  checkArguments('elementwise', more)
  checkText('elementwise', text)
  checkOptions('elementwise', options, ['learn', 'seed'])
  const source = { what: 'elementwise', text }
  const lines = parse(source, MOST_TEXT - OUTPUT.length)
  const last = lines.at(-1)
  if (!last || last.name !== undefined)
    throw new EquationError(source, last?.at ?? 0, 'the last line must be an expression alone')
  const before = lines.slice(0, -1)
  for (const { name, at } of before)
    if (name === 'spike' || name === 'output')
      throw new EquationError(source, at, `an activation has no line ${name} = …; use neuron()`)
  const { equations, fields } = readEquations(source, parameters, options, [
    ...before,
    { ...last, name: 'output' },
  ])
  const [state] = equations.states
  if (state !== undefined)
    fail(
      `elementwise: an activation keeps nothing from step to step, but ${state} is read before a ` +
        'line assigns it; use neuron()',
    )
  return layerOf(equationsKind, {
    text: `${text.slice(0, last.at)}${OUTPUT}${text.slice(last.at)}`,
    ...fields,
    init: {},
    ...checkSurrogate('elementwise', {}),
  })
}
