/** Functions as trees → a module's bytes. */

import * as ir from './ir.js'
import { codes, constantCodes, ELSE, END, instruction, typeCodes, type ValueType } from './types.js'

/** Bytes of memory at an address when the module is instantiated. */
export interface Segment {
  readonly address: number
  readonly bytes: Uint8Array
}

export interface ModuleParts {
  /** All functions, those that are called included. */
  readonly functions: readonly ir.Func[]
  /** Functions by the names under which a host finds them. */
  readonly exports: ReadonlyMap<string, ir.Func>
  /** Runs when the module is instantiated. */
  readonly start: ir.Func | undefined
  /** Pages of 64 KiB, the least and the most. */
  readonly pages: number
  readonly segments: readonly Segment[]
  /** Custom sections, their names included. */
  readonly custom: readonly Uint8Array[]
}

/** Bytes that grow. */
export class Writer {
  private bytes = new Uint8Array(1024)
  length = 0

  private room(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    bigger.set(this.bytes.subarray(0, this.length))
    this.bytes = bigger
  }

  byte(...values: number[]): void {
    this.room(values.length)
    for (const value of values) this.bytes[this.length++] = value
  }

  append(values: Uint8Array): void {
    this.room(values.length)
    this.bytes.set(values, this.length)
    this.length += values.length
  }

  /** Unsigned LEB128. */
  u32(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.byte((left % 0x80) | 0x80)
      left = Math.floor(left / 0x80)
    }
    this.byte(left)
  }

  /** Signed LEB128. */
  s64(value: bigint): void {
    let left = value
    for (;;) {
      const low = Number(left & 0x7fn)
      left >>= 7n
      if ((left === 0n && low < 0x40) || (left === -1n && low >= 0x40)) {
        this.byte(low)
        return
      }
      this.byte(low | 0x80)
    }
  }

  f32(value: number): void {
    this.append(new Uint8Array(Float32Array.of(value).buffer))
  }

  f64(value: number): void {
    this.append(new Uint8Array(Float64Array.of(value).buffer))
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.u32(bytes.length)
    this.append(bytes)
  }

  /** Things, behind their number. */
  list<T>(things: readonly T[], write: (thing: T) => void): void {
    this.u32(things.length)
    for (const thing of things) write(thing)
  }

  /** What was written, behind its length. */
  sized(write: (w: Writer) => void): void {
    const inner = new Writer()
    write(inner)
    this.u32(inner.length)
    this.append(inner.bytes.subarray(0, inner.length))
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

const MEMORY = 2
const FUNCTION = 0

export function encodeModule(parts: ModuleParts): Uint8Array {
  const { functions, exports, start, pages, segments, custom } = parts
  const w = new Writer()
  w.byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00)
  const indices = new Map(functions.map((f, i) => [f, i]))
  const indexOf = (f: ir.Func): number => {
    const index = indices.get(f)
    if (index === undefined) throw new Error(`function ${f.name} is not part of the module`)
    return index
  }
  const section = (id: number, write: (w: Writer) => void): void => {
    w.byte(id)
    w.sized(write)
  }
  const { types, typeIndex } = collectTypes(functions)
  section(1, (s) => {
    s.list(types, ({ params, result }) => {
      s.byte(0x60)
      for (const values of [params, result ? [result] : []])
        s.list(values, (type) => s.byte(typeCodes[type]))
    })
  })
  section(3, (s) => s.list(functions, (f) => s.u32(typeIndex(f))))
  section(5, (s) => {
    s.byte(1, 1)
    s.u32(pages)
    s.u32(pages)
  })
  section(7, (s) => {
    s.u32(exports.size + 1)
    s.name('memory')
    s.byte(MEMORY, 0)
    for (const [name, f] of exports) {
      s.name(name)
      s.byte(FUNCTION)
      s.u32(indexOf(f))
    }
  })
  if (start) section(8, (s) => s.u32(indexOf(start)))
  section(10, (s) => s.list(functions, (f) => s.sized((body) => encodeBody(body, f, indexOf))))
  if (segments.length > 0)
    section(11, (s) =>
      s.list(segments, ({ address, bytes }) => {
        s.byte(0, 0x41)
        s.s64(BigInt(address | 0))
        s.byte(END)
        s.u32(bytes.length)
        s.append(bytes)
      }),
    )
  for (const bytes of custom) section(0, (s) => s.append(bytes))
  return w.done()
}

/** Functions of which each has another type, and the index of a function's type. */
function collectTypes(functions: readonly ir.Func[]) {
  const types = new Map<string, ir.Func>()
  const key = ({ params, result }: ir.Func): string => `${params.join()}:${result ?? ''}`
  for (const f of functions) if (!types.has(key(f))) types.set(key(f), f)
  const indices = new Map([...types.keys()].map((name, i) => [name, i]))
  return { types: [...types.values()], typeIndex: (f: ir.Func) => indices.get(key(f)) as number }
}

function encodeBody(w: Writer, func: ir.Func, indexOf: (f: ir.Func) => number): void {
  const groups: { type: ValueType; count: number }[] = []
  for (const type of func.locals) {
    const last = groups[groups.length - 1]
    if (last?.type === type) last.count++
    else groups.push({ type, count: 1 })
  }
  w.list(groups, ({ type, count }) => {
    w.u32(count)
    w.byte(typeCodes[type])
  })
  new BodyEncoder(w, [func.label], indexOf).list(func.body)
  w.byte(0x0b)
}

class BodyEncoder {
  constructor(
    private readonly w: Writer,
    private readonly labels: ir.Label[],
    private readonly indexOf: (f: ir.Func) => number,
  ) {}

  list(body: readonly ir.Expression[]): void {
    for (const e of body) this.one(e)
  }

  private depth(label: ir.Label): void {
    const at = this.labels.lastIndexOf(label)
    if (at < 0) throw new Error('a branch leaves its function')
    this.w.u32(this.labels.length - 1 - at)
  }

  private inside(label: ir.Label, body: readonly ir.Expression[]): void {
    this.labels.push(label)
    this.list(body)
    this.labels.pop()
  }

  private blockType(type: ValueType | undefined): void {
    this.w.byte(type ? typeCodes[type] : 0x40)
  }

  private one(e: ir.Expression): void {
    const { w } = this
    if (e.kind === 'block' || e.kind === 'loop') {
      w.byte(codes[e.kind])
      this.blockType(ir.typeOf(e))
      this.inside(e.label, e.body)
      w.byte(END)
      return
    }
    if (e.kind === 'if') {
      this.one(e.condition)
      w.byte(codes.if)
      this.blockType(e.label.result)
      this.inside(e.label, e.yes)
      if (e.no.length > 0) {
        w.byte(ELSE)
        this.inside(e.label, e.no)
      }
      w.byte(END)
      return
    }
    this.list(ir.parts(e))
    if (e.kind === 'const') this.constant(e)
    else if (e.kind === 'op') this.operation(e)
    else if (e.kind === 'select' && e.type === 'v128') w.byte(0x1c, 1, typeCodes.v128)
    else {
      w.byte(codes[e.kind])
      if ('local' in e) w.u32(e.local)
      else if (e.kind === 'call') w.u32(this.indexOf(e.callee))
      else if (e.kind === 'br_table') {
        w.u32(e.labels.length - 1)
        for (const label of e.labels) this.depth(label)
      } else if ('label' in e) this.depth(e.label)
    }
  }

  private constant(e: ir.Constant): void {
    const { w } = this
    if (e.type === 'v128') {
      w.byte(0xfd)
      w.u32(12)
      w.append(e.value)
      return
    }
    w.byte(constantCodes[e.type])
    if (e.type === 'i32') w.s64(BigInt(e.value | 0))
    else if (e.type === 'i64') w.s64(e.value)
    else w[e.type](e.value)
  }

  private operation({ op, offset, align, lanes }: ir.Operation): void {
    const { w } = this
    if (op.code > 0xff) {
      w.byte(op.code >> 16)
      w.u32(op.code & 0xffff)
    } else w.byte(op.code)
    if (op.immediate === 'memory' || op.immediate === 'memoryLane') {
      w.u32(align)
      w.u32(offset)
    }
    if (op === memoryCopy) w.byte(0, 0)
    if (op === memoryFill) w.byte(0)
    w.byte(...lanes)
  }
}

const memoryCopy = instruction('memory.copy')
const memoryFill = instruction('memory.fill')
