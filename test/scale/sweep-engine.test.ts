/**
 * Sweeps whose runs are done by nobody: what begins when, and how each run stands behind each thing
 * that happens, whole, in test/scale/sweep-engine.txt.
 */
import { test } from 'uvu'
import { Engine, type Task, type TaskNews } from '../../src/cli/sweep/engine.js'
import type { RunResult, SweepRow } from '../../src/cli/sweep/page.js'
import { RunStopped } from '../../src/cli/sweep/run-child.js'
import { readSpec } from '../../src/cli/sweep/spec.js'
import { handClock } from '../support/clock.js'
import { expectSnapshot } from '../support/snapshot.js'

/** A run and what happens to it; `stop` ends the sweep, `later` lets milliseconds pass. */
type Event =
  | readonly [run: string, what: TaskNews | Error | RunResult]
  | readonly [run: 'stop']
  | readonly [run: 'later', milliseconds: number]

interface Play {
  readonly spec: object
  /** At a time. */
  readonly most?: number
  readonly known?: Readonly<Record<string, RunResult>>
  readonly events: readonly Event[]
}

const gave = (epochs: number, testAccuracy: number | null): RunResult => ({
  ...{ epochs, testAccuracy, testLoss: 1, trainLoss: 2, weightsSha256: '0'.repeat(64) },
  ...{ stopped: null, seconds: 3 },
})
const at = (epoch: number, step: number, testAccuracy?: number) => ({
  ...{ epoch, epochs: 4, step, steps: 8 },
  ...(testAccuracy === undefined ? {} : { testAccuracy }),
})

/** Until all that follows has followed. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function played({ spec, most = 9, known = {}, events }: Play): Promise<string> {
  const lines: string[] = []
  const read = readSpec(Buffer.from(JSON.stringify(spec)), 's.json')
  const entries = read.runs.map((run, i) => ({ run, id: 'abcdef'[i], data: 'x' }))
  const going = new Map<
    string,
    { onNews(news: TaskNews): void; resolve(result: RunResult): void; reject(error: Error): void }
  >()
  const end = new AbortController()
  const clock = handClock()
  let [room, changes] = [most, 0]
  const engine = new Engine({
    ...{ spec: read, entries, results: new Map(Object.entries(known)), signal: end.signal },
    executor: {
      mayStart: (running) => running < room,
      execute({ name, until, from }: Task, onNews, signal) {
        lines.push(`  begins ${name}, until ${until ?? 'its end'}, from ${from ?? 'nothing'}`)
        return new Promise((resolve, reject) => {
          going.set(name, { onNews, resolve, reject })
          signal.addEventListener('abort', () => reject(new RunStopped('left')))
        })
      },
    },
    keep: async (name, { epochs }) => void lines.push(`  keeps ${name}, ${epochs} epochs`),
    onChange: () => changes++,
    onEnded: ({ id, state }) => lines.push(`  ended: ${id} ${state}`),
  })
  const show = (what: string): void => {
    const rowText = ({ id, state, epoch, epochs, share, testAccuracy, error, result }: SweepRow) =>
      `  ${id} ${state} ${epoch}/${epochs} ${share.toFixed(3)} ${testAccuracy}` +
      `${error === undefined ? '' : ` ${error}`}${result ? ' has a result' : ''}`
    lines.push(`${what}, changes ${changes}`, ...engine.rows().map(rowText))
  }
  let isOver = false
  const run = engine.run().then(() => {
    isOver = true
  })
  await settled()
  show('begun')
  for (const [name, what] of events) {
    if (typeof what === 'number') {
      room = 9
      clock.tick(what)
    } else if (what === undefined) end.abort()
    else if (typeof what === 'string' || 'epoch' in what) going.get(name)?.onNews(what)
    else if (what instanceof Error) going.get(name)?.reject(what)
    else going.get(name)?.resolve(what)
    await settled()
    show(`${name} ${what instanceof Error ? what : JSON.stringify(what ?? '').slice(0, 60)}`)
  }
  lines.push(`over ${isOver}, left ${engine.unfinishedTasks()}`, `tasks ${engine.rows()[0].tasks}`)
  end.abort()
  await run
  clock.release()
  return lines.join('\n')
}

const grid = { base: { epochs: 4 }, grid: { seed: [1, 2, 3] } }
const four = { base: { epochs: 4 }, grid: { seed: [1, 2, 3, 4] }, halving: { factor: 2 } }

const plays: Readonly<Record<string, Play>> = {
  'three runs, two at a time': {
    ...{ spec: grid, most: 2 },
    events: [
      ...([
        ['a', 'works'],
        ['a', 'waits'],
        ['a', 'waits'],
        ['a', at(0, 4)],
      ] as const),
      ...([
        ['a', at(2, 0, 0.5)],
        ['b', at(4, 8)],
        ['a', gave(4, 0.75)],
      ] as const),
      ...([
        ['b', new Error('b fails')],
        ['c', new RunStopped('removed')],
      ] as const),
    ],
  },
  'results that are there': {
    ...{ spec: grid, known: { a: gave(4, null), c: gave(3, 0.25) } },
    events: [['b', gave(4, 0.5)]],
  },
  'room that comes by itself': {
    ...{ spec: grid, most: 1 },
    events: [['later', 499], ['later', 1], ['later', 499], ['stop'], ['later', 1]],
  },
  'a stop': { spec: grid, events: [['a', gave(4, 0.5)], ['stop']] },
  'a stop before all': { ...{ spec: grid, most: 0 }, events: [['stop']] },
  halving: {
    spec: four,
    events: [
      ...([
        ['a-1', gave(1, 0.5)],
        ['b-1', gave(1, 0.25)],
        ['c-1', gave(1, 0.75)],
      ] as const),
      ...([
        ['c-2', at(1, 4)],
        ['d-1', new Error('d fails')],
        ['a-2', gave(2, 0.5)],
      ] as const),
      ...([
        ['c-2', gave(2, null)],
        ['a', at(2, 4, 0.625)],
        ['a', gave(4, 0.875)],
      ] as const),
    ],
  },
  'halving that is stopped, with results that are there': {
    ...{ spec: four, known: { 'a-1': gave(1, 0.5), 'b-1': gave(1, 0.4), 'c-1': gave(1, 0.3) } },
    events: [['d-1', gave(1, 0.6)], ['stop']],
  },
}

test('what begins, stands and ends', async () => {
  const texts: string[] = []
  for (const [name, play] of Object.entries(plays)) texts.push(`== ${name}`, await played(play))
  expectSnapshot('scale/sweep-engine.txt', `${texts.join('\n')}\n`, 'scale/sweep-engine')
})

test.run()
