/** Makers of data sets whose files are loaded when they are needed, by kinds of plain data. */

import type { Dataset } from './dataset.js'
import type { Plain } from './plain.js'

/** How a maker that is loaded when it is needed makes its data sets again. */
export interface Maker {
  /** The data set of plain data of this kind. */
  open(plain: Plain): Dataset
  /** About how many nanoseconds a number of a sample takes in training. */
  readingNs(plain: Plain): number
}

const makers = new Map<string, Maker>()

/** Says how data sets of a kind are made; called by the file that makes them, when it is loaded. */
export function registerMaker(kind: string, maker: Maker): void {
  makers.set(kind, maker)
}

/** @throws Error for a kind whose file is not loaded */
export function makerOf({ kind }: Plain): Maker {
  const maker = makers.get(kind)
  if (maker === undefined) throw new Error(`unknown kind of data set: ${kind}`)
  return maker
}
