/** What optimizers take beside their own numbers: parameters by name, groups of them, schedules. */

import { describe, fail } from '../base/errors.js'
import { by, complete, oneOf, optional } from '../base/rules.js'
import { rate } from './schedule.js'

// Parameters and layers by name.

/**
 * Names of parameters (`conv1.weight`) or layers (`conv1`: all of its parameters); `*` stands for
 * any characters (`layer1.*.bias`).
 */
export type Names = string | readonly string[]

/** @throws SpikewasmError unless it is a text, or an array of some */
export function checkNames(name: string, value: Names): readonly string[] {
  const list = typeof value === 'string' ? [value] : value
  const isList = Array.isArray(list) && list.length > 0
  if (!(isList && list.every((x) => typeof x === 'string' && x !== '')))
    fail(`${name} must be a name, or an array of names, got ${describe(value)}`)
  return list
}

/** Whether a pattern names this parameter or layer, or a layer that it is in. */
const covers = (pattern: string, name: string): boolean =>
  matches(pattern, name) || matches(`${pattern}.*`, name)

/** Each piece is looked for once: a regular expression may try all places of all of them. */
function matches(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return name === first
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

/**
 * Those of `all` that are named.
 *
 * @param what an option's name, for messages
 * @throws SpikewasmError when a pattern names none
 */
export function named(what: string, patterns: Names, all: readonly string[]): string[] {
  const list = checkNames(what, patterns)
  for (const pattern of list)
    if (!all.some((name) => covers(pattern, name)))
      fail(
        `${what} must name what the network has, got ${JSON.stringify(pattern)}; ` +
          (all.length === 0
            ? 'there is nothing that it could name: leave it out'
            : `there are ${all.slice(0, 12).join(', ')}${all.length > 12 ? ', …' : ''}`),
      )
  return all.filter((name) => list.some((pattern) => covers(pattern, name)))
}

export * from './schedule.js'

// Groups of parameters with numbers of their own, as PyTorch's param_groups.

/** Parameters with numbers of their own; what is left out is the optimizer's. */
export interface ParameterGroup {
  /** Parameters or layers. Of several groups that name one, the first counts. */
  readonly params: Names
  /** Learning rate, ≥ 0; the schedule's factor holds for it too. */
  readonly lr?: number
  /** Weight decay, ≥ 0, of all parameters of the group. */
  readonly weightDecay?: number
}

/** @throws SpikewasmError for what is no list of groups */
export function checkGroups(name: string, groups: readonly ParameterGroup[]): void {
  if (!Array.isArray(groups)) fail(`${name} must be an array of groups, got ${describe(groups)}`)
  const rules = { params: by(checkNames), lr: optional(rate()), weightDecay: optional(rate()) }
  for (const [i, group] of groups.entries()) complete(`${name}[${i}]`, rules, group)
}

/** What of the parameters decays, and groups of them: rules of options of all optimizers. */
export const decays = () => ({
  decay: oneOf<'all' | 'weights'>(['all', 'weights'], 'weights'),
  groups: by<readonly ParameterGroup[]>(checkGroups, []),
})

// What the functions that make losses and penalties give: their files add it, by its kind.

// biome-ignore lint/suspicious/noEmptyInterface: filled by the files of losses
export interface Losses {}

/** What a loss's maker gives. */
export type Loss = Losses[keyof Losses]

// biome-ignore lint/suspicious/noEmptyInterface: filled by the files of penalties
export interface Penalties {}

/** What a penalty's maker gives. */
export type Penalty = Penalties[keyof Penalties]
