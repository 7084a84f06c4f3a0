/** The median, and the mean. */

export function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

// Numbers made whole.

/** The smallest multiple of `multiple` that is at least `value`. */
export const roundUp = (value: number, multiple: number): number =>
  Math.ceil(value / multiple) * multiple

/** The nearest integer; of two the even one, as Python and PyTorch round. */
export function roundToEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + (below & 1) : Math.round(value)
}

/**
 * Rows as lines, whose columns are as wide as their widest cell. A cell ─ fills its column.
 * @param last where the last column stands: padStart on the right
 */
export function columns(
  rows: readonly (readonly string[])[],
  last: 'padEnd' | 'padStart' = 'padEnd',
): string[] {
  // Programs have more rows than a call may have arguments.
  const widths = rows[0]?.map((_, i) =>
    rows.reduce((most, row) => Math.max(most, row[i].length), 0),
  )
  const padded = (cell: string, i: number): string => {
    const side = i === widths.length - 1 ? last : 'padEnd'
    return cell[side](widths[i], cell === '─' ? cell : ' ')
  }
  return rows.map((row) => row.map(padded).join('  ').trimEnd())
}
