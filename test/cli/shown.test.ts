/** What `show` prints and writes, and what is told of a sweep, whole: test/cli/shown.txt. */

import { test } from 'uvu'
import {
  liveTable,
  type RowState,
  type SweepRow,
  type SweepStatus,
  sweepBody,
  sweepCsv,
  sweepTable,
} from '../../src/cli/sweep/page.js'
import * as view from '../../src/watch/pages/recording.js'
import { expectSnapshot } from '../support/snapshot.js'

/** Events that grow to the right (ON) and to the bottom (OFF), some pixels without any. */
function still(width: number, height: number): view.Still {
  const counts = new Float32Array(2 * width * height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = y * width + x
      if ((x + 2 * y) % 5 > 0) counts.set([y % 4], at)
      if ((x + 2 * y) % 5 > 1) counts.set([x % 6], width * height + at)
    }
  return { width, height, counts }
}

const states: readonly RowState[] = [
  'finished',
  'finished',
  'running',
  'halved',
  'failed',
  'stopped',
  'waiting',
]

/** A sweep of so many runs in all states, of odd options. */
function sweepOf(count: number, varied: readonly string[]): SweepStatus {
  const rows = Array.from({ length: count }, (_, i): SweepRow => {
    const state = states[i % states.length]
    const values = [0.1 * (1 + (i % 3)), ['=a', 'b,"c"', 'd\ne'][i % 3], i % 2 === 0, null]
    const chosen = Object.fromEntries(varied.map((name, k) => [name, values[k % values.length]]))
    const epoch = state === 'waiting' ? 0 : state === 'finished' ? 8 : 3
    const accuracy = epoch === 0 || state === 'failed' ? null : ((7 * i) % 11) / 11
    const result = {
      epochs: epoch,
      testAccuracy: accuracy,
      testLoss: i / 8,
      trainLoss: i / 9,
      weightsSha256: String(i).padStart(64, '0'),
      stopped: null,
      seconds: i,
    }
    return {
      id: `${i}`.padEnd(24, 'abcdef'),
      options: {},
      chosen,
      state,
      epoch,
      epochs: 8,
      share: epoch / 8,
      testAccuracy: accuracy,
      tasks: [],
      ...(state === 'finished' && { result }),
      ...(state === 'failed' && { error: `step ${i}: the loss is NaN; `.repeat(12) }),
    }
  })
  return { format: 1, title: 'Sweep <a>.json', pid: null, varied, rows }
}

function drawn(status: SweepStatus, size: { rows: number; columns: number }): string {
  let text = ''
  const write = (part: string): void => {
    text += part
  }
  liveTable({ ...size, write } as unknown as NodeJS.WriteStream).draw(status, 'a note')
  return text
}

test('pictures of recordings, and pages and tables of sweeps', async () => {
  const frames: view.ShownFrames = {
    title: 'a <b>',
    width: 2,
    height: 1,
    counts: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 255),
    begins: [0, 1500],
    duration: 3000,
    summary: '2 × 1 pixels',
  }
  const page = (await view.showPage(frames)).replace(/[\s\S]*?(<h1>)/, '$1')
  const [odd, even] = [still(9, 5), still(12, 4)]
  const t = Array.from({ length: 60 }, (_, i) => 1000 + i * i * 10)
  const few = sweepOf(9, ['lr', 'name', 'on', 'none'])
  const parts = {
    letters: [view.inLetters(odd), view.inLetters(even), view.inLetters(still(3, 1))],
    smaller: [9, 8, 4, 1].map((most) => view.inLetters(view.smaller(odd, most))),
    colours: [view.inColour(odd), view.inColour(view.smaller(even, 6)), view.inColour(still(1, 1))],
    histogram: [
      view.histogram(t, 20),
      view.histogram(t, 61),
      view.histogram([5, 5], 10),
      view.histogram([], 10),
    ],
    page: [page],
    table: [sweepTable(few), sweepTable(few, 4), sweepTable(sweepOf(0, ['lr']))],
    narrow: [200, 90, 60, 40, 24].map((columns) => drawn(few, { rows: 12, columns })),
    csv: [sweepCsv(few)],
    sweep: [9, 1, 0, 11].map((count) => sweepBody(sweepOf(count, ['lr', 'name']))),
    cards: sweepBody(sweepOf(1, [...'abcdefghi'])).match(/<li><b>.*/g) ?? [],
    many: [10, 70, 77, 1000, 1001].map((count) => {
      const lines = sweepBody(sweepOf(count, ['lr'])).split('\n')
      return lines.filter((line) => /best \d|more|All|first|failed\./.test(line)).join('\n')
    }),
  }
  const text = Object.entries(parts).flatMap(([name, all]) => [`== ${name}`, ...all])
  // Colours are told, not shown.
  expectSnapshot('cli/shown.txt', `${text.join('\n').replaceAll('\u001b', '␛')}\n`, 'cli/shown')
})

test.run()
