/** What is known of a program before it runs. */

import type { Expression, Func, Operation } from '../../wasm/ir.js'
import type { Value } from './fold.js'

/** Memory that never changes while the program runs. */
export interface Constants {
  /** Whether all bytes of a range are constant. */
  has(address: number, bytes: number): boolean
  readonly view: DataView
}

/** Where an analysis begins. Arguments that are not known are undefined. */
export interface Entry {
  readonly func: Func
  readonly args: readonly Value[]
  /** Goes through records one by one, so that addresses of records are expected to vary. */
  readonly interprets?: boolean
}

/** What is known of an expression over all entries. */
export interface Fact {
  /** The value, if it is the same whenever the expression runs. */
  value: Value
  /**
   * Of a branch with several ways, those that are taken: 0 and 1, or indices of a table. Of a loop
   * 1 where there is one turn at most, 2 where there may be more.
   */
  ways: Set<number> | undefined
}

/** They grow while entries are analysed. */
export interface Facts {
  /** Only expressions that run are there. */
  readonly of: Map<Expression, Fact>
  readonly functions: Set<Func>
  /** Addresses that an operation reads in constant memory. */
  readonly read: Map<Operation, Set<number>>
  /** Constant addresses from which unknown ones follow. */
  readonly escaped: Set<number>
}
