/** Makes functions shorter without changing what they do. */

import * as ir from '../../kernels/wasm/ir.js'
import { fold } from './fold.js'
import { compactLocals, dropDeadStores, dropParameters, type Uses, usesOf } from './locals.js'

/** Tidies functions that call only each other. `kept` keep their parameters. */
export function tidy(functions: readonly ir.Func[], kept: ReadonlySet<ir.Func>): void {
  for (let changed = true; changed; ) {
    changed = false
    for (const func of functions) if (tidyBody(func)) changed = true
    if (dropParameters(functions, kept)) changed = true
  }
  for (const func of functions) compactLocals(func)
}

const size = (body: readonly ir.Expression[]): number => usesOf(body).size

/** Returns whether the body became shorter. */
function tidyBody(func: ir.Func): boolean {
  const before = size(func.body)
  for (let last = Number.POSITIVE_INFINITY; ; ) {
    const { body } = func
    dropDeadStores(func)
    func.body = new Tidier(func, usesOf(func.body)).body()
    const now = size(func.body)
    if (func.body === body || now >= last) return now < before
    last = now
  }
}

/** Simplifications of expressions whose parts are simple already. */
function simplify(e: ir.Operation): ir.Expression {
  const { args } = e
  const [a, b] = args
  const { name } = e.op
  const constants = args.every((x) => x.kind === 'const' && x.type !== 'v128')
  if (constants && args.length > 0 && !e.op.reads && !e.op.writes) {
    const value = fold(
      name,
      args.map((x) => (x as { value: number }).value),
    )
    if (value !== undefined) return { kind: 'const', type: e.op.result, value } as ir.Expression
  }
  if (b?.kind === 'const' && b.type === 'i32') {
    const n = b.value
    if (n === 0 && /^i32\.(add|sub|or|xor|shl|shr_[su])$/.test(name)) return a
    if (n === 1 && /^i32\.(mul|div_[su])$/.test(name)) return a
    if (n === 0 && /^i32\.(mul|and)$/.test(name) && ir.isPure(a)) return b
    if (name === 'i32.add' && a.kind === 'op' && a.op.name === 'i32.add') {
      const inner = a.args[1]
      if (inner.kind === 'const' && inner.type === 'i32')
        return { ...e, args: [a.args[0], ir.i32(inner.value + n)] }
    }
    if (name === 'i32.ne' && n === 0) return a.kind === 'op' && isComparison(a) ? a : e
  }
  if (a?.kind === 'const' && a.type === 'i32' && b) {
    if (/^i32\.(add|mul|and|or|xor)$/.test(name) && b.kind !== 'const')
      if (ir.isPure(b)) return simplify({ ...e, args: [b, a] })
  }
  return e
}

/** Whether it does nothing but give a value, once its arguments are there. */
function isHarmless(
  e: ir.Expression,
): e is ir.Operation | Extract<ir.Expression, { kind: 'call' }> {
  if (e.kind === 'op') return !e.op.writes && !e.op.traps
  return e.kind === 'call' && e.callee.body.every(isQuiet)
}

/** What evaluating an expression does besides giving a value. */
export function effects(e: ir.Expression): ir.Expression[] {
  if (ir.isPure(e)) return []
  if (e.kind === 'tee') return [{ kind: 'set', local: e.local, value: e.value }]
  if (ir.typeOf(e) === undefined) return [e]
  if (e.kind === 'select' || isHarmless(e)) return e.args.flatMap(effects)
  return [{ kind: 'drop', value: e }]
}

/** Whether it changes nothing but locals, and calls nothing. */
const isQuiet = (e: ir.Expression): boolean =>
  ir.isPure(e) || ((e.kind === 'set' || e.kind === 'tee') && isQuiet(e.value))

const isSame = (a: ir.Constant, b: ir.Constant): boolean =>
  a.type === b.type && a.type !== 'v128' && Object.is(a.value, b.value)

const isComparison = ({ op }: ir.Operation): boolean =>
  /^[if]\d\d\.(eqz|eq|ne|lt|gt|le|ge)(_[su])?$/.test(op.name)

class Tidier {
  private readonly each = (e: ir.Expression): ir.Expression => this.one(e)

  constructor(
    private readonly func: ir.Func,
    private readonly uses: Uses,
  ) {}

  body(): readonly ir.Expression[] {
    const { body, label, result } = this.func
    return this.list(body, result !== undefined, label)
  }

  private used(label: ir.Label): boolean {
    return (this.uses.branches.get(label) ?? 0) > 0
  }

  /** Whether control never reaches what follows. */
  private ends(e: ir.Expression): boolean {
    switch (e.kind) {
      case 'block':
        return !this.used(e.label) && e.body.some((x) => this.ends(x))
      case 'loop':
        return e.body.some((x) => this.ends(x))
      case 'if':
        return (
          !this.used(e.label) && e.yes.some((x) => this.ends(x)) && e.no.some((x) => this.ends(x))
        )
      case 'set':
      case 'drop':
        return e.value.kind === 'unreachable'
      default:
        return ir.ends(e)
    }
  }

  /** Statements, the last of which gives the list's value if `wanted`. `end`: label behind it. */
  private list(
    body: readonly ir.Expression[],
    wanted: boolean,
    end: ir.Label,
  ): readonly ir.Expression[] {
    const out: ir.Expression[] = []
    body.forEach((e, i) => {
      if (out.length > 0 && this.ends(out[out.length - 1])) return
      const last = i === body.length - 1
      this.statement(this.one(e), wanted && last, out)
    })
    this.forward(out)
    const last = out[out.length - 1]
    // Behind a loop or an if that never ends, a value is still expected.
    if (wanted && last && ir.typeOf(last) === undefined && !ir.ends(last))
      out.push({ kind: 'unreachable' })
    // A branch to what follows anyway.
    if (last?.kind === 'br' && last.label === end && end.kind === 'block') {
      out.pop()
      if (last.value) out.push(last.value)
    }
    return ir.isSameList(out, body) ? body : out
  }

  /** Adds a statement, or those that it consists of. */
  private statement(e: ir.Expression, wanted: boolean, out: ir.Expression[]): void {
    const [before, rest] = this.hoist(e)
    for (const x of before) out.push(x)
    if (before.length > 0 && this.ends(before[before.length - 1])) return
    if (rest.kind === 'block' && !this.used(rest.label)) {
      rest.body.forEach((x, i) => {
        this.statement(x, wanted && i === rest.body.length - 1, out)
      })
      return
    }
    if (wanted) {
      out.push(rest)
      return
    }
    if (rest.kind === 'drop') this.drop(rest.value, out)
    else if (rest.kind === 'if' && rest.yes.length === 0 && rest.no.length === 0)
      this.drop(rest.condition, out)
    else if (rest.kind === 'set' && rest.value.kind === 'get' && rest.value.local === rest.local)
      return
    else if (ir.typeOf(rest) === undefined || this.ends(rest)) {
      if (rest.kind !== 'block' || rest.body.length > 0) out.push(rest)
    } else this.drop(rest, out)
  }

  private drop(value: ir.Expression, out: ir.Expression[]): void {
    for (const e of effects(value)) out.push(e)
  }

  /**
   * Statements at the head of the part that an expression evaluates first, and the expression
   * without them.
   */
  private hoist(e: ir.Expression): [ir.Expression[], ir.Expression] {
    let head: ir.Expression | undefined = headOf(e)
    while (head && !(head.kind === 'block' && !this.used(head.label) && head.body.length > 0))
      head = headOf(head)
    return head ? this.hoistFrom(e) : [[], e]
  }

  private hoistFrom(e: ir.Expression): [ir.Expression[], ir.Expression] {
    const part = headOf(e)
    if (!part) return [[], e]
    if (part.kind === 'block' && !this.used(part.label) && part.body.length > 0) {
      const value = part.body[part.body.length - 1]
      const [more, rest] = this.hoist(withHead(e, value))
      return [[...part.body.slice(0, -1), ...more], rest]
    }
    const [before, inner] = this.hoistFrom(part)
    return before.length === 0 ? [[], e] : [before, withHead(e, inner)]
  }

  /** `set x v` and then a statement that begins with the only `get x`: v goes there. */
  private forward(out: ir.Expression[]): void {
    for (let i = out.length - 2; i >= 0; i--) {
      const e = out[i]
      if (e.kind !== 'set' || this.uses.gets.get(e.local) !== 1) continue
      if (this.uses.sets.get(e.local) !== 1) continue
      const next = substituteFirst(out[i + 1], e.local, e.value)
      if (next) out.splice(i, 2, next)
    }
  }

  private one(e: ir.Expression): ir.Expression {
    const x = this.parts(e)
    switch (x.kind) {
      case 'op':
        return simplify(x)
      case 'set':
        return this.uses.gets.has(x.local) ? x : { kind: 'drop', value: x.value }
      case 'tee':
        return this.uses.gets.has(x.local) ? x : x.value
      case 'block':
        return x.body.length === 1 && !this.used(x.label) ? x.body[0] : x
      case 'if':
        return this.conditional(x)
      case 'br_if':
        if (x.condition.kind === 'const' && !x.value)
          return x.condition.value === 0
            ? { kind: 'block', label: { kind: 'block', result: undefined }, body: [] }
            : { kind: 'br', label: x.label, value: undefined }
        return ir.withParts(x, (part) => (part === x.condition ? truth(part) : part))
      case 'select': {
        const [a, b, condition] = x.args
        if (condition.kind === 'const' && ir.isPure(a) && ir.isPure(b))
          return condition.value === 0 ? b : a
        if (a.kind === 'const' && b.kind === 'const' && isSame(a, b) && ir.isPure(condition))
          return a
        const short = truth(condition)
        return short === condition ? x : { ...x, args: [a, b, short] }
      }
      default:
        return x
    }
  }

  private conditional(e: Extract<ir.Expression, { kind: 'if' }>): ir.Expression {
    const condition = truth(e.condition)
    if (condition.kind === 'const') {
      const body = condition.value === 0 ? e.no : e.yes
      return { kind: 'block', label: e.label, body }
    }
    if (e.yes.length === 0 && e.no.length > 0)
      return { ...e, condition: simplify(ir.operation('i32.eqz', [condition])), yes: e.no, no: [] }
    const [only] = e.yes
    // if (c) br → br_if c
    if (e.yes.length === 1 && e.no.length === 0 && only.kind === 'br' && !only.value)
      if (only.label !== e.label) return { ...only, kind: 'br_if', condition }
    return condition === e.condition ? e : { ...e, condition }
  }

  /** The same expression with tidy parts. */
  private parts(e: ir.Expression): ir.Expression {
    if (e.kind !== 'block' && e.kind !== 'loop' && e.kind !== 'if')
      return ir.withParts(e, this.each)
    const wanted = e.kind === 'loop' ? ir.typeOf(e) !== undefined : e.label.result !== undefined
    return ir.withParts(e, this.each, (body) => this.list(body, wanted, e.label))
  }
}

/** A condition without a comparison with zero that it need not have. */
function truth(e: ir.Expression): ir.Expression {
  if (e.kind !== 'op') return e
  if (e.op.name === 'i32.ne') {
    const [a, b] = e.args
    if (b.kind === 'const' && b.value === 0) return a
  }
  if (e.op.name === 'i32.eqz') {
    const [a] = e.args
    if (a.kind === 'op' && a.op.name === 'i32.eqz') return truth(a.args[0])
  }
  return e
}

/** The part that an expression evaluates first, before it does anything else. */
const headOf = (e: ir.Expression): ir.Expression | undefined =>
  e.kind === 'block' || e.kind === 'loop'
    ? undefined
    : e.kind === 'if'
      ? e.condition
      : ir.parts(e)[0]

/** The same expression with another one in the place of that part. */
function withHead(e: ir.Expression, head: ir.Expression): ir.Expression {
  let next: ir.Expression | undefined = head
  return ir.withParts(e, (part) => {
    const now = next ?? part
    next = undefined
    return now
  })
}

/** `e` with its first `get local` replaced, if nothing runs before it. */
function substituteFirst(
  e: ir.Expression,
  local: number,
  value: ir.Expression,
): ir.Expression | undefined {
  if (e.kind === 'get') return e.local === local ? value : undefined
  let head = headOf(e)
  while (head && head.kind !== 'get') head = headOf(head)
  if (head?.kind !== 'get' || head.local !== local) return undefined
  const inner = substituteFirst(headOf(e) as ir.Expression, local, value)
  return inner && withHead(e, inner)
}
