/** Functions as trees: each expression holds the expressions that it takes. */

import { type Instruction, instruction, type ValueType } from './types.js'

/** Where a branch goes: behind a block or an if, or to the start of a loop. */
export interface Label {
  readonly kind: 'block' | 'loop'
  /** Type of the value that a branch brings; undefined for none and for loops. */
  readonly result: ValueType | undefined
}

/** A number of a type; i64 as bigint; v128 as its 16 bytes. */
export type Constant =
  | { readonly kind: 'const'; readonly type: 'i32' | 'f32' | 'f64'; readonly value: number }
  | { readonly kind: 'const'; readonly type: 'i64'; readonly value: bigint }
  | { readonly kind: 'const'; readonly type: 'v128'; readonly value: Uint8Array }

export interface Operation {
  readonly kind: 'op'
  readonly op: Instruction
  readonly args: readonly Expression[]
  /** Added to the address. */
  readonly offset: number
  /** Power of two that the address is said to be a multiple of. */
  readonly align: number
  /** Lane, or the 16 lanes of a shuffle. */
  readonly lanes: readonly number[]
}

export type Expression =
  | Constant
  | Operation
  | { readonly kind: 'get'; readonly local: number; readonly type: ValueType }
  | { readonly kind: 'set'; readonly local: number; readonly value: Expression }
  | { readonly kind: 'tee'; readonly local: number; readonly value: Expression }
  | { readonly kind: 'call'; readonly callee: Func; readonly args: readonly Expression[] }
  | { readonly kind: 'drop'; readonly value: Expression }
  | {
      readonly kind: 'select'
      readonly type: ValueType
      readonly args: readonly [Expression, Expression, Expression]
    }
  | { readonly kind: 'block' | 'loop'; readonly label: Label; readonly body: readonly Expression[] }
  | {
      readonly kind: 'if'
      readonly label: Label
      readonly condition: Expression
      readonly yes: readonly Expression[]
      readonly no: readonly Expression[]
    }
  | { readonly kind: 'br'; readonly label: Label; readonly value: Expression | undefined }
  | {
      /** With a value, the value stays when the branch is not taken. */
      readonly kind: 'br_if'
      readonly label: Label
      readonly value: Expression | undefined
      readonly condition: Expression
    }
  | {
      /** Goes to labels[index], behind their end to the last one. */
      readonly kind: 'br_table'
      readonly labels: readonly Label[]
      readonly index: Expression
      readonly value: Expression | undefined
    }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  | { readonly kind: 'unreachable' }

export interface Func {
  readonly name: string
  params: ValueType[]
  result: ValueType | undefined
  /** The label of the whole body: a branch to it returns. */
  readonly label: Label
  /** Types of the locals behind the parameters. */
  locals: ValueType[]
  body: readonly Expression[]
}

export const i32 = (value: number): Constant => ({ kind: 'const', type: 'i32', value: value | 0 })

export const get = (local: number, type: ValueType): Expression => ({ kind: 'get', local, type })

/** An operation by its name. */
export const operation = (
  name: string,
  args: readonly Expression[],
  { offset = 0, align = 0, lanes = [] as readonly number[] } = {},
): Operation => ({ kind: 'op', op: instruction(name), args, offset, align, lanes })

export const localType = (func: Func, local: number): ValueType =>
  local < func.params.length ? func.params[local] : func.locals[local - func.params.length]

/** Adds a local to a function. */
export function newLocal(func: Func, type: ValueType): number {
  func.locals.push(type)
  return func.params.length + func.locals.length - 1
}

/** Whether control never reaches what follows. */
export const ends = ({ kind }: Expression): boolean =>
  kind === 'br' || kind === 'br_table' || kind === 'return' || kind === 'unreachable'

/** Type of an expression's value; undefined when it has none. */
export function typeOf(e: Expression): ValueType | undefined {
  switch (e.kind) {
    case 'const':
    case 'get':
    case 'select':
      return e.type
    case 'op':
      return e.op.result
    case 'tee':
      return typeOf(e.value)
    case 'call':
      return e.callee.result
    case 'block':
    case 'loop':
    case 'if':
      return e.kind === 'loop' ? loopType(e.body) : e.label.result
    case 'br_if':
      return e.value && typeOf(e.value)
    default:
      return undefined
  }
}

/** A loop's label takes no value, but its last expression may give one. */
function loopType(body: readonly Expression[]): ValueType | undefined {
  const last = body[body.length - 1]
  return last && !ends(last) ? typeOf(last) : undefined
}

/** The fields in which statements hold others, in the order in which they run. */
const fields = {
  unreachable: [],
  set: ['value'],
  tee: ['value'],
  drop: ['value'],
  br: ['value'],
  return: ['value'],
  br_if: ['value', 'condition'],
  br_table: ['value', 'index'],
  block: ['body'],
  loop: ['body'],
  if: ['condition', 'yes', 'no'],
} as const satisfies Partial<Record<Expression['kind'], readonly string[]>>

type Field = 'value' | 'condition' | 'index' | 'body' | 'yes' | 'no'
type Held = Readonly<Partial<Record<Field, Expression | readonly Expression[]>>>

const isList = (
  held: Expression | readonly Expression[] | undefined,
): held is readonly Expression[] => Array.isArray(held)

/** The expressions that one holds, in the order in which they run. */
export function parts(e: Expression): readonly Expression[] {
  if (e.kind === 'get' || e.kind === 'const') return []
  if ('args' in e) return e.args
  if ('body' in e) return e.body
  const names: readonly Field[] = fields[e.kind]
  return names.flatMap((name) => (e as Held)[name] ?? [])
}

/** What `one` makes of each expression; the list itself where it changes none. */
export function map(
  list: readonly Expression[],
  one: (e: Expression) => Expression,
  backwards = false,
): readonly Expression[] {
  let out: Expression[] | undefined
  for (let k = 0; k < list.length; k++) {
    const i = backwards ? list.length - 1 - k : k
    const e = one(list[i])
    if (e === list[i]) continue
    out ??= list.slice()
    out[i] = e
  }
  return out ?? list
}

export function isSameList(a: readonly Expression[], b: readonly Expression[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/**
 * The expression with other parts; itself where none is another, because most passes change little.
 * Lists of statements are left to `list`.
 */
export function withParts(
  e: Expression,
  one: (e: Expression) => Expression,
  list?: (body: readonly Expression[]) => readonly Expression[],
  backwards = false,
): Expression {
  if (e.kind === 'get' || e.kind === 'const') return e
  if (e.kind === 'op' || e.kind === 'call' || e.kind === 'select') {
    const args = map(e.args, one, backwards)
    return args === e.args ? e : ({ ...e, args } as Expression)
  }
  const names: readonly Field[] = fields[e.kind]
  let out: Record<string, unknown> | undefined
  for (let k = 0; k < names.length; k++) {
    const name = names[backwards ? names.length - 1 - k : k]
    const held = (e as Held)[name]
    if (held === undefined) continue
    const now = isList(held) ? (list?.(held) ?? map(held, one, backwards)) : one(held)
    if (now === held) continue
    out ??= { ...e }
    out[name] = now
  }
  return (out as Expression | undefined) ?? e
}

/** The expression with other fields; itself where they are its own. */
export function changed<E extends Expression>(e: E, fields: Partial<E>): E {
  const keys = Object.keys(fields) as (keyof E)[]
  return keys.every((key) => fields[key] === e[key]) ? e : { ...e, ...fields }
}

/** Calls back with every expression inside, the outer ones first. */
export function visit(body: readonly Expression[], each: (e: Expression) => void): void {
  for (let i = 0; i < body.length; i++) visitOne(body[i], each)
}

function visitOne(e: Expression, each: (e: Expression) => void): void {
  each(e)
  if (e.kind === 'get' || e.kind === 'const') return
  if (e.kind === 'set' || e.kind === 'tee') visitOne(e.value, each)
  else visit(parts(e), each)
}

/** Whether leaving an expression out changes nothing. Reads are taken to stay inside memory. */
export function isPure(e: Expression): boolean {
  if (e.kind === 'const' || e.kind === 'get') return true
  if (e.kind !== 'select' && (e.kind !== 'op' || e.op.writes || e.op.traps)) return false
  return e.args.every(isPure)
}
