/** The table of a sweep in a terminal: it is drawn in its own place, whatever else is written. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { liveTable, type SweepRow, type SweepStatus } from '../../src/cli/sweep/page.js'

const rows = Array.from({ length: 40 }, (_, i): SweepRow => {
  const chosen = { lr: 0.1 * (1 + i), method: 'a-name-that-is-far-too-long-for-this-terminal' }
  const known = { id: String(i).padStart(24, '0'), options: chosen, chosen, epochs: 9, tasks: [] }
  if (i > 20) return { ...known, state: 'waiting', epoch: 0, share: 0, testAccuracy: null }
  return { ...known, state: 'finished', epoch: 9, share: 1, testAccuracy: 0.5 + 0.01 * i }
})
const status: SweepStatus = {
  ...{ format: 1, title: 'Sweep x.json', pid: 1, varied: ['lr', 'method'], rows },
}

test('a table fits its terminal, and takes its own lines away', () => {
  const written: string[] = []
  const size = { rows: 20, columns: 80 }
  const table = liveTable({
    ...size,
    write: (text: string) => written.push(text) > 0,
  } as unknown as NodeJS.WriteStream)
  const last = (): string => written.at(-1) as string
  table.draw(status, 'a note')
  const first = last().split('\n')
  assert.is(first.pop(), '')
  // The line with the cursor is one more.
  assert.ok(first.length < size.rows, `${first.length} lines`)
  for (const line of first) assert.ok([...line].length < size.columns, line)
  assert.match(last(), /70\.0 % *│ finished/)
  assert.match(last(), /and 28 more\n40 runs: 19 waiting, 21 finished\na note\n$/)
  table.draw(status)
  assert.ok(last().startsWith(`\x1b[${first.length}A\x1b[J`), JSON.stringify(last().slice(0, 12)))
  table.clear()
  assert.is(last(), `\x1b[${first.length - 1}A\x1b[J`)
  table.draw(status)
  assert.not.match(last(), '\x1b')
})

test('accuracies are there in a narrow terminal too', () => {
  for (const columns of [70, 50, 36]) {
    const written: string[] = []
    const write = (text: string): boolean => written.push(text) > 0
    liveTable({ rows: 20, columns, write } as unknown as NodeJS.WriteStream).draw(status)
    const text = written.join('')
    for (const line of text.split('\n')) assert.ok([...line].length < columns, line)
    assert.match(text, /│ *70\.0 % *│ finished *│\n/)
    assert.is(/│ *lr *│/.test(text), columns > 36)
  }
})

test.run()
