/**
 * Random functions over numbers, vectors and memory, for passes over code: they do the same before
 * and behind a pass. They always end, and have no results that are not numbers, whose bits no one
 * promises.
 */

import {
  type Expression,
  type Func,
  get,
  i32,
  type Label,
  operation,
} from '../../src/kernels/wasm/ir.js'
import type { ValueType } from '../../src/kernels/wasm/types.js'

type Random = () => number

/** Where functions read and write, and where they leave their vectors. */
export const [MEMORY, OUT] = [1024, 2048]

const numberOps = 'add sub mul and or xor shl lt_s eq ne gt_u'.split(' ').map((op) => `i32.${op}`)
const pairOps = [
  ...'add sub mul min_s max_u eq gt_s lt_u'.split(' ').map((op) => `i32x4.${op}`),
  ...'add sub eq ne min_u sub_sat_u narrow_i16x8_u'.split(' ').map((op) => `i8x16.${op}`),
  ...'add mul narrow_i32x4_u'.split(' ').map((op) => `i16x8.${op}`),
  ...'and or xor andnot'.split(' ').map((op) => `v128.${op}`),
  ...'add mul'.split(' ').map((op) => `i64x2.${op}`),
]
const singleOps =
  'v128.not i32x4.neg i32x4.abs i16x8.extend_low_i8x16_u i32x4.extend_high_i16x8_s ' +
  'i64x2.extend_low_i32x4_s'
const loadOps = ['v128.load', 'v128.load32_splat', 'v128.load64_zero']
const splatOps = ['i8x16.splat', 'i16x8.splat', 'i32x4.splat']
const floatOps = ['f32x4.add', 'f32x4.sub', 'f32x4.mul', 'f32x4.max']
const shiftOps = ['i32x4.shl', 'i64x2.shr_u', 'i32x4.shr_u']

export interface Shape {
  /** i32 that the function takes. */
  readonly params: number
  /** Further locals of i32, and locals of vectors. */
  readonly numbers: number
  readonly vectors: number
  /** A function of two i32 that it calls. */
  readonly callee?: Func
}

/** A function whose result is a sum of its numbers, where it takes any; it leaves its vectors. */
export function randomFunction(name: string, random: Random, shape: Shape): Func {
  return new Code(random, shape).main(name)
}

const block = (result?: ValueType): Label => ({ kind: 'block', result })

class Code {
  private readonly numbers: number[]
  private readonly vectors: number[]
  private counters = 0

  constructor(
    private readonly random: Random,
    private readonly shape: Shape,
  ) {
    const count = shape.params + shape.numbers
    this.numbers = Array.from({ length: count }, (_, i) => i)
    this.vectors = Array.from({ length: shape.vectors }, (_, i) => count + i)
  }

  main(name: string): Func {
    const { numbers, vectors } = this
    const { params } = this.shape
    const body = Array.from({ length: 6 }, () => this.statement(3, []))
    const leave = vectors.map((local, i) =>
      operation('v128.store', [i32(OUT + 16 * i), get(local, 'v128')]),
    )
    const sum = numbers
      .map((local) => get(local, 'i32'))
      .reduce((e, one) => operation('i32.add', [operation('i32.mul', [e, i32(31)]), one]))
    return {
      name,
      params: Array(params).fill('i32'),
      result: 'i32',
      locals: [
        ...Array(numbers.length - params).fill('i32'),
        ...Array(vectors.length).fill('v128'),
        ...Array(this.counters).fill('i32'),
      ],
      label: block('i32'),
      body: [...body, ...leave, sum],
    }
  }

  private integer(below: number): number {
    return Math.floor(this.random() * below)
  }

  private of<T>(list: readonly T[]): T {
    return list[this.integer(list.length)]
  }

  private address(): Expression {
    if (this.random() < 0.5) return i32(MEMORY + this.integer(24))
    return operation('i32.add', [operation('i32.and', [this.number(1), i32(31)]), i32(MEMORY)])
  }

  private number(depth: number): Expression {
    const inner = (): Expression => this.number(depth - 1)
    const kind = this.integer(depth <= 0 ? 3 : this.vectors.length > 0 ? 12 : 9)
    switch (kind) {
      case 0:
        return i32(this.random() < 0.8 ? this.integer(7) - 3 : this.integer(4) * 1000003)
      case 1:
      case 2:
        return get(this.of(this.numbers), 'i32')
      case 3:
        return { kind: 'tee', local: this.of(this.numbers), value: inner() }
      case 4:
        return { kind: 'select', type: 'i32', args: [inner(), inner(), inner()] }
      case 5: {
        const label = block('i32')
        const leave: Expression = { kind: 'br_if', label, value: inner(), condition: inner() }
        return { kind: 'block', label, body: [{ kind: 'drop', value: leave }, inner()] }
      }
      case 6: {
        const label = block('i32')
        return { kind: 'if', label, condition: inner(), yes: [inner()], no: [inner()] }
      }
      case 7:
        return operation('i32.load', [this.address()])
      case 9: {
        const lanes = [this.integer(4)]
        return operation('i32x4.extract_lane', [this.vector(depth - 1)], { lanes })
      }
      case 10:
      case 11:
        return operation(kind === 10 ? 'i8x16.bitmask' : 'v128.any_true', [this.vector(depth - 1)])
      default:
        return operation(this.of(numberOps), [inner(), inner()])
    }
  }

  /** Four float32 numbers of a moderate size. */
  private floats(depth: number): Expression {
    if (depth > 0 && this.random() < 0.7)
      return operation(this.of(floatOps), [this.floats(depth - 1), this.floats(depth - 1)])
    const short = operation('i32x4.shr_s', [this.vector(depth - 1), i32(22)])
    return operation('f32x4.convert_i32x4_s', [short])
  }

  /** Statements that end with a vector, or leave their block with one before. */
  private list(depth: number, label: Label): Expression[] {
    const body = Array.from({ length: this.integer(2) }, () => this.statement(depth - 1, []))
    if (this.random() < 0.2) {
      const br: Expression = { kind: 'br', label, value: this.vector(depth - 1) }
      const condition = this.number(depth - 1)
      body.push({ kind: 'if', label: block(), condition, yes: [br], no: [] })
    }
    return [...body, this.vector(depth - 1)]
  }

  private vector(depth: number): Expression {
    const inner = (): Expression => this.vector(depth - 1)
    switch (this.integer(depth > 0 ? 12 : 3)) {
      case 0: {
        const value = Uint8Array.from({ length: 16 }, () => this.integer(256))
        if (this.random() < 0.6) value.fill(value[0])
        return { kind: 'const', type: 'v128', value }
      }
      case 1:
        return get(this.of(this.vectors), 'v128')
      case 2:
        return operation(this.of(loadOps), [this.address()])
      case 3:
        return { kind: 'tee', local: this.of(this.vectors), value: inner() }
      case 4:
        return { kind: 'select', type: 'v128', args: [inner(), inner(), this.number(depth - 1)] }
      case 5: {
        const label = block('v128')
        const condition = this.number(depth - 1)
        const [yes, no] = [this.list(depth, label), this.list(depth, label)]
        return { kind: 'if', label, condition, yes, no }
      }
      case 6: {
        const label = block('v128')
        return { kind: 'block', label, body: this.list(depth, label) }
      }
      case 7: {
        const lanes = Array.from({ length: 16 }, () => this.integer(32))
        const isWords = this.random() < 0.6
        const words = lanes.map((_, k) => (lanes[k & ~3] & ~3) + (k & 3))
        return operation('i8x16.shuffle', [inner(), inner()], { lanes: isWords ? words : lanes })
      }
      case 8:
        return this.floats(depth - 1)
      case 9:
        return operation(this.of(shiftOps), [inner(), this.number(depth - 1)])
      case 10:
        return this.random() < 0.5
          ? operation(this.of(singleOps.split(' ')), [inner()])
          : operation(this.of(splatOps), [this.number(depth - 1)])
      default:
        return operation(this.of(pairOps), [inner(), inner()])
    }
  }

  private vectorStatement(): Expression {
    switch (this.integer(4)) {
      case 0:
        return { kind: 'drop', value: this.vector(3) }
      case 1:
        return operation('v128.store', [this.address(), this.vector(3)], {
          offset: this.integer(20),
        })
      case 2:
        return operation('v128.store32_lane', [this.address(), this.vector(3)], {
          lanes: [this.integer(4)],
        })
      default:
        return { kind: 'set', local: this.of(this.vectors), value: this.vector(3) }
    }
  }

  /** @param outer labels of blocks that it may leave */
  private statement(depth: number, outer: readonly Label[]): Expression {
    if (this.vectors.length > 0 && this.random() < 0.5) return this.vectorStatement()
    const value = this.number(2)
    const label = block()
    const some = (inside = [...outer, label]): Expression[] =>
      Array.from({ length: 1 + this.integer(3) }, () => this.statement(depth - 1, inside))
    switch (this.integer(depth > 0 ? 9 : 4)) {
      case 0:
      case 1:
        return { kind: 'set', local: this.of(this.numbers), value }
      case 2:
        return operation('i32.store', [this.address(), value])
      case 3:
        return outer.length > 0
          ? { kind: 'br_if', label: this.of(outer), value: undefined, condition: value }
          : { kind: 'drop', value }
      case 4:
        return { kind: 'block', label, body: some() }
      case 5: {
        const { callee } = this.shape
        const args = [value, this.number(1)]
        if (!callee) return { kind: 'if', label, condition: value, yes: some(), no: [] }
        return { kind: 'set', local: this.of(this.numbers), value: { kind: 'call', callee, args } }
      }
      case 6: {
        const labels = [label, ...outer, label]
        const body: Expression[] = [{ kind: 'br_table', labels, index: value, value: undefined }]
        return { kind: 'block', label, body }
      }
      case 7:
        return this.loop((done) => some([...outer, done]))
      default:
        return { kind: 'if', label, condition: value, yes: some(), no: some() }
    }
  }

  /** counter = 0; loop { if (counter < turns) { …; counter++; continue } } */
  private loop(some: (done: Label) => Expression[]): Expression {
    const counter = this.numbers.length + this.vectors.length + this.counters++
    const [label, done, whole]: Label[] = [{ kind: 'loop', result: undefined }, block(), block()]
    const count = get(counter, 'i32')
    const condition = operation('i32.lt_s', [count, i32(this.integer(4))])
    const yes: Expression[] = [
      ...some(done),
      { kind: 'set', local: counter, value: operation('i32.add', [count, i32(1)]) },
      { kind: 'br', label, value: undefined },
    ]
    const body: Expression[] = [{ kind: 'if', label: done, condition, yes, no: [] }]
    const start: Expression = { kind: 'set', local: counter, value: i32(0) }
    return { kind: 'block', label: whole, body: [start, { kind: 'loop', label, body }] }
  }
}
