/**
 * When a run's folder is written, and with what: a clock by hand, a folder that only says what it
 * is given, against run-writer.txt.
 */
import { test } from 'uvu'
import type { RunFolder } from '../../src/files/folder/folder.js'
import type { Callback, Training } from '../../src/index.js'
import { runFiles } from '../../src/train/callbacks/run-files.js'
import { type Due, runWriter } from '../../src/train/callbacks/run-writer.js'
import type { EpochRecord, StepInfo } from '../../src/train/records.js'
import { compareLines, type Line, outcomeOfPromise, plainLine } from '../support/outcomes.js'

/** Milliseconds before a step; or an epoch that ends, with its loss; or one that is stopped. */
type Event = number | { readonly loss: number; readonly partial?: true; readonly accuracy?: number }
interface Case {
  readonly due: Due
  readonly events: readonly Event[]
  readonly steps?: number
  readonly monitor?: 'trainLoss'
  readonly taken?: readonly string[]
  readonly begun?: boolean
  readonly moved?: boolean
  readonly ended?: 'stopped' | 'error'
  readonly failing?: number
}

const many = (n: number, ms: number): number[] => Array(n).fill(ms)
const loss = (of: number): Event => ({ loss: of })
/** Losses and accuracies whose best epochs differ. */
const twoOrders: readonly Event[] = [
  1000,
  { loss: 1, accuracy: 0.5 },
  1000,
  { loss: 0.5, accuracy: 0.4 },
  1000,
  { loss: 2, accuracy: 0.6 },
]
const cases: Readonly<Record<string, Case>> = {
  'every third step': { due: { steps: 3 }, events: many(20, 100) },
  'every third step, too fast': { due: { steps: 3 }, events: many(60, 10) },
  'every second, as long steps': { due: { ms: 1000 }, events: many(12, 400) },
  'every second, as short steps': { due: { ms: 1000 }, events: many(41, 50) },
  'every second, just': { due: { ms: 1000 }, events: [999, 1, 1, 998, 1, 1000] },
  'behind epochs alone': {
    due: {},
    events: [500, loss(3), 400, loss(2), 99, loss(2.5), 1, loss(1), 1000, loss(9)],
  },
  'epochs, worse ones': {
    due: {},
    events: [1000, loss(1), 999, loss(2), 1, loss(3), 1000, loss(0.5)],
  },
  'better ones wait': {
    due: {},
    events: [1000, loss(5), 10, loss(4), 10, loss(3), 10, loss(6), 985, 5, 5, 1000],
  },
  'by accuracy': { due: {}, events: twoOrders },
  'by loss': { due: {}, monitor: 'trainLoss', events: twoOrders },
  'an epoch that is stopped': {
    due: { steps: 2 },
    events: [300, 300, { loss: 1, partial: true }],
    ended: 'stopped',
  },
  'an error': { due: { steps: 2 }, events: [300, 300, 300], ended: 'error' },
  'an error before anything': { due: {}, events: [300], ended: 'error' },
  'an error before anything, in place of another': {
    due: {},
    events: [300],
    ended: 'error',
    taken: ['history.jsonl'],
  },
  'in place of another': {
    due: {},
    events: [1000, loss(1)],
    taken: ['history.jsonl', 'best.safetensors'],
  },
  'where options are': { due: {}, events: [1000, loss(1)], taken: ['options.json'] },
  'a run that goes on': { due: {}, events: [1000, loss(1)], taken: ['options.json'], begun: true },
  'moved data': {
    due: {},
    events: [1000, loss(1)],
    taken: ['options.json'],
    begun: true,
    moved: true,
  },
  'options that wait': {
    due: {},
    events: [1000, loss(1)],
    taken: ['options.next.json'],
    begun: true,
  },
  'a disk that fails': { due: { steps: 1 }, events: many(4, 300), failing: 2 },
  'a disk that fails at the end': { due: {}, events: [1000, loss(1)], failing: 2 },
}

/** A folder that says what it is given. */
function folderOf({ taken = [], failing }: Case, say: (line: string) => void) {
  let names = [...taken]
  let commits = 0
  const folder = {
    path: 'DIR',
    get names() {
      return names
    },
    taken: async (of: readonly string[]) => taken.filter((name) => of.includes(name)),
    read: async (name: string) => new TextEncoder().encode(`read ${name}`),
    async commit(files: Record<string, Uint8Array>, how?: { alone?: boolean; without?: string[] }) {
      if (++commits === failing) throw new Error('the disk is full')
      const left = how?.alone ? [] : names.filter((name) => !how?.without?.includes(name))
      names = [...new Set([...left, ...Object.keys(files)])].sort()
      say(`commit ${Object.keys(files).join(' ')}${how ? ` ${JSON.stringify(how)}` : ''}`)
    },
    discard: async () => say('discard'),
    close: async () => say('close'),
  }
  return { folder: folder as unknown as RunFolder, done: () => commits }
}

async function drive(of: Case): Promise<string> {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const { folder, done } = folderOf(of, say)
  const { now } = performance
  let [clock, step, epoch] = [5000, 0, 0]
  let taken = 0
  performance.now = () => clock
  const { begun = false, moved, ended, steps = 1000, due, monitor } = of
  const data = { name: 'data', classes: 2 }
  const about = { setting: { data, network: {} }, version: '1', records: [], callbacks: {} }
  const tensors = { 'model.w': { shape: [2], data: Float32Array.of(step, 2) } }
  const snapshot = (): object => {
    taken++
    return { tensors: { ...tensors }, about }
  }
  const training = { snapshot } as unknown as Training
  const callback = runWriter({
    due,
    report: false,
    options: () => new Uint8Array(2),
    ...(monitor && { monitor }),
    open: async () => ({ folder, begun, ...(moved && { moved }) }),
  }) as Required<Callback>
  /** What was taken is written before the clock goes on; what only waits stays. */
  const settle = async (before: number): Promise<void> => {
    for (let i = 0; taken > 0 && i < 200 && done() === before; i++)
      await new Promise((resolve) => setTimeout(resolve, 1))
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const records: EpochRecord[] = []
  try {
    const figures = ['testAccuracy', 'trainLoss'] as const
    const start = { epoch: 0, epochs: 9, step: 0, steps, resumed: false, validated: true, figures }
    await callback.onFitStart(start, training)
    for (const event of of.events) {
      taken = 0
      const before = done()
      if (typeof event === 'number') {
        clock += event
        const info = { epoch, step, steps } as StepInfo
        step++
        await callback.onStep(info, training)
      } else {
        const { loss: trainLoss, accuracy, partial } = event
        const record = { epoch: ++epoch, trainLoss, ...(partial && { partial }) }
        records.push({ ...record, ...(accuracy && { testAccuracy: accuracy }) } as EpochRecord)
        await callback.onEpoch(records[records.length - 1], training)
      }
      await settle(before)
      say(taken > 0 ? `${clock}: ${taken} taken` : `${clock}`)
    }
  } finally {
    const history = { epochs: records, aborted: ended === 'stopped' }
    say(
      await outcomeOfPromise(
        async () => callback.onFitEnd(ended === 'error' ? undefined : history, training),
        () => 'ended',
      ),
    )
    performance.now = now
  }
  return `${said.join(', ')}; ${JSON.stringify(callback.state())} ${folder.names.includes(runFiles.best)}`
}

const lines: Line[] = []
for (const [name, of] of Object.entries(cases))
  test(name, async () => {
    lines.push(plainLine(`${name}: ${await outcomeOfPromise(() => drive(of), String)}`))
  })

test('run-writer.txt', () => compareLines('train/run-writer.txt', lines))

test.run()
