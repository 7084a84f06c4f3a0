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
