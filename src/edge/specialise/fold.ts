/** Arithmetic on numbers that are known before the program runs, by the engine that runs here. */

import { encodeModule } from '../../kernels/wasm/encode.js'
import * as ir from '../../kernels/wasm/ir.js'
import { instruction } from '../../kernels/wasm/types.js'

/** A number; i64 as bigint; undefined when it is not known. */
export type Value = number | bigint | undefined

const each = (types: string, names: string): string[] =>
  types.split(' ').flatMap((type) => names.split(' ').map((name) => `${type}.${name}`))

/** What is computed ahead: what programs do with addresses, counts and scales. */
const folded = [
  ...each('i32 i64', 'add sub mul div_s div_u and or xor shl shr_s shr_u eqz eq ne'),
  ...each('i32 i64', 'lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'),
  ...each('i32', 'rem_s rem_u clz ctz popcnt extend8_s extend16_s wrap_i64 reinterpret_f32'),
  ...each('i64', 'extend_i32_s extend_i32_u'),
  ...each('f32 f64', 'add sub mul div eq ne lt gt le ge neg abs convert_i32_s convert_i32_u'),
  'f64.promote_f32',
  'f32.demote_f64',
  'f32.reinterpret_i32',
]

type Folds = Readonly<Record<string, ((...args: readonly Value[]) => Value) | undefined>>

let folds: Folds | undefined

/** A module with a function for each. */
function makeFolds(): Folds {
  const functions = folded.map((name): ir.Func => {
    const { params, result } = instruction(name)
    const body = [
      ir.operation(
        name,
        params.map((type, i) => ir.get(i, type)),
      ),
    ]
    return { name, params: [...params], result, locals: [], label: { kind: 'block', result }, body }
  })
  const exports = new Map(functions.map((func) => [func.name, func]))
  const parts = { functions, exports, start: undefined, pages: 0, segments: [], custom: [] }
  const module = new WebAssembly.Module(encodeModule(parts) as Uint8Array<ArrayBuffer>)
  return new WebAssembly.Instance(module).exports as Folds
}

/**
 * The result of an operation, when it is known. A NaN counts as unknown, since its bits may differ
 * from host to host; so does what traps.
 */
export function fold(name: string, args: readonly Value[]): Value {
  if (args.includes(undefined)) return undefined
  folds ??= makeFolds()
  try {
    const result = folds[name]?.(args[0], args[1])
    return Number.isNaN(result) ? undefined : result
  } catch {
    return undefined
  }
}

/** Whether two values are the same number with the same sign. */
export const same = (a: Value, b: Value): boolean => Object.is(a, b)

/** Loads by their names: bytes, and what they give. */
export const loads: Readonly<
  Record<string, readonly [bytes: number, read: (view: DataView, at: number) => Value]>
> = {
  'i32.load': [4, (view, at) => view.getInt32(at, true)],
  'i32.load8_u': [1, (view, at) => view.getUint8(at)],
  'i32.load8_s': [1, (view, at) => view.getInt8(at)],
  'i32.load16_u': [2, (view, at) => view.getUint16(at, true)],
  'i32.load16_s': [2, (view, at) => view.getInt16(at, true)],
  'i64.load32_u': [4, (view, at) => BigInt(view.getUint32(at, true))],
  'f32.load': [4, (view, at) => view.getFloat32(at, true)],
}

// What is known of a program before it runs.

/** Memory that never changes while the program runs. */
export interface Constants {
  /** Whether all bytes of a range are constant. */
  has(address: number, bytes: number): boolean
  readonly view: DataView
}

/** Where an analysis begins. Arguments that are not known are undefined. */
export interface Entry {
  readonly func: ir.Func
  readonly args: readonly Value[]
  /** Goes through records one by one, so that addresses of records are expected to vary. */
  readonly interprets?: boolean
}

/** What is known of an expression over all entries. */
export interface Fact {
  /** The value, if it is the same whenever the expression runs. */
  value: Value
  /**
   * The ways of a branch that are taken: 0 and 1, or indices of a table. For a loop 1 where there
   * is one turn at most, 2 where there may be more.
   */
  ways: Set<number> | undefined
}

/** They grow while entries are analysed. */
export interface Facts {
  /** Only expressions that run are there. */
  readonly of: Map<ir.Expression, Fact>
  readonly functions: Set<ir.Func>
  /** Addresses that an operation reads in constant memory. */
  readonly read: Map<ir.Operation, Set<number>>
  /** Constant addresses from which unknown ones follow. */
  readonly escaped: Set<number>
}
