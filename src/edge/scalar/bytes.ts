/** Functions that work on four bytes or two halves inside an i32: what i8x16 and i16x8 become. */

import { type Expression, type Func, get, i32, newLocal, operation } from '../../kernels/wasm/ir.js'
import { isSimple, type Keep } from './lanes.js'

/** Width of a number inside a word. */
export type Bits = 8 | 16

const isZero = (e: Expression | undefined): boolean =>
  e?.kind === 'const' && e.type === 'i32' && e.value === 0

export const op = (name: string, ...args: Expression[]): Expression =>
  name === 'xor' && isZero(args[1]) ? args[0] : operation(`i32.${name}`, args)

const select = (a: Expression, b: Expression, condition: Expression): Expression => ({
  kind: 'select',
  type: 'i32',
  args: [a, b, condition],
})

/** Number k of a word, as an i32. */
export function element(word: Expression, k: number, bits: Bits, signed: boolean): Expression {
  const up = 32 - bits - k * bits
  if (signed) return op('shr_s', up ? op('shl', word, i32(up)) : word, i32(32 - bits))
  const down = k ? op('shr_u', word, i32(k * bits)) : word
  return up ? op('and', down, i32(bits === 8 ? 0xff : 0xffff)) : down
}

/** A word of numbers that may be longer than they should. */
export function pack(elements: readonly Expression[], bits: Bits): Expression {
  const last = 32 / bits - 1
  const placed = elements.map((e, k) => {
    const short = k === last ? e : op('and', e, i32(bits === 8 ? 0xff : 0xffff))
    return k ? op('shl', short, i32(k * bits)) : short
  })
  return placed.reduce((a, b) => op('or', a, b))
}

const indices = (bits: Bits): number[] => Array.from({ length: 32 / bits }, (_, k) => k)

/** What a number becomes, with that of another word, or `by` a number for all. */
type Single = (x: Expression, y: Expression, by: Expression) => Expression

/** The bytes of a kind that takes one number after the other. */
function single(kind: string, bits: Bits, sign: string, keep: Keep): Single | undefined {
  const short = (e: Expression): Expression => clamp(keep(e), bits, sign === 's')
  const bitsOf = (by: Expression): Expression => op('and', by, i32(bits - 1))
  const compared: Single = (x, y) => op('sub', i32(0), op(`${kind}_${sign}`, x, y))
  const chosen: Single = (one, other) => {
    const [x, y] = [keep(one), keep(other)]
    return select(x, y, op(`${kind === 'min' ? 'lt' : 'gt'}_${sign}`, x, y))
  }
  const saturated: Single = (x, y) => short(op(kind.slice(0, 3), x, y))
  const kinds: Readonly<Record<string, Single>> = {
    mul: (x, y) => op('mul', x, y),
    lt: compared,
    gt: compared,
    le: compared,
    ge: compared,
    min: chosen,
    max: chosen,
    add_sat_: saturated,
    sub_sat_: saturated,
    avgr_: (x, y) => op('shr_u', op('add', op('add', x, y), i32(1)), i32(1)),
    mulr_: (x, y) => short(op('shr_s', op('add', op('mul', x, y), i32(0x4000)), i32(15))),
    abs: (one) => {
      const x = keep(one)
      return select(x, op('sub', i32(0), x), op('gt_s', x, i32(0)))
    },
    popcnt: (x) => op('popcnt', x),
    shl: (x, _, by) => op('shl', x, bitsOf(by)),
    shr: (x, _, by) => op(`shr_${sign}`, x, bitsOf(by)),
  }
  return kinds[kind]
}

/** What several numbers of one word become, as expressions. Names: kind, bits, s or u. */
function expand(name: string, args: readonly Expression[], keep: Keep): Expression {
  const [, kind, width, sign] = /^([a-z_]+?)(8|16)([su]?)$/.exec(name) as RegExpExecArray
  const bits = Number(width) as Bits
  const fast = swar(kind, bits, sign === 's', args, keep)
  if (fast) return fast
  const [a, b] = args
  const part = (word: Expression, k: number): Expression => element(word, k, bits, sign === 's')
  const short = (e: Expression): Expression => clamp(keep(e), bits, sign === 's')
  const one = single(kind, bits, sign, keep)
  if (one)
    return pack(
      indices(bits).map((k) => one(part(a, k), b && part(b, k), b)),
      bits,
    )
  const kinds: Readonly<Record<string, () => Expression>> = {
    narrow: () => {
      // The numbers that become shorter are signed.
      if (bits === 16) return pack([short(a), short(b)], 16)
      const halves = [a, b].flatMap((w) => [element(w, 0, 16, true), element(w, 1, 16, true)])
      return pack(halves.map(short), 8)
    },
    // Four words as bytes by way of 16 bits: above 0x7fff those are negative, which becomes 0.
    bytes: () =>
      pack(
        args.map((e) => {
          const least = select(e, i32(0xff), op('lt_u', e, i32(0x100)))
          return select(least, i32(0), op('lt_u', e, i32(0x8000)))
        }),
        8,
      ),
    pairs: () => {
      const sum = (k: number): Expression => op('add', part(a, k), part(a, k + 1))
      return bits === 8 ? pack([sum(0), sum(2)], 16) : sum(0)
    },
    dot: () => op('add', op('mul', part(a, 0), part(b, 0)), op('mul', part(a, 1), part(b, 1))),
    widen: () => pack([part(a, 0), part(a, 1)], 16),
    product: () => pack([op('mul', part(a, 0), part(b, 0)), op('mul', part(a, 1), part(b, 1))], 16),
  }
  const make = kinds[kind]
  if (!make) throw new Error(`no function ${name}`)
  return make()
}

function clamp(e: Expression, bits: Bits, signed: boolean): Expression {
  const most = 2 ** (signed ? bits - 1 : bits) - 1
  const least = signed ? -most - 1 : 0
  const below = select(e, i32(most), op('lt_s', e, i32(most)))
  return select(below, i32(least), op('gt_s', e, i32(least)))
}

/** All numbers of a word at once. */
function swar(
  kind: string,
  bits: Bits,
  signed: boolean,
  [a, b, c]: readonly Expression[],
  keep: Keep,
): Expression | undefined {
  const top = i32(bits === 8 ? 0x80808080 : 0x80008000)
  const rest = i32(bits === 8 ? 0x7f7f7f7f : 0x7fff7fff)
  const ones = i32(bits === 8 ? 0x01010101 : 0x00010001)
  const not = (e: Expression): Expression => op('xor', e, i32(-1))
  /** The highest bit of each number, as 0 or 1. */
  const tops = (e: Expression): Expression => op('and', op('shr_u', e, i32(bits - 1)), ones)
  /** All bits of a number as its highest one. */
  const fill = (e: Expression): Expression => op('mul', tops(e), i32(2 ** bits - 1))
  /** The highest bit says whether a number is not 0. */
  const nonzero = (e: Expression): Expression => {
    const x = keep(e)
    return op('or', op('add', op('and', x, rest), rest), x)
  }
  const gather = (e: Expression): Expression =>
    op('shr_u', op('mul', tops(e), i32(0x01020408)), i32(24))
  const difference = (): Expression =>
    op('xor', op('sub', op('or', a, top), op('and', b, rest)), op('and', op('xor', a, not(b)), top))
  /** All bits of a number that is less than the other. */
  const less = (x: Expression): Expression =>
    fill(op('or', op('and', not(a), b), op('and', op('or', not(a), b), x)))
  const signless = (make: () => Expression): (() => Expression | undefined) =>
    signed ? () => undefined : make
  const kinds: Readonly<Record<string, () => Expression | undefined>> = {
    add: () =>
      op('xor', op('add', op('and', a, rest), op('and', b, rest)), op('and', op('xor', a, b), top)),
    sub: difference,
    ne: () => fill(nonzero(op('xor', a, b))),
    eq: () => fill(not(nonzero(op('xor', a, b)))),
    // a plus one where b is c
    count: () => {
      const equal = tops(not(nonzero(op('xor', b, c))))
      return op('xor', op('add', op('and', a, rest), equal), op('and', a, top))
    },
    sub_sat_: signless(() => {
      const x = keep(difference())
      return op('and', x, not(less(x)))
    }),
    min: signless(() => {
      const isLess = keep(less(keep(difference())))
      return op('or', op('and', a, isLess), op('and', b, not(isLess)))
    }),
    // One bit for each number: its highest bit; whether it is not 0.
    mask: () => {
      if (bits === 8) return gather(a)
      const [low, high] = [op('shr_u', a, i32(15)), op('shr_u', a, i32(30))]
      return op('or', op('and', low, i32(1)), op('and', high, i32(2)))
    },
    nonzero: () => (bits === 8 ? gather(nonzero(a)) : undefined),
  }
  return kinds[kind]?.()
}

/** Kinds that are short enough to stand where they are used. */
const short = /^((add|sub|eq|ne|count|mask|nonzero)(8|16)|bytes8u)$/

/** The functions of a module, made when they are asked for. */
export class Helpers {
  private readonly made = new Map<string, Func>()

  get all(): ReadonlySet<Func> {
    return new Set(this.made.values())
  }

  /** The expression itself, for loops that run often; undefined if it is long. */
  inline(name: string, args: readonly Expression[], keep: Keep): Expression | undefined {
    if (!short.test(name)) return undefined
    return expand(
      name,
      args.map((e) => keep(e)),
      keep,
    )
  }

  call(name: string, args: readonly Expression[]): Expression {
    let callee = this.made.get(name)
    if (!callee) {
      callee = helper(name, args.length)
      this.made.set(name, callee)
    }
    return { kind: 'call', callee, args }
  }
}

function helper(name: string, params: number): Func {
  const func: Func = {
    name,
    params: Array(params).fill('i32'),
    result: 'i32',
    locals: [],
    label: { kind: 'block', result: 'i32' },
    body: [],
  }
  const body: Expression[] = []
  const keep: Keep = (e) => {
    if (isSimple(e)) return e
    const local = newLocal(func, 'i32')
    body.push({ kind: 'set', local, value: e })
    return get(local, 'i32')
  }
  const args = Array.from({ length: params }, (_, i) => get(i, 'i32'))
  body.push(expand(name, args, keep))
  func.body = body
  return func
}
