/** Tables and bars, whose packages are read when the first is shown: JSON output needs none. */

import { createRequire } from 'node:module'
import type { Options, SingleBar } from 'cli-progress'
import type { Table, TableConstructorOptions } from 'cli-table3'

const require = createRequire(import.meta.url)

/** A table without rows. */
export function newTable(options: TableConstructorOptions): Table {
  const Table = require('cli-table3') as typeof import('cli-table3')
  return new Table(options)
}

/** The class of bars. */
export const singleBar = (): typeof SingleBar =>
  (require('cli-progress') as typeof import('cli-progress')).SingleBar

/** A bar. */
export const newBar = (options: Options): SingleBar => new (singleBar())(options)
