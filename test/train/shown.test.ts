/**
 * What a report looks at, and what a dashboard tells a page, as text, against shown.txt. The clock
 * stands still but for steps.
 */

import * as api from '../../src/index.js'
import type { EpochRecord } from '../../src/train/records.js'
import { atDistances, endingOf, examine, examiner, titleOf } from '../../src/train/report/make.js'
import { own, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import {
  compareLines,
  hashOf,
  type Line,
  outcomeOfPromise,
  places,
  plainLine,
  textOf,
} from '../support/outcomes.js'

const lines: Line[] = []
const short = (of: unknown): string =>
  JSON.stringify(
    JSON.parse(textOf(of), (_, value: unknown) => {
      if (typeof value === 'number') return places(value)
      const { Uint8Array: bytes } = Object(value) as { Uint8Array?: unknown }
      return bytes === undefined ? value : hashOf(String(bytes))
    }),
  )

function dataOf(length: number, more: object = {}): api.Dataset {
  return {
    name: `${length} images`,
    length,
    shape: [2, 3, 4],
    classes: 3,
    ...more,
    read(i, out) {
      for (let n = 0; n < out.length; n++)
        out[n] = (((7 * i + 3 * n) * 5) % 13) / 2 - 3 + (i % 3) / 2
      return i % 3
    },
  }
}
const net = () => netOf([2, 3, 4], 'conv 9 3 padding=1, lif, flatten, linear 3, lif vThreshold=0.2')
const targets = { size: 3, read: (i: number, out: Float32Array) => void out.fill(i / 10) }

test('what a report looks at', async () => {
  const model = await own(net().compile({ input: [2, 3, 4], timeSteps: 3, batchSize: 20, seed: 1 }))
  const { now } = performance
  let clock = 0
  performance.now = () => clock
  const looks: [api.Dataset, number, Parameters<typeof examine>[2]][] = [
    [dataOf(40), 0, {}],
    [dataOf(40, { classNames: ['a', 'b'] }), 100, { limit: 11 }],
    [dataOf(40), 400, { limit: 7, mostMs: -1 }],
    [dataOf(40), 5000, { signal: AbortSignal.abort() }],
    [dataOf(5, { prepare: async () => void clock++ }), 0, {}],
    [dataOf(5, { shape: [3] }), 0, {}],
  ]
  try {
    for (const [data, sampleMs, options] of looks) {
      const session = await examiner(model.session, model.stateDict(), sampleMs)
      const found = await outcomeOfPromise(async () => examine(session, data, options), short)
      lines.push(plainLine(`${sampleMs} ms ${textOf(options)}: ${session.batchSize} ${found}`))
      await session.dispose()
    }
    await model.fit(dataOf(40, { targets, classes: 0 }), { loss: api.mse({ targets: 'values' }) })
    const session = await examiner(model.session, model.stateDict())
    lines.push(
      plainLine(`numbers: ${short(await examine(session, dataOf(9, { targets, classes: 0 })))}`),
    )
    await session.dispose()
  } finally {
    performance.now = now
  }
  for (const [length, most] of [
    [5, 7],
    [7, 7],
    [8, 7],
    [100, 7],
    [0, 3],
  ])
    lines.push(plainLine(`${most} of ${length}: ${atDistances(length, most).join(' ')}`))
})

test('titles and ends', () => {
  const options = [
    { model: 'a', dataset: 'b' },
    { model: 'a' },
    { data: { name: 'c' } },
    { data: 'd' },
    undefined,
  ]
  lines.push(plainLine(options.map(titleOf).join('; ')))
  const record = (epoch: number, partial?: true) =>
    ({ epoch, ...(partial && { partial }) }) as EpochRecord
  for (const records of [[], [record(1)], [record(1), record(2)], [record(1), record(2, true)]])
    for (const history of [undefined, { aborted: true }, { aborted: false, stopped: 'enough' }])
      lines.push(plainLine([1, 2].map((epochs) => endingOf(records, epochs, history)).join(' ')))
})

/** Events of a page's stream, by a client that reads until it ends. */
async function* eventsOf(url: string): AsyncGenerator<readonly [string, string]> {
  const { body } = await fetch(`${url}events`)
  let text = ''
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString()
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, name, value] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? []
      if (name !== undefined) yield [name, value]
      text = text.slice(end + 2)
    }
  }
}

/** What a page knows when all that was told has come. */
async function historyOf(
  url: string,
  isWhole: (of: { records: unknown[]; steps: { at: unknown[] } }) => boolean,
) {
  for (;;)
    for await (const [name, value] of eventsOf(url)) {
      if (name === 'history' && isWhole(JSON.parse(value))) return short(JSON.parse(value))
      break
    }
}

test('what a dashboard tells', async () => {
  const model = await net().compile({ input: [2, 3, 4], timeSteps: 3, batchSize: 4, seed: 1 })
  const { now } = performance
  let clock = 0
  let url = ''
  let end: Promise<string> | undefined
  performance.now = () => clock
  const last = async (): Promise<string> => {
    let found = ''
    for await (const [name, value] of eventsOf(url)) if (name === 'end') found = value
    return short(JSON.parse(found))
  }
  try {
    for (const [points, epochs, abort] of [
      [6, 2, 0],
      [1, 3, 1],
    ] as const) {
      const controller = new AbortController()
      const watch: api.Callback = {
        name: 'watch',
        last: true,
        onFitStart() {
          end = last()
        },
        onStep() {
          clock += 30 + (clock % 40)
        },
        async onEpoch({ epoch }) {
          if (epoch === abort) controller.abort()
          if (epoch < epochs && epoch !== abort) return
          const whole = await historyOf(
            url,
            ({ records, steps }) => records.length === epoch && steps.at.length >= points,
          )
          lines.push(plainLine(`dashboard: ${whole}`))
        },
      }
      const dashboard = api.dashboard({
        onListen(of) {
          url = of
        },
      })
      await model.fit(dataOf(40), {
        epochs,
        fresh: true,
        signal: controller.signal,
        callbacks: [dashboard, watch],
      })
      lines.push(plainLine(`end: ${await end}`))
    }
  } finally {
    performance.now = now
    await model.dispose()
  }
})

test('shown.txt', () => compareLines('train/shown.txt', lines))

test.run()
