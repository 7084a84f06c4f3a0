/** Rounds and jobs by tables: what each input gives, whole, in test/scale/written.txt. */

import { test } from 'uvu'
import { type CostOf, largestOf, ringCost, roundCost } from '../../bench/rounds-cost.js'
import { VERSION } from '../../src/base/version.js'
import { checkNamespace, parseRedisUrl } from '../../src/scale/redis.js'
import { compressions, refuseOfFit, roundsSetting } from '../../src/scale/rounds/options.js'
import { whyMissing } from '../../src/scale/rounds/queue.js'
import { keptOf } from '../../src/scale/rounds/replica.js'
import {
  addChange,
  changeBytes,
  encode,
  outerStep,
  residualBytes,
  residualOfBytes,
  residualToBytes,
} from '../../src/scale/rounds/vectors.js'
import {
  answerOfJson,
  jobOfJson,
  jobToJson,
  names,
  runOfJob,
  sentOfBytes,
  sentToBytes,
  startOfBytes,
  startToBytes,
  stateBytes,
  stateOfBytes,
  stateToBytes,
} from '../../src/scale/rounds/wire.js'
import {
  canonical,
  checkPlain,
  hashId,
  type Json,
  queueOf,
  readEnvelope,
} from '../../src/scale/store.js'
import { odd, outcome, table } from '../support/inputs.js'
import { expectSnapshot } from '../support/snapshot.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const six = (of: object): object =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key, Number(value.toPrecision(6))]))

const sizes = {
  ...{ parameters: 7, statistics: 2, states: 2 },
  rows: [
    { count: 2, size: 2 },
    { count: 1, size: 3 },
  ],
}
const start = Float32Array.of(0.5, -1, 2, 0, 1, 1, 1)
const end = Float32Array.of(0.75, -1.1, 2.003, 1e-3, 1, 1, 1)
const lost = Float32Array.of(0.001, -0.002, 0, 3e-5, 0, 1e-45, 0)

const setting = roundsSetting({ replicas: 2, syncEvery: 3 })
const vectors = { parameters: start, statistics: Float32Array.of(3, 4) }
const numbers = { powers: [0.9, 0.99], averaged: 3, accumulated: 0 }

const job = {
  ...{ run: 'a'.repeat(24), round: 2, replica: 1, setting: 'b'.repeat(64), begun: true },
  ...{ parts: { model: 'c'.repeat(8) }, rounds: setting, where: 'redis' as const },
  shard: {
    ...{ epoch: 1, first: 64, steps: 9, clipNorm: 1 },
    rates: [0.1, 0.1, 0.05].map((learningRate) => ({ learningRate, factor: 0.5 })),
  },
}
const keysOfJob = Object.keys(jobToJson(job) as object)
/** The job's JSON with something else in it. */
const jobWith = (more: object): Json => ({ ...(jobToJson(job) as object), ...more })

const cost: CostOf = {
  ...{ sizes: { ...sizes, parameters: 1e6, statistics: 1000 }, stepSeconds: 0.1 },
  ...{
    bitsPerSecond: 1e9,
    rounds: { replicas: 4, syncEvery: 25, compress: 'none', innerState: 'keep' },
  },
}
const costs: Partial<CostOf>[] = [
  ...[{}, { spread: 0.2 }, { fixedSeconds: 1 }, { byteSeconds: 1e-8 }, { handleSeconds: 1e-8 }],
  ...[{ outerSeconds: 1e-7 }, { addSeconds: 1e-7 }, { sharing: 2 }, { sharing: 2, byteSharing: 1 }],
  ...([1, 2, 64] as const).map((replicas) => ({ rounds: { ...cost.rounds, replicas } })),
  { rounds: { ...cost.rounds, compress: 'int8', innerState: 'reset' } },
]

const plain: unknown[] = [
  ...odd,
  ...[() => 1, new Date(0), new Map(), Object.create(null), JSON.parse('{"__proto__": 1}')],
  ...[65_536, 65_537].map((length) => 'x'.repeat(length)),
  ...[65_528, 65_529].map((length) => ['x'.repeat(length), 1]),
  ...[65_535, 65_536].map((length) => ({ ['x'.repeat(length)]: 'y' })),
  ...[3999, 4000, 4001].map((length) => Array(length).fill(null)),
  ...[8, 9].map((deep) => Array.from({ length: deep }).reduce<unknown>((of) => [of], 1)),
]

test('rounds: options, bytes, jobs, costs', () => {
  const keys = ['replicas', 'syncEvery', 'outerLr', 'outerMomentum', 'compress', 'innerState']
  const most = { replicas: [1024, 1025], syncEvery: [2 ** 53 - 1, 2 ** 53], outerMomentum: [0.999] }
  const encoded = compressions.map((compress) => encode(compress, sizes, start, end, lost))
  const sent = (bytes: Uint8Array, more: readonly number[] = [1, 2]) => ({
    change: bytes,
    statistics: Float32Array.from(more),
  })
  const step = (
    compress: number,
    outerLr: number,
    outerMomentum: number,
    momentum?: Float32Array,
  ) =>
    outerStep(
      { ...setting, compress: compressions[compress], outerLr, outerMomentum },
      sizes,
      vectors,
      momentum,
      [sent(encoded[compress].bytes), sent(encoded[compress].bytes, [2, 4])],
    )
  const state = {
    inner: { numbers, arrays: Float32Array.from({ length: 14 }, (_, i) => i) },
    residual: lost,
  }
  const settings = compressions.flatMap((compress) =>
    (['keep', 'reset'] as const).map((innerState) => ({ ...setting, compress, innerState })),
  )
  const parts = {
    options: keys.flatMap((key) =>
      table([...odd, ...(most[key as 'replicas'] ?? [])], (value) =>
        roundsSetting({ replicas: 2, syncEvery: 3, [key]: value }),
      ).map((line) => `${key} ${line}`),
    ),
    fit: table([{}, { accumulate: 2 }, { ema: 0.5 }, { dropLast: false }], refuseOfFit),
    encoded: encoded.map(({ bytes, residual }) => `${hex(bytes)} ${residual}`),
    again: [outcome(() => hex(encode('int8', sizes, start, end).bytes))],
    lengths: [
      ...compressions.map((compress) => changeBytes(compress, sizes)),
      residualBytes(sizes),
    ],
    residuals: table([1e-45, 3e-39, 1e-30, 127, 127.5, 254, 3.4e38, 0], (value) => {
      const bytes = residualToBytes(
        sizes,
        start.map((one) => one * value),
      )
      return `${hex(bytes)} ${residualOfBytes(sizes, bytes)}`
    }),
    changes: compressions.flatMap((compress, i) =>
      table(
        [
          encoded[i].bytes,
          new Uint8Array(3),
          new Uint8Array(changeBytes(compress, sizes)).fill(255),
        ],
        (bytes) => {
          const into = new Float64Array(7).fill(1)
          addChange(compress, sizes, start, bytes, into)
          return into.join(' ')
        },
      ),
    ),
    outer: [
      ...[
        [0, 1, 0],
        [1, 0.7, 0.9],
        [2, 0.7, 0.9],
        [0, 3e38, 0.9],
        [0, 1e39, 0.9],
      ].map(([compress, lr, momentum]) => outcome(() => step(compress, lr, momentum))),
      outcome(() => step(0, 0.7, 0.9, end)),
      outcome(() => outerStep(setting, sizes, vectors, undefined, [sent(encoded[0].bytes, [1])])),
    ],
    start: table([36, 35, 40], (length) => {
      const bytes = new Uint8Array(length)
      bytes.set(startToBytes(vectors).subarray(0, length))
      return startOfBytes(bytes, sizes)
    }),
    'not finite': [
      outcome(() =>
        startOfBytes(
          startToBytes({ ...vectors, statistics: Float32Array.of(1, Number.NaN) }),
          sizes,
        ),
      ),
      outcome(() =>
        sentOfBytes(sentToBytes(sent(encoded[0].bytes, [Number.NaN, 1])), sizes, setting),
      ),
    ],
    sent: table([36, 37], (length) => sentOfBytes(new Uint8Array(length), sizes, setting)),
    states: settings.flatMap((one) => [
      `${one.compress} ${one.innerState} ${stateBytes(one, sizes)}`,
      outcome(() => {
        const bytes = stateToBytes(
          {
            ...(one.innerState === 'keep' && { inner: state.inner }),
            ...(one.compress === 'int8' && { residual: state.residual }),
          } as never,
          sizes,
        )
        return `${hex(bytes)} ${JSON.stringify(stateOfBytes(bytes, sizes, one))}`
      }),
      outcome(() => stateOfBytes(new Uint8Array(stateBytes(one, sizes)).fill(255), sizes, one)),
    ]),
  }
  write('rounds', parts)
})

test('jobs of rounds', () => {
  write('jobs of rounds', {
    job: [outcome(() => jobToJson(job)), outcome(() => jobOfJson(jobToJson(job)))],
    'long jobs': table([666, 667], (length) => {
      const rates = Array.from({ length }, (_, i) => ({ learningRate: i + 1, factor: 1 }))
      return (jobToJson({ ...job, shard: { ...job.shard, rates } }) as unknown as typeof job.shard)
        .rates.length
    }),
    jobs: [...keysOfJob, 'more'].flatMap((key) =>
      table(odd, (value) => jobOfJson(jobWith({ [key]: value as Json }))).map(
        (line) => `${key} ${line.slice(0, 150)}`,
      ),
    ),
    'jobs of rounds': table<object>(
      [
        ...[
          { replica: 2 },
          { replica: 1023 },
          { replica: 1024 },
          { rates: [[3, 1, 1]] },
          { rates: [[4, 1, 1]] },
        ],
        { rates: [[1_000_001, 1, 1]], rounds: { ...setting, syncEvery: 2e6 } },
        { rates: [[0, 1, 1]] },
        { rates: [[1, 1]] },
      ],
      (more) => jobOfJson(jobWith(more)).shard.rates.length,
    ),
    runs: table(
      [null, {}, { payload: { run: 'a'.repeat(24) } }, { payload: { run: 'a' } }],
      runOfJob,
    ),
    answers: table(
      [
        ...[null, {}, { sums: { steps: 1, loss: 1, correct: 0, seen: 0, rates: {} }, more: 1 }],
        { sums: { steps: -1, loss: 1, correct: 0, seen: 0, rates: {} } },
      ],
      answerOfJson,
    ),
    names: [
      names.start('r', 1),
      names.state('r', 1, 2),
      names.change('r', 1, 2),
      queueOf('k', '1'),
    ],
    missing: [[], [['a', 'bytes']], [['a', 'x'.repeat(600)]]].map((failures) => {
      const error = whyMissing(1, failures as [string, unknown][])
      return `${error.constructor.name} ${error.message}`
    }),
    kept: table(
      [
        [0, [null, null]],
        [3, [null]],
        [3, [numbers, null]],
        [-1, [null, null]],
      ],
      ([done, inner]) => {
        const { callback } = keptOf(setting)
        const state = callback.state!() as object
        callback.restore!({ ...state, done, inner } as never, {})
        return callback.state!() as object
      },
    ),
  })
})

test('costs', () => {
  write('costs', {
    largest: [1, 2, 8, 1000].map((count) => largestOf(count).toPrecision(6)),
    costs: costs.flatMap((more) => [
      JSON.stringify(six(roundCost({ ...cost, ...more }))),
      JSON.stringify(six(ringCost({ ...cost, ...more }))),
    ]),
  })
})

test('jobs: plain data within limits, equal names of equal values', () => {
  const own = { protocol: 1, version: VERSION, kind: 'k', payload: 1 }
  const changes = [{ protocol: 2 }, { version: '0' }, { version: 3 }, { kind: 'x' }, { m: 1 }]
  write('jobs', {
    plain: table(plain, (value) => checkPlain(value, 'it')),
    envelopes: table<object | null>(
      [own, ...changes.map((more) => ({ ...own, ...more })), null],
      (value) => readEnvelope(value, 'k'),
    ).map((line) => line.replaceAll(VERSION, 'VERSION')),
    addresses: table(
      [
        ...['redis://h', 'rediss://u@h:1/3', 'redis://h/0', 'redis://h/9999', 'redis://h/10000'],
        ...['redis://[::1]:7', 'redis://h?x=1', 'redis://h#x', 'redis://u%20@h', 'redis://h/x'],
        ...['redis://u.a-b~+@h', 'x', 'redis://', 'http://h', 'redis://h/1/2', 'redis://h?auth=x'],
        // What may hold a password is not repeated, wherever others divide it.
        ...['redis://u:geheim@h', 'redis://:geheim@h:1', 'redis://u:geheim@h:99999999'],
        ...['redis://:ge/geheim@h', 'redis://:ge#geheim@h', 'redis://u:1?geheim@h', 'u:geheim@h:1'],
        ...[':geheim@h', 'redis://u:12/geheim@h', 'redis:/u:geheim@h', 'redis://h?password=geheim'],
      ],
      parseRedisUrl,
    ),
    namespaces: table(
      ['a', 'a'.repeat(64), 'a'.repeat(65), '', '.a', 'a:b', 'A-._9'],
      checkNamespace,
    ),
    names: table(
      [1, 'a', [1, { b: 1, a: undefined }], { b: [null], a: { d: 1, c: 2 } }],
      (value) => `${canonical(value)} ${hashId(value)}`,
    ),
  })
})

const written: string[] = []
function write(title: string, parts: Readonly<Record<string, readonly unknown[]>>): void {
  for (const [name, lines] of Object.entries(parts))
    written.push(`== ${title}: ${name}`, ...lines.map(String))
}
test.after(() => expectSnapshot('scale/written.txt', `${written.join('\n')}\n`, 'scale/written'))

test.run()
