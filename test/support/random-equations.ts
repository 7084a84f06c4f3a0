/** Random equations of neurons that stay in a range where float32 has digits. */

import { functions } from '../../src/kernels/equations/evaluate.js'
import { integer, one, type Random } from './draw/random.js'

export interface RandomNeuron {
  readonly text: string
  readonly parameters: Readonly<Record<string, number>>
  /** Functions that the text calls. */
  readonly calls: readonly string[]
}

/** A bounded expression of names: its value stays near −2 … 2. */
function expression(random: Random, names: readonly string[], depth: number): string {
  const name = (): string => one(random, names)
  const part = (): string => (depth > 0 ? expression(random, names, depth - 1) : name())
  const forms: readonly (() => string)[] = [
    () => `tanh(${part()})`,
    () => `sigmoid(${part()})`,
    () => `exp(-abs(${part()}))`,
    () => `log(1 + abs(${part()}))`,
    () => `sqrt(0.5 + (${part()})^2) - 1`,
    () => `min(${part()}, ${part()})`,
    () => `max(${part()}, 0.25)`,
    () => `where(${part()} > ${part()} or ${name()} <= 0.1, ${part()}, 0.5*${name()})`,
    () => `where(not (${name()} < 0.2), ${part()}, -${name()})`,
    () => `0.25*floor(2*${part()})`,
    () => `0.5*round(${part()})`,
    () => `0.25*sign(${part()})`,
    () => `0.5*detach(${part()})`,
    () => `tanh(${part()})^3 - 0.5`,
    () => `${part()}/(2 + (${part()})^2)`,
    () => `(1 + abs(${name()}))^-0.75`,
    () => `(${part()} - ${part()})*0.5`,
  ]
  return one(random, forms)()
}

/** One to four states, one to six parameters. */
export function randomNeuron(random: Random): RandomNeuron {
  const states = ['u', 'v', 'w', 'a'].slice(0, integer(random, 1, 4))
  const names = ['theta', ...['p', 'q', 'r', 's', 'k'].slice(0, integer(random, 0, 5))]
  const parameters = Object.fromEntries(
    names.map((name) => [name, Math.fround(0.25 + 0.75 * random())]),
  )
  const lines: string[] = []
  for (const state of states) {
    const own = expression(random, [...states, ...names, 'x', 'x'], integer(random, 0, 2))
    const leak = one(random, ['0.5', '(1 - 1/(1.25 + theta))', `sigmoid(${one(random, names)})`])
    const drive = state === 'u' ? 'x + ' : ''
    lines.push(
      random() < 0.25
        ? `d${state}/dt = ${drive}0.5*(${own}) - 0.5*${state}`
        : `${state} = ${state}*${leak} + ${drive}0.5*(${own})`,
    )
  }
  const sign = one(random, ['>=', '>'])
  const guard = random() < 0.2 ? ` and ${states.at(-1)} < 1.5` : ''
  lines.push(`spike = u ${sign} theta + 0.1*tanh(${one(random, states)})${guard}`)
  lines.push(
    one(random, [
      'u = u - theta*detach(spike)',
      'u = u - theta*spike',
      'u = where(detach(spike), -0.1, u)',
      'u = where(spike, 0.5*u, u)',
    ]),
  )
  const text = lines.join('\n')
  // Each has a use.
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(text))
  const calls = Object.keys(functions).filter((name) => text.includes(`${name}(`))
  return {
    text,
    parameters: Object.fromEntries(used.map((name) => [name, parameters[name]])),
    calls,
  }
}
