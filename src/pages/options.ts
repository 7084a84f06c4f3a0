/** Options of a run as rows of texts. */

import { printable } from '../errors.js'
import { shortened } from './html.js'

/** More rows say nothing more. */
const MOST_ROWS = 300

/**
 * Plain data as rows: an option of an option is `name.name`. A network's layers are told by their
 * number.
 */
export function optionRows(options: unknown): [string, string][] {
  const rows: [string, string][] = []
  const add = (name: string, value: unknown): void => {
    if (value === undefined || rows.length >= MOST_ROWS) return
    if (name === 'network' || name.endsWith('.network')) {
      const { nodes } = (value ?? {}) as { nodes?: unknown }
      rows.push([name, Array.isArray(nodes) ? `${nodes.length} layers` : 'a network'])
      return
    }
    const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isPlain && Object.keys(value).length > 0)
      for (const [key, part] of Object.entries(value))
        add(name === '' ? key : `${name}.${key}`, part)
    else rows.push([shortened(printable(name), 100), shortened(printable(textOf(value)))])
  }
  add('', options)
  return rows
}

const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value) && value.every((item) => typeof item !== 'object')
      ? value.join(', ')
      : JSON.stringify(value)
