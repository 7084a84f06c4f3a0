/**
 * An exported network as bytes: its sections, walked with checks at every byte. So a damaged or
 * hostile file is refused before anything of it is compiled or allocated.
 */

import { describe, fail } from '../base/errors.js'
import { parseJsonBytes } from '../files/json.js'
import { type NetInfo, netExports, SECTION } from './abi.js'
import { checkInfo } from './schema.js'

// The custom section of an exported network, a name and JSON, and the seal: a checksum over the
// whole file, the last text of that section, so that the file ends with `"seal":"xxxxxxxx"}`.
// docs/exported-file.md describes them.

/** Digits of a seal, and what a file has behind it: the end of the JSON. */
const DIGITS = 8
const BEHIND = 2

/** Where the seal comes when the file is complete. */
const UNSEALED = '0'.repeat(DIGITS)

/**
 * FNV-1a of 32 bits over all bytes before the seal. Each step maps hashes one to one, so a single
 * byte that changed changes the seal for certain, whatever follows.
 */
export function sealOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length - DIGITS - BEHIND; i++)
    hash = Math.imul(hash ^ bytes[i], 0x1000193)
  return (hash >>> 0).toString(16).padStart(DIGITS, '0')
}

/** Writes the seal of a complete file in its place. */
export function seal(bytes: Uint8Array): Uint8Array {
  bytes.set(new TextEncoder().encode(sealOf(bytes)), bytes.length - DIGITS - BEHIND)
  return bytes
}

/** The most bytes of JSON that are read. */
const LIMIT = 1 << 24

/**
 * The payload of the custom section: the name with its length, then compact JSON, which ends with
 * room for the seal.
 * @throws SpikewasmError when the information is not as the interface demands
 */
export function sectionBytes(info: NetInfo): Uint8Array {
  const name = new TextEncoder().encode(SECTION)
  const { seal: _, ...rest } = checkInfo(info, 'the information')
  const json = new TextEncoder().encode(JSON.stringify({ ...rest, seal: UNSEALED }))
  const bytes = new Uint8Array(1 + name.length + json.length)
  bytes[0] = name.length
  bytes.set(name, 1)
  bytes.set(json, 1 + name.length)
  return bytes
}

/**
 * The information in the JSON behind the name that `sectionBytes` wrote.
 * @throws SpikewasmError when it is damaged, or of another version
 */
export function readSection(json: Uint8Array): NetInfo {
  const what = `the section "${SECTION}"`
  return checkInfo(parseJsonBytes(json, what, 'its JSON', { length: LIMIT }), what)
}

/** The most memory that a file may ask for, in pages: 2 GiB. */
const MOST_PAGES = 1 << 15
const PAGE = 1 << 16

/** Numbers of sections, in the order in which they must come; 0, custom, may stand anywhere. */
const order = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11]
const CUSTOM = 0

/** Value types; their bytes go down from 127. */
const valueTypes = ['i32', 'i64', 'f32', 'f64', 'v128']

/** @throws SpikewasmError always */
export function refuse(expected: string, got: string): never {
  fail(
    `an exported network must ${expected}, got ${got}; is it a file that spikewasm export wrote, ` +
      'complete and unchanged?',
  )
}

/** Reads a part of a file, never beyond its end. */
class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly what: string,
    private at = 0,
    private readonly end = bytes.length,
  ) {}

  get done(): boolean {
    return this.at === this.end
  }

  byte(): number {
    if (this.at >= this.end) return refuse(`have a whole ${this.what}`, 'one that is cut off')
    return this.bytes[this.at++]
  }

  /** An unsigned LEB128 of 32 bits. */
  number(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 127) * 2 ** shift
      if (byte < 128) {
        if (value >= 2 ** 32) break
        return value
      }
    }
    return refuse(`have numbers of 32 bits in its ${this.what}`, 'a longer one')
  }

  /** A count of things of at least one byte each. */
  count(): number {
    const count = this.number()
    if (count > this.end - this.at)
      return refuse(
        `have as many entries in its ${this.what} as it says, ${count}`,
        `${this.end - this.at} bytes`,
      )
    return count
  }

  /** The next bytes, as a reader of their own. */
  part(length: number, what: string): Reader {
    const begin = this.at
    if (length > this.end - begin)
      return refuse(`have a ${what} of ${length} bytes`, `${this.end - begin}; it is cut off`)
    this.at += length
    return new Reader(this.bytes, what, begin, begin + length)
  }

  rest(): Uint8Array {
    const rest = this.bytes.subarray(this.at, this.end)
    this.at = this.end
    return rest
  }

  name(): string {
    const bytes = this.part(this.number(), `name in the ${this.what}`).rest()
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      return refuse(`have names in UTF-8 in its ${this.what}`, 'other bytes')
    }
  }

  /** Checks that nothing is left. */
  finish(): void {
    if (!this.done) refuse(`have nothing behind its ${this.what}`, `${this.end - this.at} bytes`)
  }
}

/** What the walk finds. */
export type Parts = ReturnType<typeof noParts>

const noParts = () => ({
  /** Signatures, for example `() → i32`. */
  types: [] as string[],
  /** Index of the type of each function. */
  functions: [] as number[],
  /** Pages of the memory. */
  pages: undefined as number | undefined,
  /** By name: which kind (0 function, 2 memory, …) and which index. */
  exports: new Map<string, { readonly kind: number; readonly index: number }>(),
  /** What our custom section says. */
  info: undefined as NetInfo | undefined,
  /** Name of a custom section that is not ours. */
  other: undefined as string | undefined,
})

/** What a section with this number puts into the parts. */
const readers: Readonly<Record<number, (r: Reader, parts: Parts) => void>> = {
  // Custom.
  0: (r, parts) => {
    const name = r.name()
    const payload = r.rest()
    if (name !== SECTION) parts.other = name
    else if (parts.info) refuse(`have one custom section "${SECTION}"`, 'two')
    else parts.info = readSection(payload)
  },
  // Types.
  1: (r, parts) => {
    for (let n = r.count(); n > 0; n--) {
      if (r.byte() !== 0x60) refuse('have types of functions alone', 'another')
      parts.types.push(`(${types(r)}) → ${types(r) || 'nothing'}`)
    }
  },
  // Imports.
  2: (r) => {
    const count = r.count()
    if (count > 0) refuse('import nothing', `${count} imports`)
  },
  // Functions.
  3: (r, parts) => {
    for (let n = r.count(); n > 0; n--) parts.functions.push(r.number())
  },
  // Memory.
  5: (r, parts) => {
    const count = r.count()
    if (count !== 1) refuse('have one memory', String(count))
    parts.pages = memoryPages(r)
  },
  // Exports.
  7: (r, parts) => {
    for (let n = r.count(); n > 0; n--)
      parts.exports.set(r.name(), { kind: r.byte(), index: r.number() })
  },
}

const types = (r: Reader): string =>
  Array.from({ length: r.count() }, () => valueTypes[127 - r.byte()] ?? 'another').join(', ')

function memoryPages(r: Reader): number {
  const flags = r.byte()
  if (flags !== 1)
    refuse('have a memory of fixed size, not shared, of 32 bits', `one with flags ${flags}`)
  const [min, max] = [r.number(), r.number()]
  if (min !== max) refuse('have a memory of fixed size', `${min} to ${max} pages`)
  if (min > MOST_PAGES)
    refuse(`have a memory of at most ${MOST_PAGES} pages (2 GiB)`, `${min} pages`)
  return min
}

/**
 * Walks the sections, and checks the seal.
 *
 * @throws SpikewasmError when one is cut off, repeated or out of order, or the file was changed
 */
export function walk(bytes: Uint8Array): Parts {
  const parts = noParts()
  const start = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  if (start.some((byte, i) => bytes[i] !== byte))
    refuse('be a WebAssembly module of version 1', `${bytes.length} bytes of something else`)
  const file = new Reader(bytes, 'file', start.length)
  let last = -1
  while (!file.done) {
    const id = file.byte()
    const section = file.part(file.number(), `section ${id}`)
    if (id !== CUSTOM) {
      const place = order.indexOf(id)
      if (place <= last) refuse('have its sections in order, each once', `section ${id} there`)
      last = place
    }
    readers[id]?.(section, parts)
    if (readers[id]) section.finish()
  }
  const { info, other } = parts
  // What strips our section strips them all: another one is ours with a damaged name.
  if (!info && other !== undefined)
    refuse(`have a custom section "${SECTION}", or none at all`, describe(other))
  const seal = info && sealOf(bytes)
  if (seal !== info?.seal) refuse(`have the seal ${seal} of its bytes`, info?.seal ?? 'none')
  return parts
}

/**
 * What an exported network says about itself. Nothing of it is compiled or run.
 * @throws SpikewasmError when the bytes are no exported network, were changed, or its section was
 *   stripped: then `openNet` reads its struct
 */
export const netInfo = (bytes: Uint8Array): NetInfo => infoOf(walk(checkBytes(bytes)))

/** The information in bytes of a file; or as somebody gives it. @param what: what it must be */
export function givenInfo(name: string, what: string, net: Uint8Array | NetInfo): NetInfo {
  if (typeof net !== 'object' || net === null)
    fail(`${name} must be the bytes of ${what}, or what netInfo says of it, got ${describe(net)}`)
  return net instanceof Uint8Array ? netInfo(net) : checkInfo(net, name)
}

/** @throws SpikewasmError when the section was stripped */
export const infoOf = ({ info }: Parts): NetInfo =>
  info ?? refuse(`have a custom section "${SECTION}"`, 'none')

/**
 * Checks all else that can be known before the module is compiled: its memory, and the types of its
 * exports, by what it says of itself.
 *
 * @throws SpikewasmError that says what was expected
 */
export function checkParts(parts: Parts, info: NetInfo): void {
  checkMemory(parts)
  const { memoryBytes } = info
  if (parts.pages !== memoryBytes / PAGE)
    refuse(`have a memory of ${memoryBytes / PAGE} pages, as it says`, String(parts.pages))
  for (const { name, result } of netExports(info)) checkFunction(parts, name, result)
}

/** @throws SpikewasmError unless the file exports its memory */
export function checkMemory({ exports, pages }: Parts): void {
  if (exports.get('memory')?.kind !== 2 || pages === undefined) refuse('export its memory', 'none')
}

/** @throws SpikewasmError unless the file exports a function of this name and type */
export function checkFunction(
  { exports, types, functions }: Parts,
  name: string,
  result = 'nothing',
): void {
  const found = exports.get(name)
  if (found?.kind !== 0) refuse(`export a function ${name}`, 'none')
  const type = types[functions[found.index]]
  if (type !== `() → ${result}`) refuse(`export ${name}: () → ${result}`, type ?? 'none')
}

/** @throws SpikewasmError for what are no bytes */
export function checkBytes(bytes: unknown): Uint8Array {
  if (!(bytes instanceof Uint8Array))
    fail(
      'an exported network must be a Uint8Array with the bytes of the file, got ' +
        `${describe(bytes)}; give what exportWasm returns, or read the file`,
    )
  return bytes
}
