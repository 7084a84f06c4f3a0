/** A module's bytes → functions as trees. */

import * as ir from './ir.js'
import * as reader from './reader.js'
import * as types from './types.js'

// Functions whose code is read when it is asked for.

/** A function of the engine; a network uses a part of them. */
export class Decoded implements ir.Func {
  readonly label: ir.Label
  read: ((func: ir.Func) => void) | undefined
  #locals: types.ValueType[] = []
  #body: readonly ir.Expression[] = []

  constructor(
    public name: string,
    public params: types.ValueType[],
    public result: types.ValueType | undefined,
  ) {
    this.label = { kind: 'block', result }
  }

  get locals(): types.ValueType[] {
    this.#decode()
    return this.#locals
  }

  set locals(locals) {
    this.#locals = locals
  }

  get body(): readonly ir.Expression[] {
    this.#decode()
    return this.#body
  }

  set body(body) {
    this.#body = body
  }

  #decode(): void {
    const { read } = this
    this.read = undefined
    read?.(this)
  }
}

/** Codes that no expression has of its own. */
const [NOP, CALL_INDIRECT, TYPED_SELECT, GLOBAL_GET] = [0x01, 0x11, 0x1c, 0x23]

/**
 * The functions of a module that imports a memory and a table and nothing else, by their exported
 * names. A function that is not exported can only be reached through those that call it.
 *
 * @param table what is in the table
 */
export function decodeModule(
  bytes: Uint8Array,
  table: readonly ir.Func[] = [],
): Map<string, ir.Func> {
  const { functions, names } = decode(bytes, table)
  for (const [name, index] of names) functions[index].name = name
  return new Map(Array.from(names, ([name, index]) => [name, functions[index]]))
}

/** All functions of such a module, in their order. */
export const decodeFunctions = (bytes: Uint8Array): ir.Func[] => decode(bytes, []).functions

function decode(
  bytes: Uint8Array,
  table: readonly ir.Func[],
): { readonly functions: Decoded[]; readonly names: ReadonlyMap<string, number> } {
  const signatures: reader.Signature[] = []
  const indirect = new Map<reader.Signature, ir.Func>()
  const throughTable = (type: number): ir.Func => {
    const signature = signatures[type]
    const known = indirect.get(signature) ?? reader.choosing(signature, table)
    indirect.set(signature, known)
    return known
  }
  const functions: Decoded[] = []
  const globals: ir.Constant[] = []
  const names = new Map<string, number>()
  for (const { id, contents } of reader.sectionsOf(bytes)) {
    const each = (read: (i: number) => void): void => {
      const count = contents.u32()
      for (let i = 0; i < count; i++) read(i)
    }
    if (id === 1) each(() => signatures.push(reader.readSignature(contents)))
    else if (id === 3)
      each((i) => {
        const { params, result } = signatures[contents.u32()]
        functions.push(new Decoded(`f${i}`, [...params], result))
      })
    else if (id === 6) each(() => globals.push(reader.readGlobal(contents)))
    else if (id === 7)
      each(() => {
        const name = contents.name()
        const kind = contents.byte()
        const index = contents.u32()
        if (kind === 0) names.set(name, index)
      })
    else if (id === 10)
      each((i) => {
        const size = contents.u32()
        const body = new reader.Reader(contents.bytes, contents.at, contents.at + size)
        contents.at += size
        functions[i].read = (func) =>
          new BodyDecoder(body, functions, func, globals, throughTable).decode()
      })
  }
  return { functions, names }
}

class BodyDecoder {
  /** Blocks around what is read. */
  private readonly labels: ir.Label[] = []
  /** Statements of the innermost one. */
  private body: ir.Expression[] = []
  /** Values that no instruction has taken yet. */
  private stack: ir.Expression[] = []
  /** Nothing reaches what comes: it is read, but left out. */
  private isDead = false
  /** Locals that `spill` has made; nothing else assigns them. */
  private readonly spilled = new Set<number>()

  constructor(
    private readonly r: reader.Reader,
    private readonly functions: readonly ir.Func[],
    private readonly func: ir.Func,
    private readonly globals: readonly ir.Constant[],
    private readonly throughTable: (type: number) => ir.Func,
  ) {}

  decode(): void {
    const { r, func } = this
    const groups = r.u32()
    for (let i = 0; i < groups; i++) {
      const count = r.u32()
      const type = reader.valueType(r.byte())
      for (let j = 0; j < count; j++) func.locals.push(type)
    }
    func.body = this.list(func.label, func.result).body
  }

  /** Statements up to an end or an else; the last one gives a value if there is a result. */
  private list(label: ir.Label, result: types.ValueType | undefined) {
    const { body: before, stack: values, isDead: wasDead } = this
    const body: ir.Expression[] = []
    Object.assign(this, { body, stack: [] })
    this.labels.push(label)
    let code = this.r.byte()
    for (; code !== types.END && code !== types.ELSE; code = this.r.byte()) this.step(code)
    this.labels.pop()
    if (result) body.push(...this.stack.slice(-1))
    Object.assign(this, { body: before, stack: values, isDead: wasDead })
    return { body, isElse: code === types.ELSE }
  }

  private block(kind: ir.Label['kind']): void {
    const result = this.blockType()
    this.spill()
    const label: ir.Label = { kind, result: kind === 'loop' ? undefined : result }
    this.value({ kind, label, body: this.list(label, result).body })
  }

  private conditional(): void {
    const label: ir.Label = { kind: 'block', result: this.blockType() }
    const condition = this.pop()
    this.spill()
    const { body: yes, isElse } = this.list(label, label.result)
    const no = isElse ? this.list(label, label.result).body : []
    this.value({ kind: 'if', label, condition, yes, no })
  }

  private push(e: ir.Expression): void {
    if (!this.isDead) this.stack.push(e)
  }

  private pop(): ir.Expression {
    return this.popMany(1)[0]
  }

  private popMany(count: number): ir.Expression[] {
    const { stack, isDead } = this
    if (isDead) return Array<ir.Expression>(count).fill({ kind: 'unreachable' })
    return stack.splice(stack.length - count)
  }

  /**
   * Adds what gives no value. Values that wait below it were computed before, so they move into
   * locals.
   */
  private statement(e: ir.Expression): void {
    this.spill()
    if (!this.isDead) this.body.push(e)
  }

  private spill(): void {
    const { stack, body } = this
    stack.forEach((value, i) => {
      if (value.kind === 'const' || (value.kind === 'get' && this.spilled.has(value.local))) return
      const type = ir.typeOf(value) as types.ValueType
      const local = ir.newLocal(this.func, type)
      this.spilled.add(local)
      body.push({ kind: 'set', local, value })
      stack[i] = { kind: 'get', local, type }
    })
  }

  private value(e: ir.Expression): void {
    if (ir.typeOf(e)) this.push(e)
    else this.statement(e)
  }

  /** A statement behind which nothing is reached, up to the end of the block. */
  private last(e: ir.Expression): void {
    this.statement(e)
    this.stack.length = 0
    this.isDead = true
  }

  private blockType(): types.ValueType | undefined {
    const code = this.r.byte()
    return code === 0x40 ? undefined : reader.valueType(code)
  }

  private label(): ir.Label {
    return this.labels[this.labels.length - 1 - this.r.u32()]
  }

  private step(code: number): void {
    const step = this.steps[code]
    if (step) {
      step()
      return
    }
    const constant = reader.readConstant(this.r, code)
    if (constant) this.push(constant)
    else this.plain(code)
  }

  private readonly steps: Readonly<Record<number, (() => void) | undefined>> = {
    [types.codes.unreachable]: () => this.last({ kind: 'unreachable' }),
    [NOP]: () => {},
    [types.codes.block]: () => this.block('block'),
    [types.codes.loop]: () => this.block('loop'),
    [types.codes.if]: () => this.conditional(),
    [types.codes.br]: () => {
      const label = this.label()
      this.last({ kind: 'br', label, value: label.result && this.pop() })
    },
    [types.codes.br_if]: () => {
      const label = this.label()
      const condition = this.pop()
      this.value({ kind: 'br_if', label, value: label.result && this.pop(), condition })
    },
    [types.codes.br_table]: () => {
      const labels = Array.from({ length: this.r.u32() + 1 }, () => this.label())
      const index = this.pop()
      this.last({ kind: 'br_table', labels, index, value: labels[0].result && this.pop() })
    },
    [types.codes.return]: () =>
      this.last({ kind: 'return', value: this.func.result && this.pop() }),
    [types.codes.call]: () => {
      const callee = this.functions[this.r.u32()]
      this.value({ kind: 'call', callee, args: this.popMany(callee.params.length) })
    },
    [CALL_INDIRECT]: () => {
      const callee = this.throughTable(this.r.u32())
      this.r.u32()
      const index = this.pop()
      const args = this.popMany(callee.params.length - 1)
      this.value({ kind: 'call', callee, args: [index, ...args] })
    },
    [types.codes.drop]: () => this.statement({ kind: 'drop', value: this.pop() }),
    [types.codes.select]: () => this.select(),
    [TYPED_SELECT]: () => {
      this.r.take(this.r.u32())
      this.select()
    },
    [types.codes.get]: () => {
      const local = this.r.u32()
      this.push(ir.get(local, ir.localType(this.func, local)))
    },
    [types.codes.set]: () =>
      this.statement({ kind: 'set', local: this.r.u32(), value: this.pop() }),
    [types.codes.tee]: () => this.push({ kind: 'tee', local: this.r.u32(), value: this.pop() }),
    [GLOBAL_GET]: () => this.push(this.globals[this.r.u32()]),
  }

  private select(): void {
    const [a, b, condition] = this.popMany(3)
    this.push({ kind: 'select', type: ir.typeOf(a) as types.ValueType, args: [a, b, condition] })
  }

  private plain(code: number): void {
    const { r } = this
    const full = code === 0xfc || code === 0xfd ? (code << 16) | r.u32() : code
    if (full === types.prefixed.simd(12)) {
      this.push({ kind: 'const', type: 'v128', value: r.take(16).slice() })
      return
    }
    const op = this.known(full)
    const { offset, align, lanes } = this.immediates(op)
    const args = this.popMany(op.params.length)
    this.value({ kind: 'op', op, args, offset, align, lanes })
  }

  private known(code: number): types.Instruction {
    const op = types.instructionOf(code)
    if (!op) throw new Error(`${this.func.name}: instruction 0x${code.toString(16)} is unknown`)
    return op
  }

  private immediates(op: types.Instruction): { offset: number; align: number; lanes: number[] } {
    const { r } = this
    const hasMemory = op.immediate === 'memory' || op.immediate === 'memoryLane'
    const align = hasMemory ? r.u32() : 0
    const offset = hasMemory ? r.u32() : 0
    if (op.name === 'memory.copy') r.take(2)
    if (op.name === 'memory.fill') r.take(1)
    const lanes = [...r.take(types.immediates[op.immediate])]
    return { offset, align, lanes }
  }
}
