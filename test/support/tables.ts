/** What the product has, by its own tables: tests draw from these and hold no list of their own. */

import { type BuiltIn, lossNames } from '../../src/compile/loss-kind.js'
import { type MethodTraits, methodNames, stepModesOf, traitsOf } from '../../src/compile/methods.js'
import type { Method, StepMode, SurrogateName } from '../../src/index.js'
import { surrogateTexts } from '../../src/network/surrogates.js'

/** Names of a table's entries. */
export const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>): K[] =>
  Object.keys(table) as K[]

export const surrogateNames: readonly SurrogateName[] = keysOf(
  surrogateTexts as Readonly<Record<SurrogateName, string>>,
)

/** Methods with each of their step modes; those that have what is asked for. */
export const methodModes = (has: (traits: MethodTraits) => boolean = () => true) =>
  methodNames
    .flatMap((method) => stepModesOf(method).map((mode): [Method, StepMode] => [method, mode]))
    .filter(([method, stepMode]) => has(traitsOf({ method, stepMode })))

/** Methods that need no layers of their own: all but online stabilisation. */
export const usualModes: readonly (readonly [Method, StepMode])[] = methodModes(
  ({ stabilizes }) => !stabilizes,
)

export const usualMethods: readonly Method[] = [...new Set(usualModes.map(([method]) => method))]

/** Methods whose backward pass runs once, behind all steps. */
export const offlineModes: readonly (readonly [Method, StepMode])[] = methodModes(
  ({ backward }) => backward === 'afterwards',
)

/** Losses that are of one output. */
export const lossesOfOneOutput = lossNames.filter(
  (kind): kind is Exclude<BuiltIn, 'selfDistillation'> => kind !== 'selfDistillation',
)
