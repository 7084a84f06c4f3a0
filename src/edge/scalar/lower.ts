/** Functions without vectors: each vector becomes four numbers, or two of eight bytes. */

import { SpikewasmError } from '../../base/errors.js'
import * as ir from '../../kernels/wasm/ir.js'
import type { ValueType } from '../../kernels/wasm/types.js'
import { tidy } from '../specialise/tidy.js'
import { Helpers } from './bytes.js'
import {
  constantVector,
  convert,
  eachLane,
  expressionsOf,
  type Home,
  type Item,
  isLanes,
  isSimple,
  isUniform,
  type Keep,
  type LaneType,
  type Lowered,
  lanesOf,
  type Vector,
} from './lanes.js'
import { laneAccess, load, loadLane, store, storeLane } from './memory.js'
import { pairOf, ruleOf, type Tools } from './rules.js'
import { shuffledWords, wholeWords } from './shuffle.js'
import { type Place, Votes } from './votes.js'
import { splitWebs } from './webs.js'

// What expressions read and statements change.

export const isVector = (e: ir.Expression): boolean => ir.typeOf(e) === 'v128'

/** Whether an expression gives a vector or has one inside. */
export function hasVector(e: ir.Expression): boolean {
  if (isVector(e)) return true
  if ((e.kind === 'block' || e.kind === 'if') && e.label.result === 'v128') return true
  return ir.parts(e).some(hasVector)
}

/** Locals that an expression reads, and whether it reads memory. */
export function reads(e: ir.Expression): { locals: number[]; memory: boolean } {
  const locals: number[] = []
  let memory = false
  ir.visit([e], (x) => {
    if (x.kind === 'get') locals.push(x.local)
    else if (x.kind === 'op' && x.op.reads) memory = true
  })
  return { locals, memory }
}

/** Locals that statements set, and whether they may write memory. */
export function changesOf(
  statements: readonly ir.Expression[],
  helpers: ReadonlySet<ir.Func>,
): { locals: ReadonlySet<number>; memory: boolean } {
  const locals = new Set<number>()
  let memory = false
  ir.visit(statements, (e) => {
    if (e.kind === 'set' || e.kind === 'tee') locals.add(e.local)
    else if (e.kind === 'call' ? !helpers.has(e.callee) : e.kind === 'op' && e.op.writes)
      memory = true
  })
  return { locals, memory }
}

// Locals whose four words are always the same: one number stands for all.

export function uniformLocals(func: ir.Func): ReadonlySet<number> {
  const values: { local: number; value: ir.Expression }[] = []
  ir.visit(func.body, (e) => {
    if ((e.kind === 'set' || e.kind === 'tee') && ir.localType(func, e.local) === 'v128')
      values.push(e)
  })
  // All are taken to be, until one gets something else.
  const found = new Set(values.map(({ local }) => local))
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const { local, value } of values) if (!isEven(value, found)) found.delete(local)
  }
  return found
}

function isEven(e: ir.Expression, locals: ReadonlySet<number>): boolean {
  switch (e.kind) {
    case 'const': {
      const bytes = e.value as Uint8Array
      return bytes.every((byte, i) => byte === bytes[i & 3])
    }
    case 'get':
    case 'tee':
      return locals.has(e.local)
    case 'select':
      return isEven(e.args[0], locals) && isEven(e.args[1], locals)
    case 'op':
      if (/^v128\.load(8|16|32)_splat$/.test(e.op.name)) return true
      return (
        ruleOf(e.op.name)?.isEven === true &&
        e.args.every((arg) => ir.typeOf(arg) !== 'v128' || isEven(arg, locals))
      )
    default:
      return false
  }
}

/** Takes the vectors out of one function. */
export class Lowering {
  private readonly votes: Votes
  private readonly homes = new Map<Place, Home>()
  private readonly labels = new Map<ir.Label, ir.Label>()
  private readonly free = new Map<ValueType, number[]>()
  /** How often each local is read. */
  private readonly gets = new Map<number, number>()
  /** Inside a loop: calls would cost more than what they do. */
  private isInLoop = false
  private taken: { type: ValueType; local: number }[] = []

  constructor(
    private readonly func: ir.Func,
    private readonly helpers: Helpers,
    /** Which layers use a function of the engine. */
    private readonly usersOf: (func: string) => readonly string[] = () => [],
  ) {
    if (func.params.includes('v128') || func.result === 'v128')
      throw this.refusal('a parameter or result of type v128')
    splitWebs(func)
    this.votes = new Votes(func)
  }

  run(): void {
    const { func } = this
    const uniform = uniformLocals(func)
    ir.visit(func.body, (e) => {
      if (e.kind === 'get') this.gets.set(e.local, (this.gets.get(e.local) ?? 0) + 1)
    })
    const count = func.params.length + func.locals.length
    for (let local = 0; local < count; local++)
      if (ir.localType(func, local) === 'v128') {
        const type = this.votes.of(local)
        func.locals[local - func.params.length] = type
        const one = uniform.has(local)
        const more = Array.from({ length: lanesOf(type) - 1 }, () =>
          one ? local : ir.newLocal(func, type),
        )
        this.homes.set(local, { type, locals: [local, ...more] })
      }
    func.body = this.list(func.body, undefined)
  }

  private refusal(what: string): SpikewasmError {
    const users = this.usersOf(this.func.name)
    return new SpikewasmError(
      `exportWasm: ${what} in the function ${this.func.name}` +
        (users.length > 0 ? `, used by ${users.join(' and ')},` : '') +
        " has no form without SIMD; use target 'simd'",
    )
  }

  private release(...taken: Lowering['taken']): void {
    for (const { type, local } of taken)
      this.free.set(type, [...(this.free.get(type) ?? []), local])
  }

  private home(place: Place): Home {
    let home = this.homes.get(place)
    if (!home) {
      const type = this.votes.of(place)
      const locals = Array.from({ length: lanesOf(type) }, () => ir.newLocal(this.func, type))
      home = { type, locals }
      this.homes.set(place, home)
    }
    return home
  }

  private keeper(out: ir.Expression[], isNew = false): Keep {
    return (e, always = false) => {
      if (isSimple(e) && !always) return e
      const type = ir.typeOf(e) as ValueType
      const free = isNew ? undefined : this.free.get(type)?.pop()
      const local = free ?? ir.newLocal(this.func, type)
      this.taken.push({ type, local })
      out.push({ kind: 'set', local, value: e })
      return ir.get(local, type)
    }
  }

  /** Statements; the last one gives a vector to `target` where there is one. */
  private list(body: readonly ir.Expression[], target: Home | undefined): ir.Expression[] {
    const out: ir.Expression[] = []
    body.forEach((e, i) => {
      const before = this.taken
      this.taken = []
      if (target && i === body.length - 1 && isVector(e)) this.give(e, target, out)
      else this.statement(e, out)
      this.release(...this.taken)
      this.taken = before
    })
    return out
  }

  private statement(e: ir.Expression, out: ir.Expression[]): void {
    const home = e.kind === 'set' ? this.homes.get(e.local) : undefined
    if (e.kind === 'set' && home) this.give(e.value, home, out)
    else if (e.kind === 'br' && e.value && isVector(e.value)) {
      this.give(e.value, this.home(e.label), out)
      out.push({ kind: 'br', label: this.label(e.label), value: undefined })
    } else if (e.kind === 'drop' && isVector(e.value)) this.vector(e.value, undefined, out)
    else if (isVector(e)) this.vector(e, undefined, out)
    else out.push(this.scalar(e, out))
  }

  /** Computes a vector into locals. */
  private give(e: ir.Expression, home: Home, out: ir.Expression[]): void {
    if ((e.kind === 'block' || e.kind === 'if') && !this.homes.has(e.label)) {
      this.homes.set(e.label, home)
      this.vector(e, home.type, out)
      return
    }
    const vector = this.vector(e, home.type, out)
    const keep = this.keeper(out)
    const { lanes } = convert(vector, home.type, keep)
    const set = (i: number, value: ir.Expression): void =>
      void out.push({ kind: 'set', local: home.locals[i], value })
    const isOne = home.locals[1] === home.locals[0]
    if (isOne || isUniform(lanes)) {
      set(0, isUniform(lanes) ? this.unkept(lanes[0], out) : lanes[0])
      if (isOne) return
      for (let i = 1; i < lanes.length; i++)
        set(i, lanes[0].kind === 'const' ? lanes[0] : ir.get(home.locals[0], home.type))
      return
    }
    // A lane that reads one set before it comes first.
    const early = lanes.map((lane, i) => {
      const before = new Set(home.locals.slice(0, i))
      return reads(lane).locals.some((local) => before.has(local)) ? keep(lane, true) : lane
    })
    early.forEach((lane, i) => {
      set(i, lane)
    })
  }

  /** The value of a local that was only just made for it, without the local. */
  private unkept(e: ir.Expression, out: ir.Expression[]): ir.Expression {
    const last = out[out.length - 1]
    if (e.kind !== 'get' || last?.kind !== 'set' || last.local !== e.local) return e
    const at = this.taken.findIndex(({ local }) => local === e.local)
    if (at < 0) return e
    this.release(...this.taken.splice(at, 1))
    out.pop()
    return last.value
  }

  private label(label: ir.Label): ir.Label {
    if (label.result !== 'v128') return label
    const found = this.labels.get(label) ?? { kind: label.kind, result: undefined }
    this.labels.set(label, found)
    return found
  }

  /** An expression that gives no vector. */
  private scalar(e: ir.Expression, out: ir.Expression[]): ir.Expression {
    if (!hasVector(e)) return e
    if (e.kind === 'op' && e.args.some(isVector)) return this.operation(e, out) as ir.Expression
    switch (e.kind) {
      case 'block':
      case 'if':
        return this.nested(e, undefined, out)
      case 'loop': {
        const before = this.isInLoop
        this.isInLoop = true
        const body = this.list(e.body, undefined)
        this.isInLoop = before
        return { ...e, body }
      }
      default: {
        const items = ir.parts(e).map((part) => ({ e: part }))
        const inside = this.items(items, out) as ir.Expression[]
        let next = 0
        return ir.withParts(e, () => inside[next++])
      }
    }
  }

  /** A block or an if, whose value goes to `home` where it is a vector. */
  private nested(
    e: Extract<ir.Expression, { kind: 'block' | 'loop' | 'if' }>,
    home: Home | undefined,
    out: ir.Expression[],
  ): ir.Expression {
    const label = this.label(e.label)
    if (e.kind !== 'if') return { ...e, label, body: this.list(e.body, home) }
    const condition = this.scalar(e.condition, out)
    return { ...e, label, condition, yes: this.list(e.yes, home), no: this.list(e.no, home) }
  }

  /** Operands in their order. What comes later does not change those before. */
  private items(items: readonly Item[], out: ir.Expression[]): Lowered[] {
    const done: Lowered[] = []
    for (const { e, want, isSimple: simple } of items) {
      const before: ir.Expression[] = []
      let lowered: Lowered
      if (isVector(e)) lowered = this.vector(e, want, before)
      else {
        const value = this.scalar(e, before)
        lowered = simple ? this.simple(value, before) : value
      }
      if (before.length > 0) {
        // Locals that lists inside `before` have let go of are no place for what runs before them.
        const keep = this.keeper(out, true)
        // A later operand that does something may move ahead as well.
        const behind = done.map((_, i) => done.slice(i + 1).flatMap(expressionsOf))
        for (let i = 0; i < done.length; i++)
          done[i] = this.protect(done[i], [...behind[i], ...before], keep)
        for (const statement of before) out.push(statement)
      }
      done.push(lowered)
    }
    return done
  }

  /** A value that may be evaluated several times. */
  private simple(e: ir.Expression, out: ir.Expression[]): ir.Expression {
    if (e.kind !== 'tee') return this.keeper(out)(e)
    out.push({ ...e, kind: 'set' })
    return ir.get(e.local, ir.typeOf(e.value) as ValueType)
  }

  private protect(x: Lowered, from: readonly ir.Expression[], keep: Keep): Lowered {
    const changes = changesOf(from, this.helpers.all)
    const isSafe = (e: ir.Expression): boolean => {
      const { locals, memory } = reads(e)
      return !locals.some((local) => changes.locals.has(local)) && !(memory && changes.memory)
    }
    if (isLanes(x)) {
      if (isUniform(x.lanes) && !isSafe(x.lanes[0]))
        return { ...x, lanes: Array(x.lanes.length).fill(keep(x.lanes[0], true)) }
      return { ...x, lanes: x.lanes.map((lane) => (isSafe(lane) ? lane : keep(lane, true))) }
    }
    return ir.isPure(x) && isSafe(x) ? x : keep(x, true)
  }

  /** @param want type of the lanes for what has none of its own */
  private vector(e: ir.Expression, want: LaneType | undefined, out: ir.Expression[]): Vector {
    const keep = this.keeper(out)
    switch (e.kind) {
      case 'const':
        return constantVector(e.value as Uint8Array, want ?? 'i64', keep)
      case 'get':
        return this.read(this.homes.get(e.local) as Home)
      case 'tee': {
        const home = this.homes.get(e.local) as Home
        this.give(e.value, home, out)
        return this.read(home)
      }
      case 'select': {
        const [a, b, condition] = e.args
        const type = this.votes.natural(e) ?? want ?? 'i64'
        const sides = [a, b].map((side) => ({ e: side, want: type }))
        const [x, y, c] = this.items([...sides, { e: condition, isSimple: true }], out)
        const [left, right] = [x, y].map((v) => convert(v as Vector, type, keep).lanes)
        const one = (i: number): ir.Expression => ({
          kind: 'select',
          type,
          args: [left[i], right[i], c as ir.Expression],
        })
        return { type, lanes: eachLane([left, right], keep, one) }
      }
      case 'block':
      case 'if': {
        const home = this.home(e.label)
        out.push(this.nested(e, home, out))
        return this.read(home)
      }
      case 'op':
        return this.operation(e, out, want) as Vector
      default:
        throw this.refusal(`a vector of ${e.kind}`)
    }
  }

  private read({ type, locals }: Home): Vector {
    if (locals[0] === locals[1])
      return { type, lanes: Array(locals.length).fill(ir.get(locals[0], type)) }
    return { type, lanes: locals.map((local) => ir.get(local, type)) }
  }

  /** An instruction that takes or gives vectors. */
  private operation(e: ir.Operation, out: ir.Expression[], want?: LaneType): Lowered {
    const pair = pairOf(e, (local) => this.gets.get(local) ?? 0)
    const name = pair?.name ?? e.op.name
    const keep = this.keeper(out)
    const lane = laneAccess(e, this.natural(e.args[1]))
    const rule = ruleOf(name)
    const takes = lane?.type ?? this.votes.takes(e)
    const isMemory = e.op.immediate === 'memory' || lane !== undefined
    const operands = (pair?.args ?? e.args).map(
      (arg, i): Item => ({
        e: arg,
        want: takes ?? (name === 'v128.store' ? 'i64' : undefined),
        isSimple: (isMemory && i === 0) || !isVector(arg),
      }),
    )
    if (!rule && !isMemory) throw this.refusal(`the instruction ${name}`)
    const given = this.items(operands, out)
    const vectors = given.filter(isLanes).map((v) => (takes ? convert(v, takes, keep) : v))
    const scalars = given.filter((x): x is ir.Expression => !isLanes(x))
    if (lane) {
      const [address] = scalars
      return lane.stores
        ? storeLane(e, lane, address, vectors[0])
        : loadLane(e, lane, address, vectors[0])
    }
    if (name === 'v128.store') {
      const stores = store(e, scalars[0], vectors[0], keep)
      out.push(...stores.slice(0, -1))
      return stores[stores.length - 1]
    }
    if (!rule) {
      const loaded = load(e, scalars[0], want, keep)
      if (!loaded) throw this.refusal(`the instruction ${name}`)
      return loaded
    }
    const words = name === 'i8x16.shuffle' && wholeWords(e.lanes)
    if (words) return { type: takes as LaneType, lanes: shuffledWords(vectors, words, keep) }
    const { helpers, isInLoop } = this
    const call: Tools['call'] = (helper, ...args) =>
      (isInLoop && helpers.inline(helper, args, keep)) || helpers.call(helper, args)
    const lanes = rule.run({ vectors: vectors.map((v) => v.lanes), scalars, e }, { keep, call })
    if (!rule.gives) return lanes[0]
    // Logic goes by eight bytes where its operands do.
    return { type: rule.takes === rule.gives && takes ? takes : rule.gives, lanes }
  }

  private natural(e: ir.Expression | undefined): LaneType | undefined {
    return e && isVector(e) ? this.votes.natural(e) : undefined
  }
}

// Constants that are there several times move into locals: those take two bytes.

const LOCAL_BYTES = 2

/** Bytes of a constant's instruction; those that are never worth a local count as none. */
function bytesOf(e: ir.Constant): number {
  if (e.type === 'f32') return 5
  if (e.type === 'f64') return 9
  if (e.type !== 'i32') return 0
  let bytes = 2
  for (let left = e.value < 0 ? ~e.value : e.value; left >= 64; left = Math.floor(left / 128))
    bytes++
  return bytes
}

const keyOf = (e: ir.Constant): string => `${e.type} ${Object.is(e.value, -0) ? '-0' : e.value}`

export function shareConstants(func: ir.Func): void {
  const found = new Map<string, { e: ir.Constant; count: number }>()
  ir.visit(func.body, (e) => {
    if (e.kind !== 'const') return
    const entry = found.get(keyOf(e)) ?? { e, count: 0 }
    entry.count++
    found.set(keyOf(e), entry)
  })
  const locals = new Map<string, number>()
  const sets: ir.Expression[] = []
  for (const [key, { e, count }] of found) {
    const bytes = bytesOf(e)
    // Its instruction, a set, and the local itself.
    if (count * (bytes - LOCAL_BYTES) <= bytes + LOCAL_BYTES + 1) continue
    const local = ir.newLocal(func, e.type)
    locals.set(key, local)
    sets.push({ kind: 'set', local, value: e })
  }
  if (sets.length === 0) return
  const one = (e: ir.Expression): ir.Expression => {
    if (e.kind !== 'const') return ir.withParts(e, one)
    const local = locals.get(keyOf(e))
    return local === undefined ? e : ir.get(local, e.type)
  }
  func.body = [...sets, ...func.body.map(one)]
}

// A module without SIMD: functions whose vectors are taken apart, then tidied.

/**
 * Takes the vectors out of functions that call only each other. The same bits come out, but for the
 * bits of what is not a number.
 * @param kept keep their parameters
 * @param usersOf which layers use a function, for messages
 * @returns the functions, and those that they call besides
 * @throws SpikewasmError for an instruction that is not known, by its name, and by the layers that
 *   use it
 */
export function lowerToScalar(
  functions: readonly ir.Func[],
  kept: ReadonlySet<ir.Func>,
  usersOf?: (func: string) => readonly string[],
): ir.Func[] {
  const helpers = new Helpers()
  for (const func of functions) new Lowering(func, helpers, usersOf).run()
  const all = [...functions, ...helpers.all]
  tidy(all, kept)
  for (const func of all) shareConstants(func)
  tidy(all, kept)
  return all
}
