/** Sweeps by tables: what is read, chosen and compared, whole, in test/scale/choices.txt. */

import { test } from 'uvu'
import { checkJob, payloadOf } from '../../src/cli/sweep/job.js'
import {
  type Cost,
  costFrom,
  isEnough,
  localExecutor,
  secondsOf,
  slotsFor,
} from '../../src/cli/sweep/local.js'
import {
  checkRun,
  readHalving,
  readSpec,
  rungsOf,
  runId,
  standings,
} from '../../src/cli/sweep/spec.js'
import { tellPlan } from '../../src/cli/sweep/sweep.js'
import type { Json } from '../../src/scale/store.js'
import { odd, outcome, table } from '../support/inputs.js'
import { expectSnapshot } from '../support/snapshot.js'

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const range = (more: object) => ({ random: { lr: { min: 0.01, max: 1, ...more } }, count: 3 })
const specs: unknown[] = [
  ...[null, [], 1, {}, { grid: {} }, { grid: { lr: [0.1] }, random: { lr: [1] } }, { other: 1 }],
  ...odd.map((value) => ({ grid: value })),
  ...odd.map((value) => ({ base: value, grid: { lr: [0.1] } })),
  ...odd.map((value) => ({ grid: { lr: value } })),
  { grid: { lr: [0.1, 0.2, 0.1] } },
  { grid: { lr: [0.1] }, count: 1 },
  { grid: { lr: [0.1] }, seed: 0 },
  { base: { lr: 1 }, grid: { lr: [0.1] } },
  { base: { lr: 1 }, random: { lr: [0.1] }, count: 1 },
  ...[{ nothing: [1] }, { lr: [null] }, { method: ['magic'] }, { augment: ['yes'] }].map(
    (grid) => ({ grid }),
  ),
  ...[{ timeSteps: [4, 0] }, { batchSize: [2.5] }, { replicas: [2] }, { syncEvery: [2] }].map(
    (grid) => ({ grid }),
  ),
  ...[{ out: 'x' }, { data: '/etc' }].map((base) => ({ base, grid: { lr: [1] } })),
  { base: { optimizer: 'adam' }, grid: { momentum: [0.9] } },
  { base: { method: 'ottt' }, grid: { stepMode: ['m'] } },
  { base: { limitTest: 9 }, grid: { validationSplit: [0.2] } },
  { grid: { lr: [0.1, 0.2, 0.3], seed: [1, 2], method: ['bptt', 'rate'] } },
  {
    grid: {
      seed: Array.from({ length: 101 }, (_, i) => i),
      epochs: Array.from({ length: 100 }, (_, i) => i + 1),
    },
  },
  ...[...odd, 10_000, 10_001].map((count) => ({ random: { lr: [0.1] }, count })),
  ...[...odd, 2 ** 32 - 1, 2 ** 32].map((seed) => ({ random: { lr: [0.1, 0.2] }, count: 2, seed })),
  ...[{}, { scale: 'log' }, { min: 1 }, { min: 2 }, { min: 0, scale: 'log' }, { min: -1 }].map(
    range,
  ),
  ...[{ scale: 'log', min: -1 }, { scale: 'x' }, { integer: 1 }, { step: 1 }, { min: null }].map(
    range,
  ),
  { random: { epochs: { min: 1.5, max: 4.5, integer: true } }, count: 12 },
  { random: { epochs: { min: 1, max: 100, integer: true, scale: 'log' } }, count: 6, seed: 7 },
  { random: { epochs: [1, 2, 3], method: ['bptt', 'rate', 'ottt'] }, count: 6, seed: 1 },
  { random: { lr: [] }, count: 1 },
  { grid: { lr: [0.1] }, base: { epochs: 9 }, halving: {} },
  { grid: { lr: [0.1] }, base: { epochs: 10 }, halving: { factor: 2, minEpochs: 2 } },
  { grid: { epochs: [1, 2] }, halving: {} },
  { grid: { lr: [`x${'y'.repeat(200)}`] } },
  // 120 characters with what stands around them, and one more.
  ...[110, 111].map((length) => ({ grid: { lr: ['y'.repeat(length)] } })),
]

/** The payload of a job with something else in it; its id is right unless that is given. */
function jobWith(more: Readonly<Record<string, Json>>, options: object = { epochs: 9 }): Json {
  const data = '0123456789abcdef'
  const run = checkRun(options, 'it')
  return { ...(payloadOf({ id: runId(run, data), run, data }) as object), ...more }
}
const jobs: Json[] = [
  ...[jobWith({}), jobWith({ id: 'x' }), jobWith({ data: '0' }), jobWith({ id: '0'.repeat(24) })],
  ...[0, 1, 8, 9, 1.5].map((until) => jobWith({ until })),
  ...[0, 1, 8, 9].map((from) => jobWith({ from })),
  ...[1, 2, 3].map((from) => jobWith({ from, until: 3 })),
  ...[1, 1024, 1025, 1.5].map((threads) => jobWith({}, { threads })),
  ...[1, 1024, 1025, 1.5].map((numWorkers) => jobWith({}, { numWorkers })),
  ...[1_000_000, 1_000_001].map((epochs) => jobWith({}, { epochs })),
]

/** Who may begin beside so many others. */
function slots([given, jobs]: readonly [readonly (number | undefined)[], number]): string {
  const entries = given.map((threads, i) => {
    const options = threads === undefined ? {} : { threads }
    return { run: { ...checkRun(options, 'it'), chosen: {} }, id: `${i}`, data: 'x' }
  })
  const executor = localExecutor(entries, { jobs, runFolder: (id) => id })
  const may = [0, 1, 2, 3].filter((running) => executor.mayStart(running))
  return `${slotsFor(entries, jobs)}, beside ${may.join(' ')}`
}

const halvings: unknown[] = [
  ...[undefined, ...odd, { factor: 2 }, { minEpochs: 4 }, { other: 1 }],
  ...[...odd, 2, 1000, 1001].map((factor) => ({ factor })),
  ...[...odd, 1000, 1001].map((minEpochs) => ({ minEpochs })),
]

/** Standings of runs whose results become known by and by. */
function standingsOf(count: number, factor: number, known: number): string {
  const ids = Array.from({ length: count }, (_, i) => `r${i}`)
  const found = standings(ids, { factor }, 3, (id, rung) => {
    const at = Number(id.slice(1))
    if ((at * 5 + rung * 3) % 7 >= known) return undefined
    return at === 4 ? Number.NEGATIVE_INFINITY : ((at * 3 + rung) % 5) / 5
  })
  return [...found].map(([id, { rung, state }]) => `${id} ${rung} ${state}`).join(', ')
}

/** What a sweep will take, as it is told, where its first run takes so long. */
function planned(spec: unknown, epochSeconds: number, json = false): string {
  const read = readSpec(bytesOf(spec), 's.json')
  const entries = read.runs.map((run, i) => ({ run, id: `${i}`.repeat(24), data: 'x' }))
  const costs = new Map(
    entries.map(({ id }, i): [string, Cost] => [
      id,
      {
        ...{ stepMs: 1.234, steps: 7, epochSeconds: epochSeconds + i, startSeconds: 2 },
        memoryMB: 99.5,
      },
    ]),
  )
  const seconds = secondsOf(read, entries, costs)
  const { write } = process.stdout
  let text = ''
  process.stdout.write = (part) => {
    text += part
    return true
  }
  try {
    tellPlan(read, entries, { costs, seconds, wallSeconds: seconds / 2, atOnce: 2 }, json)
  } finally {
    process.stdout.write = write
  }
  return text.trimEnd()
}

test('sweeps: what is read, chosen, compared', () => {
  const parts: Record<string, string[]> = {
    'no JSON of ours': [
      outcome(() => readSpec(Buffer.from('{"grid": {"lr": [1], "lr": [2]}}'), 'it')),
    ],
    specs: table(specs, (spec) => {
      const { runs, varied, rungs } = readSpec(bytesOf(spec), 's.json')
      const { length } = runs
      return {
        length,
        varied,
        ...(rungs && { rungs }),
        runs: runs.slice(0, 12).map(({ chosen }) => chosen),
      }
    }),
    jobs: table(jobs, (job) => {
      const { until, from } = checkJob(job)
      return { until, from }
    }).map((line) => line.replace(/[0-9a-f]{24}/g, 'ID')),
    'what may begin': table<Parameters<typeof slots>[0]>(
      [
        [[undefined], 3],
        [[undefined, undefined, undefined], 2],
        [[1, 2, 1, 1], 4],
        [[], 1],
      ],
      slots,
    ),
    halvings: table(halvings, (value) => readHalving(value, 'halving')),
    costs: [[7], [90, 7, 9], [90, 60, 30, 8, 90, 7]].map((times) => {
      const of = { times, memories: [80, 99, 98], first: 1234, steps: 5, training: 60, test: 9 }
      return JSON.stringify(costFrom(of))
    }),
    'steps of so many ms that are measured': table([9000, 667, 666, 21, 20, 1], (ms) =>
      [...Array(101).keys()].find((count) => isEnough(Array(count).fill(ms))),
    ),
    plans: [1, 44.97, 45, 2699.9, 2700, 5e5].map((seconds) =>
      planned({ grid: { lr: [0.1] }, base: { epochs: 2 } }, seconds),
    ),
    'plans of several': [
      planned({ grid: { lr: [0.1, 0.2], seed: [1, 2] }, base: { epochs: 9 } }, 1),
      planned({ grid: { lr: [0.1, 0.2] }, base: { epochs: 1 } }, 1, true),
      ...[{}, { factor: 2, minEpochs: 2 }].map((halving) =>
        planned({ grid: { seed: [1, 2, 3, 4, 5, 6, 7] }, base: { epochs: 9 }, halving }, 1),
      ),
    ],
    rungs: table(
      [
        [2, 1, 8],
        [2, 1, 9],
        [3, 2, 18],
        [3, 5, 5],
        [2, 5, 4],
      ],
      ([factor, minEpochs, epochs]) => rungsOf({ factor, minEpochs }, epochs),
    ),
    standings: [1, 2, 3, 7].flatMap((count) =>
      [2, 3].flatMap((factor) =>
        [0, 2, 4, 6, 7].map(
          (known) => `${count} ${factor} ${known}: ${standingsOf(count, factor, known)}`,
        ),
      ),
    ),
  }
  const text = Object.entries(parts).map(([name, lines]) => [`== ${name}`, ...lines].join('\n'))
  expectSnapshot('scale/choices.txt', `${text.join('\n')}\n`, 'scale/choices')
})

test.run()
