/** How the types of an op follow from its options. */

/**
 * The types of an op. `this['options']` are the options of a call, so that what extends this can
 * say that with `spikes: true` the input is a Uint8Array.
 */
export interface OpTypes {
  /** Options as a call gives them. */
  readonly options: unknown
  /** What options must be besides: `{ timeSteps: number }` where counts need it. */
  readonly rules: unknown
  /** Arrays that a single call needs. */
  readonly args: readonly unknown[]
  /** Arrays behind them that a single call may leave out: the op goes on from them. */
  readonly updated: readonly unknown[]
  /** What runs take behind the arrays; never: nothing. */
  readonly settings: unknown
  /** What a run returns. */
  readonly result: unknown
  /** The plan's own memory by name. */
  readonly memory: unknown
}

/** Types that are the same for all options. `Ranks`: how many axes shapes may have. */
export interface Fixed<
  Ranks,
  Args extends readonly unknown[],
  Result,
  Memory,
  Updated extends readonly unknown[] = [],
  Settings = never,
> extends OpTypes {
  /** Shapes have as many axes. */
  readonly rules: Ranked<this['options'], Ranks>
  /** Arrays that a single call needs. */
  readonly args: Args
  /** Arrays behind them that a single call may leave out. */
  readonly updated: Updated
  /** What runs take behind the arrays. */
  readonly settings: Settings
  /** What a run returns. */
  readonly result: Result
  /** The plan's own memory by name. */
  readonly memory: Memory
}

/** One of an op's types for options `O`. */
export type TypeOf<Types extends OpTypes, O, Name extends keyof OpTypes> = (Types & {
  /** Options of a call. */
  readonly options: O
})[Name]

/** The value of an option, or what it is where it is left out. */
export type Option<O, K extends string, Default> = K extends keyof O
  ? O[K] extends infer V
    ? V extends undefined
      ? Default
      : V
    : never
  : Default

/** Whether an option asks for something; boolean: only a run knows. */
export type Asks<O, K extends string, Default = false> =
  Option<O, K, Default> extends infer V ? (V extends false | undefined ? false : true) : never

/** Those options that ask for something whatever a run knows. */
export type Certain<O, K extends string> = K extends unknown
  ? [Asks<O, K>] extends [true]
    ? K
    : never
  : never

/** A type, or another, or either where only a run knows. */
export type If<Condition, Then, Else = never> = Condition extends false ? Else : Then

/** Arguments that are there if something is asked for. */
export type Only<Condition, Args extends readonly unknown[]> = Condition extends false ? [] : Args

/** Memory that is there if something is asked for. */
export type With<Condition, Memory> = [Condition] extends [false]
  ? unknown
  : boolean extends Condition
    ? Partial<Memory>
    : Memory

/** Numbers of axes of activities: [B, C], [B, C, H, W], and these with T behind B. */
export type Activity = 2 | 3 | 4 | 5
/** Numbers of axes of images: [B, C, H, W], or that with T behind B. */
export type Image = 4 | 5
/** Numbers of axes of rows: [B, C], or that with T behind B. */
export type Rows = 2 | 3
/** Numbers of axes of what has steps: [B, T, C], or [B, T, C, H, W]. */
export type Timed = 3 | 5

/** Ranks of options. */
export type ActivityInput = {
  /** Activities. */
  readonly input: Activity
}
/** Ranks of options. */
export type ImageInput = {
  /** Images. */
  readonly input: Image
}
/** Ranks of options. */
export type RowsInput = {
  /** Rows. */
  readonly input: Rows
}
/** Ranks of options. */
export type StillInput = {
  /** Activities without steps. */
  readonly input: 2 | 4
}
/** Ranks of options. */
export type TimedInput = {
  /** With steps. */
  readonly input: Timed
}

/** What a shape of a wrong rank does not have, so that messages name the right one. */
export type WrongRank<Rank> = {
  /** How many axes there may be. */
  readonly numberOfAxes: Rank
}

/** Nothing, or that a rank is wrong; a run looks at lists of unknown length. */
export type RankedShape<Shape, Rank> = Shape extends readonly unknown[]
  ? number extends Shape['length']
    ? unknown
    : Shape['length'] extends Rank
      ? unknown
      : WrongRank<Rank>
  : unknown

/** Shapes of options, by name, of the right rank. */
export type Ranked<O, Ranks> = {
  readonly [K in keyof Ranks & keyof O]?: RankedShape<O[K], Ranks[K]>
}

/** A list that is not empty. */
export type NotEmpty<List> = List extends readonly []
  ? {
      /** There must be one at least. */
      readonly first: unknown
    }
  : unknown

/** A list of terms is not empty, they have known options, and shapes the right rank. */
export type TermRules<O, K extends string, Term, Ranks = unknown> = {
  readonly [P in K & keyof O]?: NotEmpty<O[P]> & AllKnown<O[P], Term, Ranks>
}

/** Terms with known options, whose shapes have the right rank. */
export type AllKnown<Terms, Term, Ranks> = {
  [P in keyof Terms]: Terms[P] & Ranked<Terms[P], Ranks> & Known<Terms[P], Term>
}

/** The rule that options within an option are known. */
export type Known<O, Options> = O extends object
  ? { readonly [K in Exclude<keyof O, keyof Options>]?: NoSuchOption }
  : unknown

/** Names of all options that a union of options has. */
export type OptionNames<Options> = Options extends unknown ? keyof Options : never

/** What an option does not have that only goes with another one. */
export type OnlyWith<Other> = {
  /** The option that is missing, or that refuses this one. */
  readonly onlyWith: Other
}

/** What an option does not have that no op knows. */
export type NoSuchOption = {
  /** Its name is wrong. */
  readonly noSuchOption: true
}

/** Options as given: no others than those that the op knows, and what its rules say. */
export type Valid<O, Options, Types extends OpTypes> = TypeOf<Types, O, 'rules'> & {
  readonly [K in Exclude<keyof O, OptionNames<Options>>]?: NoSuchOption
}

/** A list that may end early. */
export type Beginnings<List extends readonly unknown[]> = number extends List['length']
  ? List
  : List extends readonly [...infer Rest, unknown]
    ? List | Beginnings<Rest>
    : []

/** A list whose elements may be undefined. */
export type AllMissable<List extends readonly unknown[]> = {
  [K in keyof List]: List[K] | undefined
}
/** A list whose elements may be undefined, or not there. */
export type AllOptional<List extends readonly unknown[]> = {
  [K in keyof List]?: List[K] | undefined
}

/** A list, and with settings also its beginnings with these behind them. */
export type Arguments<
  Needed extends readonly unknown[],
  List extends readonly unknown[],
  Settings,
> = [Settings] extends [never]
  ? [...Needed, ...AllOptional<List>]
  :
      | [...Needed, ...AllOptional<List>]
      | [
          ...Needed,
          ...Extract<AllMissable<Beginnings<List>>, readonly unknown[]>,
          Settings | undefined,
        ]

/** A list, which the compiler does not see. */
export type ListOf<T> = Extract<T, readonly unknown[]>

/** What a single call takes behind the options. */
export type CallArguments<Types extends OpTypes, O> = Arguments<
  ListOf<TypeOf<Types, O, 'args'>>,
  ListOf<TypeOf<Types, O, 'updated'>>,
  TypeOf<Types, O, 'settings'>
>

/** What `run` takes: an array that is left out stays what it was. */
export type RunArguments<Types extends OpTypes, O> = Arguments<
  [],
  [...ListOf<TypeOf<Types, O, 'args'>>, ...ListOf<TypeOf<Types, O, 'updated'>>],
  TypeOf<Types, O, 'settings'>
>

/** A result, or with several threads a promise of it. */
export type MaybePromise<V> = V | Promise<V>

/** What a run returns with the threads that options say. */
export type Returned<Types extends OpTypes, O> = Awaitable<
  TypeOf<Types, O, 'result'>,
  Option<O, 'threads', 1>
>

/** A result, or by the number of threads a promise of it. */
export type Awaitable<V, Threads> = number extends Threads
  ? MaybePromise<V>
  : [Threads] extends [1]
    ? V
    : Promise<V>

/** Memory of floats or, with `spikes`, masks. */
export type InputOf<O> = If<Asks<O, 'spikes'>, Uint8Array, Float32Array>
