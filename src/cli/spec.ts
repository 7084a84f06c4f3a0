/**
 * Options of the command line, each declared once. From a spec come the flag, how its text is read,
 * what --help says, the type of the argument, how options.json keeps it, and where it is refused.
 */

import { type Command, Option } from 'commander'
import { fail } from '../base/errors.js'
import { integer, type Range, range } from '../base/rules.js'
import * as v from '../engine/vendor/valibot/index.js'
import type { About } from './about.js'

/** What an option may say of itself besides. */
interface More<P> {
  /** Its value where it is not given. */
  readonly preset?: P
  /** What --help says of the default where there is no `preset`. */
  readonly usual?: string
  /** Another option, and the names of it that this one is for. */
  readonly only?: readonly [string, ...(readonly string[])]
  /** Another option, without which it does nothing. */
  readonly needs?: string
  /** What messages say behind what is wrong. */
  readonly cure?: string
  /** Names that it took once, and what to use in place of each. */
  readonly gone?: Readonly<Record<string, string>>
  readonly mandatory?: boolean
  /** Under which it stands in --help. */
  readonly heading?: string
  /** Whether --help leaves it to `--help all`. */
  readonly rare?: boolean
}

/** One option: `T` is what it gives, `P` what it is where it is not given. */
export interface Spec<T = unknown, P = unknown> extends More<unknown> {
  readonly preset: P
  /** What stands behind the flag: `<n>`, `[port]`, or nothing. `no`: the flag switches off. */
  readonly takes: string
  readonly text: string
  readonly names?: readonly string[]
  /** @throws SpikewasmError for a text that is no value of it */
  readonly read?: (text: string, flag: string) => T
  readonly schema: v.GenericSchema<T>
  /** The text of an option without its value. */
  readonly bare?: string
  /** What --help says instead of the preset. */
  readonly shown?: string
}

/** Options of a command by the names of its arguments. */
export type Specs = Readonly<Record<string, Spec>>

type ValueOf<S> = S extends Spec<infer T, unknown> ? T : never
type Preset<S extends Specs> = {
  [K in keyof S]: S[K] extends Spec<unknown, undefined> ? never : K
}[keyof S]

/** The arguments that options give: those with a preset are always there. */
export type ArgumentsOf<S extends Specs> = {
  readonly [K in Preset<S>]: ValueOf<S[K]>
} & { readonly [K in Exclude<keyof S, Preset<S>>]?: ValueOf<S[K]> }

/** `--time-steps` of `timeSteps`. */
export const flagOf = (key: string): string =>
  `--${key.replace(/[A-Z]|\d+/g, (letter) => `-${letter.toLowerCase()}`)}`

/**
 * An option whose text is read.
 *
 * @param rule what the text must be, for messages
 * @param from the value of a text, which the schema checks
 */
export function parsed<T, P extends T | undefined = undefined>(
  takes: string,
  text: string,
  rule: string,
  from: (text: string) => unknown,
  schema: v.GenericSchema<T>,
  { preset, cure, gone = {}, ...more }: More<P> & Pick<Spec, 'names' | 'bare' | 'shown'> = {},
): Spec<T, P> {
  const read = (given: string, flag: string): T => {
    const { success, output } = v.safeParse(schema, from(given))
    if (success) return output
    const what = `${flag} must be ${rule}, got ${JSON.stringify(given)}`
    if (Object.hasOwn(gone, given)) fail(`${what}, which is gone; use ${gone[given]}`)
    fail(cure === undefined ? what : `${what}; ${cure}`)
  }
  return { takes, text, read, schema, preset: preset as P, ...more }
}

const numberOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text))

export const textThat = (fits: (value: string) => boolean) => v.pipe(v.string(), v.check(fits))
const numberThat = (fits: (value: number) => boolean) => v.pipe(v.number(), v.check(fits))

/** An option with a number; where the library checks its range, there is no rule here. */
export function number<P extends number | undefined = undefined>(
  takes: string,
  text: string,
  { rule, ...more }: More<P> & { readonly rule?: Range } = {},
): Spec<number, P> {
  const of = rule && range(rule)
  const schema = numberThat((value) => of?.fits(value) ?? true)
  return parsed(takes, text, of ? `a number ${of.words}` : 'a number', numberOf, schema, more)
}

/** An option that counts something: an integer ≥ 1. */
export function count<P extends number | undefined = undefined>(
  takes: string,
  text: string,
  { most, ...more }: More<P> & { readonly most?: number } = {},
): Spec<number, P> {
  const { fits, words } = integer(1, most)
  return parsed(takes, text, words, numberOf, numberThat(fits), more)
}

/** An option that takes one of some names. */
export const name = <T extends string, P extends T | undefined = undefined>(
  takes: string,
  text: string,
  names: readonly T[],
  more: More<P> = {},
): Spec<T, P> =>
  parsed(takes, text, `one of ${names.join(', ')}`, (given) => given, v.picklist(names), {
    names,
    ...more,
  })

/** An option with numbers, separated by commas. */
export function numbers<T extends readonly number[] = number[]>(
  takes: string,
  text: string,
  {
    rule = 'numbers, separated by commas, as in 0.5,0.25',
    fits = () => true,
    ...more
  }: More<undefined> & { readonly rule?: string; fits?: (values: number[]) => boolean } = {},
): Spec<T, undefined> {
  const from = (given: string): number[] => given.split(',').map(numberOf)
  const schema: v.GenericSchema<unknown> = v.pipe(v.array(v.number()), v.check(fits))
  return parsed(takes, text, rule, from, schema as v.GenericSchema<T>, more)
}

/** An option with any text. */
export const text = <P extends string | undefined = undefined>(
  takes: string,
  text: string,
  { preset, ...more }: More<P> = {},
): Spec<string, P> => ({ takes, text, schema: v.string(), preset: preset as P, ...more })

/** The option where a command does nothing without it. */
export const mandatory = <T>(spec: Spec<T, undefined>): Spec<T, T> => ({
  ...(spec as Spec<T>),
  preset: undefined as T,
  mandatory: true,
})

/** An option that is given or not. */
export const flag = <P extends boolean | undefined = undefined>(
  text: string,
  { preset, ...more }: More<P> & Pick<Spec, 'shown'> = {},
): Spec<boolean, P> => ({ takes: '', text, schema: v.boolean(), preset: preset as P, ...more })

/** `--no-report` of `report`: true unless it is given. */
export const unless = (text: string): Spec<boolean, boolean> => ({
  ...flag(text),
  takes: 'no',
  preset: true,
})

const mapped = <S extends Specs>(specs: S, to: (spec: Spec, key: string) => unknown): unknown =>
  Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, to(spec, key)]))

/**
 * Options under a heading of --help; those that have one keep it.
 *
 * @param first those that --help shows; the others are in `--help all`
 * @typeParam S a table of options, which says nothing on the types of the options in it
 */
export const under = <S extends object>(
  heading: string,
  first: readonly (keyof S)[],
  specs: S,
): S =>
  mapped({ ...specs } as Specs, (spec, key) => ({
    heading,
    rare: !first.some((name) => name === key),
    ...spec,
  })) as S

/** Options without their presets. */
export type Unset<S extends Specs> = { readonly [K in keyof S]: Spec<ValueOf<S[K]>, undefined> }

/** The same options where the default is what the data, the run or another option says. */
export const withoutPreset = <S extends Specs>(
  specs: S,
  usualOf = ({ usual }: Spec): string | undefined => usual,
): Unset<S> =>
  mapped(specs, (spec) => ({ ...spec, preset: undefined, usual: usualOf(spec) })) as Unset<S>

/** Those whose default is the run's. */
export const fromRun = <S extends Specs>(specs: S): Unset<S> =>
  withoutPreset(specs, ({ preset, usual }) => `the run's, without --run ${preset ?? usual}`)

/** The same option with something more in its text. */
export const adding = <S extends Spec>(spec: S, more: string): S => ({
  ...spec,
  text: `${spec.text}${more}`,
})

/** An option of a command, which knows what was declared. */
export class SpecOption extends Option {
  constructor(
    flags: string,
    text: string,
    readonly spec: Spec,
  ) {
    super(flags, text)
  }
}

function optionOf(key: string, spec: Spec): Option {
  const { takes, text, usual, only, needs, names, read, preset, shown, bare, mandatory } = spec
  const flag = takes === 'no' ? flagOf(`no-${key}`) : flagOf(key)
  const first = only ? `${only.slice(1).join(', ')}: ` : needs ? `with ${flagOf(needs)}: ` : ''
  const last = usual === undefined ? '' : ` (default: ${usual})`
  const value = takes === 'no' || takes === '' ? '' : ` ${takes}`
  const option = new SpecOption(`${flag}${value}`, `${first}${text}${last}`, spec)
  if (spec.heading !== undefined) option.helpGroup(`${spec.heading}:`)
  if (names) option.choices(names)
  if (read) option.argParser((text) => read(text, flag))
  if (bare !== undefined) option.preset(bare)
  if (takes !== 'no' && preset !== undefined) option.default(preset, shown)
  return option.makeOptionMandatory(mandatory === true)
}

/** Gives a command its options. */
export function addOptions(command: Command, specs: Specs): Command {
  for (const [key, spec] of Object.entries(specs)) command.addOption(optionOf(key, spec))
  return command
}

/** How options.json keeps options that are all there. */
export const schemasOf = <S extends Specs>(specs: S) =>
  mapped(specs, ({ schema }) => schema) as {
    readonly [K in keyof S]: v.GenericSchema<ValueOf<S[K]>>
  }

/** How it keeps options that may be left out. */
export const schemaOf = <S extends Specs>(specs: S) =>
  mapped(specs, ({ schema }) => v.optional(schema)) as {
    readonly [K in keyof S]: v.OptionalSchema<v.GenericSchema<ValueOf<S[K]>>, undefined>
  }

/** Without what is undefined, so that equal options are equal JSON. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

/** What is there of a list. */
export const present = <T>(list: readonly (T | false | undefined | '' | 0)[]): T[] =>
  list.filter((item): item is T => Boolean(item))

/** Those values that options name and that are there, in the order of the options. */
export const given = <S extends Specs>(specs: S, values: object): ArgumentsOf<S> => {
  const all = new Map(Object.entries(values))
  return defined(Object.fromEntries(Object.keys(specs).map((key) => [key, all.get(key)]))) as never
}

/** Members of an object, in this order. */
export const pick = <T extends object, K extends keyof T>(
  from: T,
  ...keys: readonly K[]
): Pick<T, K> => Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>

/** @throws SpikewasmError for an option that would do nothing, by what others say */
export function expectUse(specs: Specs, args: object): void {
  const all = new Map(Object.entries(args))
  for (const [key, { only, needs }] of Object.entries(specs)) {
    const value: unknown = all.get(key)
    if (value === undefined || value === false) continue
    const [other = '', ...names] = only ?? []
    const chosen = String(all.get(other) ?? specs[other]?.preset)
    if (only && !names.includes(chosen))
      fail(
        `${flagOf(key)} must be left out with ${flagOf(other)} ${chosen}, got ${value}; ` +
          `it is for ${names.join(', ')}`,
      )
    if (needs !== undefined && all.get(needs) === undefined)
      fail(`${flagOf(key)} needs ${flagOf(needs!)}, got ${value} without it; give both`)
  }
}

/**
 * @param where what they cannot stand with
 * @throws SpikewasmError for one of some options that is given
 */
export function expectLeftOut(
  args: object,
  keys: readonly string[],
  where: string,
  why = '',
): void {
  const all = new Map<string, unknown>(Object.entries(args))
  for (const key of keys)
    if ((all.get(key) ?? false) !== false)
      fail(`${flagOf(key)} must be left out ${where}, got ${all.get(key)}${why}`)
}

/** Makes a command of its options, of what it is for, and of what it does. */
export const commandOf =
  <S extends Specs, Operand = undefined>(
    specs: S,
    about: About,
    run: (args: ArgumentsOf<S>, operand: Operand, command: Command) => unknown,
  ) =>
  (command: Command): Command =>
    addOptions(describeCommand(command, about), specs).action(async (...given: unknown[]) => {
      const [args, own] = given.slice(-2) as [ArgumentsOf<S>, Command]
      await run(args, given[0] as Operand, own)
    })

/** Says what a command is for. */
export function describeCommand(command: Command, { text, operand }: About): Command {
  if (operand) command.argument(...operand)
  return command.description(text)
}
