/** Jobs that somebody else has written: each is refused in one clear message, or is one of ours. */

import fc from 'fast-check'
import { checkJob, payloadOf } from '../../src/cli/sweep/job.js'
import { checkRun, runId } from '../../src/cli/sweep/options.js'
import { SpikewasmError } from '../../src/errors.js'
import { envelopeOf, type JobEnvelope, readEnvelope } from '../../src/scale/jobs.js'

const DATA = '0123456789abcdef'

/** A job as a sweep writes it. */
export function goodJob(options: object, more: object = {}): JobEnvelope {
  const run = checkRun(options, 'it')
  const payload = payloadOf({ id: runId(run, DATA), run, data: DATA, ...more })
  return JSON.parse(JSON.stringify(envelopeOf('runs', payload))) as JobEnvelope
}

const good: readonly JobEnvelope[] = [
  goodJob({}),
  goodJob({ epochs: 9, lr: 0.1, method: 'bptt', threads: 2 }, { until: 3, from: 1 }),
  goodJob({ dataset: 'cifar10', optimizer: 'adam', betas: [0.9, 0.99], augment: true }),
  goodJob({ dataset: 'nmnist', timeSteps: 8, sensor: [34, 34], freeze: ['0'] }),
]

/** Values that others would not like. */
const nasty: readonly unknown[] = [
  ...[null, true, '', '0', -1, 0, 1e308, -0, 2 ** 53, 1.5, [], {}, [[]], '../../etc/passwd'],
  ...['/etc/passwd', '--out=/tmp/x', '$(reboot)', '`id`', '__proto__', 'a\u0000b', '\u202egnp.exe'],
  ...['x'.repeat(70_000), { toString: 'x' }, ['--resume', '/'], 'file:///etc/hosts'],
  ...[
    'constructor',
    'digits;rm -rf /',
    { __type: 'Function' },
    Array.from({ length: 5000 }, () => 0),
  ],
]

const nastyKeys = [
  ...['out', 'resume', 'load', 'data', 'cache', 'dashboard', 'overwrite', 'report', 'revectorize'],
  ...[
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    '',
    ' ',
    'lr ',
    '-lr',
    '--lr',
    'LR',
  ],
  ...['freeze', 'sensor', 'epochs', 'threads', 'numWorkers', 'betas', 'seed', 'id', 'until'],
]

/** A place in a value. */
function placesOf(value: unknown): { of: Record<string, unknown>; key: string }[] {
  if (typeof value !== 'object' || value === null) return []
  const of = value as Record<string, unknown>
  return Object.keys(of).flatMap((key) => [{ of, key }, ...placesOf(of[key])])
}

const anything = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 10 }) as fc.Arbitrary<unknown> },
)

/** Jobs with one to four changes, and things that are no jobs. */
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        job: fc.constantFrom(...good),
        changes: fc.array(
          fc.record({
            where: fc.nat(1000),
            how: fc.constantFrom('set', 'remove', 'add', 'rename'),
            value: anything,
            key: fc.constantFrom(...nastyKeys),
          }),
          { minLength: 1, maxLength: 4 },
        ),
      })
      .map(({ job, changes }) => {
        const copy = JSON.parse(JSON.stringify(job)) as unknown
        for (const { where, how, value: shared, key } of changes) {
          // Later changes must not reach into what other jobs hold.
          const value = JSON.parse(JSON.stringify(shared)) as unknown
          const places = placesOf(copy)
          if (places.length === 0) break
          const place = places[where % places.length]
          if (how === 'set') place.of[place.key] = value
          else if (how === 'add') place.of[key] = value
          else {
            const held = place.of[place.key]
            delete place.of[place.key]
            if (how === 'rename') place.of[key] = held
          }
        }
        // As it comes out of Redis.
        return JSON.parse(JSON.stringify(copy)) as unknown
      }),
  },
  { weight: 1, arbitrary: anything },
  { weight: 1, arbitrary: fc.anything() },
)

export interface FuzzResult {
  readonly refused: number
  /** Jobs that are as good as ours. */
  readonly taken: number
  /** Cases that ended in anything else. */
  readonly faults: readonly string[]
}

/** What no argument of a run may be, whatever a job says. */
const forbidden = /^--(out|resume|load|data|cache|overwrite|dashboard|no-report)\b|[/\\\0\n]|\.\./

export function fuzzJobs(count: number, seed: number): FuzzResult {
  let [refused, taken] = [0, 0]
  const faults: string[] = []
  for (const job of fc.sample(hostile, { numRuns: count, seed })) {
    try {
      const { id, run, data } = checkJob(readEnvelope(job, 'runs'))
      if (runId(run, data) !== id) throw new Error('another id')
      const bad = run.args.find((arg) => forbidden.test(arg))
      if (bad !== undefined) throw new Error(`the argument ${bad}`)
      taken++
    } catch (error) {
      const { message } = error as Error
      // One line, not long, nothing that a terminal would obey.
      const clear = error instanceof SpikewasmError && /^[^\p{Cc}]{10,1200}$/u.test(message)
      if (clear) refused++
      else faults.push(`${JSON.stringify(job)?.slice(0, 300)}: ${(error as Error).stack}`)
    }
  }
  return { refused, taken, faults }
}
