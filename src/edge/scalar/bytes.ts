/** Functions that work on four bytes or two halves inside an i32: what i8x16 and i16x8 become. */

import { type Expression, type Func, get, i32, operation } from '../wasm/ir.js'

/** Width of a number inside a word. */
export type Bits = 8 | 16

export const op = (name: string, ...args: Expression[]): Expression => operation(`i32.${name}`, args)

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

/** The functions of a module, made when they are asked for. */
export class Helpers {
  private readonly made = new Map<string, Func>()

  /** All that were asked for. */
  get all(): Iterable<Func> {
    return this.made.values()
  }

  readonly call = (name: string, ...args: Expression[]): Expression => {
    let callee = this.made.get(name)
    if (!callee) {
      callee = this.make(name, args.length)
      this.made.set(name, callee)
    }
    return { kind: 'call', callee, args }
  }

  private make(name: string, params: number): Func {
    const func: Func = {
      name,
      params: Array(params).fill('i32'),
      result: 'i32',
      locals: ['i32'],
      label: { kind: 'block', result: 'i32' },
      body: [],
    }
    const args = Array.from({ length: params }, (_, i) => get(i, 'i32'))
    const body = this.body(name, args)
    func.body = Array.isArray(body) ? body : [body as Expression]
    return func
  }

  private body(name: string, [a, b]: Expression[]): Expression | Expression[] {
    const [, kind, width, sign] = /^([a-z_]+?)(8|16)([su]?)$/.exec(name) as RegExpExecArray
    const bits = Number(width) as Bits
    const signed = sign === 's'
    const fast = swar(kind, bits, signed, a, b)
    if (fast) return fast
    const part = (word: Expression, k: number): Expression => element(word, k, bits, signed)
    const each = (f: (k: number) => Expression): Expression => pack(indices(bits).map(f), bits)
    const clamp = (e: Expression, to = bits): Expression => this.call(`clamp${to}${sign}`, e)
    switch (kind) {
      case 'mul':
      case 'eq':
      case 'ne':
      case 'lt':
      case 'gt':
      case 'le':
      case 'ge':
        return each((k) => this.single(kind, sign, part(a, k), part(b, k)))
      case 'min':
      case 'max': {
        const than = `${kind === 'min' ? 'lt' : 'gt'}_${sign}`
        return each((k) => select(part(a, k), part(b, k), op(than, part(a, k), part(b, k))))
      }
      case 'add_sat_':
      case 'sub_sat_':
        return each((k) => clamp(op(kind.slice(0, 3), part(a, k), part(b, k))))
      case 'avgr_':
        return each((k) => op('shr_u', op('add', op('add', part(a, k), part(b, k)), i32(1)), i32(1)))
      case 'mulr_': {
        const rounded = (k: number) => op('add', op('mul', part(a, k), part(b, k)), i32(0x4000))
        return each((k) => clamp(op('shr_s', rounded(k), i32(15))))
      }
      case 'abs':
        return each((k) => select(part(a, k), op('sub', i32(0), part(a, k)), op('gt_s', part(a, k), i32(0))))
      case 'popcnt':
        return each((k) => op('popcnt', part(a, k)))
      case 'shl':
        return each((k) => op('shl', part(a, k), op('and', b, i32(bits - 1))))
      case 'shr':
        return each((k) => op(`shr_${sign}`, part(a, k), op('and', b, i32(bits - 1))))
      case 'clamp':
        return clampTo(a, bits, signed)
      case 'narrow': {
        // The numbers that become shorter are signed.
        if (bits === 16) return pack([clamp(a), clamp(b)], 16)
        const halves = [a, b].flatMap((w) => [element(w, 0, 16, true), element(w, 1, 16, true)])
        return pack(halves.map((e) => clamp(e)), 8)
      }
      case 'pairs':
        return bits === 8
          ? pack([0, 2].map((k) => op('add', part(a, k), part(a, k + 1))), 16)
          : op('add', part(a, 0), part(a, 1))
      case 'dot':
        return op('add', op('mul', part(a, 0), part(b, 0)), op('mul', part(a, 1), part(b, 1)))
      case 'widen':
        return pack([part(a, 0), part(a, 1)], 16)
      case 'product':
        return pack([0, 1].map((k) => op('mul', part(a, k), part(b, k))), 16)
      default:
        throw new Error(`no function ${name}`)
    }
  }

  /** Of two numbers; a comparison gives -1 or 0. */
  private single(kind: string, sign: string, a: Expression, b: Expression): Expression {
    if (kind === 'mul') return op('mul', a, b)
    return op('sub', i32(0), op(kind === 'eq' || kind === 'ne' ? kind : `${kind}_${sign}`, a, b))
  }
}

function clampTo(a: Expression, bits: Bits, signed: boolean): Expression {
  const most = 2 ** (signed ? bits - 1 : bits) - 1
  const least = signed ? -most - 1 : 0
  const below = select(a, i32(most), op('lt_s', a, i32(most)))
  return select(below, i32(least), op('gt_s', a, i32(least)))
}

const x = get(2, 'i32')
const set = (value: Expression): Expression => ({ kind: 'set', local: 2, value })

/** All numbers of a word at once. Locals: a, b, and one behind them. */
function swar(
  kind: string,
  bits: Bits,
  signed: boolean,
  a: Expression,
  b: Expression,
): Expression | Expression[] | undefined {
  const top = i32(bits === 8 ? 0x80808080 : 0x80008000)
  const rest = i32(bits === 8 ? 0x7f7f7f7f : 0x7fff7fff)
  const ones = i32(bits === 8 ? 0x01010101 : 0x00010001)
  const not = (e: Expression): Expression => op('xor', e, i32(-1))
  // A number's highest bit → all of its bits.
  const fill = (e: Expression): Expression =>
    op('mul', op('and', op('shr_u', e, i32(bits - 1)), ones), i32(2 ** bits - 1))
  const add = op(
    'xor',
    op('add', op('and', a, rest), op('and', b, rest)),
    op('and', op('xor', a, b), top),
  )
  const sub = op(
    'xor',
    op('sub', op('or', a, top), op('and', b, rest)),
    op('and', op('xor', a, not(b)), top),
  )
  const less = op('or', op('and', not(a), b), op('and', op('or', not(a), b), x))
  // The highest bit says whether a number is not 0.
  const nonzero = op('or', op('add', op('and', x, rest), rest), x)
  switch (kind) {
    case 'add':
      return add
    case 'sub':
      return sub
    case 'ne':
      return [set(op('xor', a, b)), fill(nonzero)]
    case 'eq':
      return [set(op('xor', a, b)), fill(not(nonzero))]
    case 'sub_sat_':
      return signed ? undefined : [set(sub), op('and', x, not(fill(less)))]
    case 'min':
      // b + (a - b), the difference only where a is less.
      return signed ? undefined : [set(sub), set(fill(less)), op('or', op('and', a, x), op('and', b, not(x)))]
    case 'mask':
      return bits === 8
        ? op('shr_u', op('mul', op('and', op('shr_u', a, i32(7)), ones), i32(0x01020408)), i32(24))
        : op('or', op('and', op('shr_u', a, i32(15)), i32(1)), op('and', op('shr_u', a, i32(30)), i32(2)))
    default:
      return undefined
  }
}
