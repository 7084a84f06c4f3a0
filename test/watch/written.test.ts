/** What pages hold, whole: test/watch/written.txt. What scripts draw there is in drawn.txt. */

import { test } from 'uvu'
import { livePage } from '../../src/watch/dashboard/server.js'
import {
  type Chart,
  figureText,
  linearTicks,
  logTicks,
  packBits,
  sayChart,
} from '../../src/watch/pages/chart.js'
import {
  escapeHtml,
  inScript,
  optionRows,
  pagePolicy,
  policyOf,
  shortened,
  tableHtml,
} from '../../src/watch/pages/frame.js'
import {
  type Examined,
  pictureAddress,
  pictureOf,
  type RunReport,
  reportPage,
} from '../../src/watch/pages/report.js'
import {
  bestOf,
  durationText,
  layerLabel,
  mostRecords,
  runFigures,
  thinned,
} from '../../src/watch/pages/run.js'
import { type ScatterPoint, scatterHtml } from '../../src/watch/pages/scatter.js'
import { shownOf } from '../../src/watch/pages/shown.js'
import { expectSnapshot } from '../support/snapshot.js'

const record = (epoch: number, more: object = {}) => ({
  ...{ epoch, trainLoss: 2 / epoch, learningRate: 0.1 / epoch, stepMs: 2 + epoch },
  ...{ samplesPerSecond: 999.5, firingRates: { 2: 0.25 / epoch, 'a b': 0 }, ...more },
})

const accurate = [0.5, 0.75, 0.7].map((testAccuracy, i) =>
  record(i + 1, { testAccuracy, trainAccuracy: testAccuracy + 0.1, testLoss: 1 - i / 10 }),
)

const classes = (count: number, names: readonly string[] = []): Examined => ({
  ...{ count: 1000 + count, of: 2000, data: 'the <test> data' },
  answers: {
    ...{ accuracy: 0.625, classNames: names },
    confusion: Array.from({ length: count }, (_, label) =>
      Array.from({ length: count }, (_, answer) =>
        label === 2 ? 0 : label === answer ? 9 : ((3 * label + answer) % 4) * (label === 1 ? 9 : 1),
      ),
    ),
    worst: [
      { index: 7, label: 1, answer: 0, ofLabel: 0.01, ofAnswer: 0.9, picture },
      { index: 8, label: 0, answer: 0, ofLabel: 0.4, ofAnswer: 0.4 },
    ],
  },
})

const picture = { width: 1, height: 2, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) }
const rasters = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ title: `layer ${i}`, rows: 2, steps: 3, share: i / count },
    ...packBits(2, 3, (row, step) => (row + step + i) % 2 > 0),
  }))

const report = (more: Partial<RunReport> = {}): RunReport => ({
  ...{ title: 'A <run>', ending: 'It ended.', records: accurate, examined: classes(3, ['x', 'y']) },
  ...{ facts: [['layers', '2']], options: [['lr', '0.1']], origin: [['node', '20']], ...more },
})

/** What of a page is not style or script; figures are told elsewhere. */
const bodyOf = (html: string): string =>
  html.replace(/^[\s\S]*<main>\n/, '').replace(/<\/main>[\s\S]*/, '')

const noSteps = { at: [], loss: [], accuracy: [], learningRate: [], stepMs: [], rates: [] }
const steps = {
  ...{ at: [0.5, 1, 1.5], loss: [3, Number.NaN, 1], accuracy: [null, null, 0.5] },
  ...{ learningRate: [0.1, 0.1, 0.2], stepMs: [1, 2, 3], rates: [[0.1, 0.2, 0.3]] },
}
const layers = ['2', 'layer 2', 'layer 2', 'a', 'b']

const scatters: Readonly<Record<string, readonly [string, unknown][]>> = {
  'numbers, evenly': [0.1, 0.2, 0.35, 0.9, 0.95].map((value) => ['lr', value]),
  'numbers over decades': [1e-4, 1e-3, 0.01, 0.1].map((value) => ['lr', value]),
  'a decade, rather evenly': [1, 4.5, 10].map((value) => ['lr', value]),
  'a decade': [1, 3, 10].map((value) => ['lr', value]),
  'less than a decade': [1, 3, 9.99].map((value) => ['lr', value]),
  'from zero': [0, 0.01, 10].map((value) => ['lr', value]),
  'one number': [5].map((value) => ['lr', value]),
  'a grid of numbers': [0.1, 10, 2, 0.1, 10].map((value) => ['lr', value]),
  'eight of nine': [1, 2, 3, 4, 5, 6, 7, 8, 8].map((value) => ['n', value]),
  'nine of ten': [1, 2, 3, 4, 5, 6, 7, 8, 9, 9].map((value) => ['n', value]),
  words: ['a', null, true, 'fifteen letters', 'b'].map((value) => ['w', value]),
  'many words': Array.from({ length: 25 }, (_, i) => ['w', `word${i}`]),
}

const kinds = ['best', 'whole', 'part', 'failed'] as const
const points = (values: readonly [string, unknown][]): ScatterPoint[] =>
  values.map(([name, value], i) => ({
    ...{ at: { [name]: value }, kind: kinds[Math.min(i, i % 4)], title: `run ${i}` },
    y: i % 4 === 3 ? null : 0.9 - i / 30,
  }))
const names = { best: 'best', whole: 'whole', part: 'part', failed: 'failed' }

const around = [0, 1e-5, 0.0000999, 1e-4, 0.01234567, 0.09994, 0.09995, 0.1, 1, 999999, 1e6]

const chart = (values: readonly number[], axis: object): Chart => ({
  ...{ title: 'T', x: { label: 'x' }, y: { label: 'y', ...axis } },
  series: [{ name: 'a', x: values.map((_, i) => i), y: values }],
})
const lines = (count: number): Chart['series'] =>
  Array.from({ length: count }, (_, i) => ({ name: `${i}`, x: [0, i], y: [i, 2 * i + 1] }))

const frames = (shape: readonly [number, number, number], count = 1) => ({
  ...{ shape, frames: count },
  values: Array.from({ length: count * shape[0] * shape[1] * shape[2] }, (_, i) => (i * 7) % 11),
})
const pictures = {
  grey: frames([1, 2, 3]),
  frames: frames([1, 2, 2], 3),
  colours: frames([3, 2, 2]),
  events: frames([2, 2, 3], 2),
  'no events': { ...frames([2, 1, 2]), values: [0, 0, 0, 0] },
  mean: frames([4, 2, 2]),
  vector: frames([5, 1, 1]),
  rows: frames([2, 1, 3]),
  large: frames([1, 41, 3]),
  normalized: { ...frames([3, 1, 2]), normalization: { mean: [0.5, 0, 1], std: [0.1, 2, 1] } },
  'normalized grey': {
    ...{ ...frames([1, 2, 2]), values: [-1, 0, 0.5, 2] },
    normalization: { mean: [0.5], std: [0.25] },
  },
  flat: { ...frames([1, 2, 1]), values: [3, 3] },
}

const records = (count: number) =>
  Array.from({ length: count }, (_, i) => record(i + 1, { testLoss: (i * 7) % count }))

test('reports, pages of runs, scatters and their parts', async () => {
  const parts: Record<string, unknown> = {
    report: await reportPage(report()).then(bodyOf),
    'report by loss': await reportPage(
      report({ records: [record(1, { testLoss: 1 })], examined: 'Nothing was <seen>.' }),
    ).then(bodyOf),
    'report by train loss': await reportPage(
      report({
        records: [record(2), record(1, { firingRates: { 2: 0.5, 'a b': 1 } })],
        examined: { ...classes(21), answers: undefined, count: 2000 } as Examined,
      }),
    ).then(bodyOf),
    'report of 21 classes': await reportPage(
      report({
        records: [],
        examined: { ...classes(21), spikes: { about: 'One.', rasters: rasters(5), picture } },
      }),
    ).then(bodyOf),
    'report of 20 classes': await reportPage(
      report({
        records: [],
        examined: { ...classes(20), count: 2000, spikes: { about: 'One.', rasters: rasters(4) } },
      }),
    ).then((html) => html.match(/All.*|share\d+ right|"columns":\d/g)!.join('\n')),
    live: await livePage('a <run>').then(bodyOf),
    policy: [pagePolicy(['a'], ['b', 'c']), pagePolicy([], [], true), policyOf('<p>')],
    figures: [
      runFigures({ layers, records: accurate, steps }),
      runFigures({ layers: ['2'], records: accurate, steps: noSteps }),
      runFigures({
        ...{ layers: [], steps: noSteps },
        records: [record(1, { testMeanAbsoluteError: 0.5 }), record(2, { trainLoss: null })],
      }),
    ].flatMap((figures) => figures.map((figure) => JSON.stringify(figure))),
    ...Object.fromEntries(
      Object.entries(scatters).map(([name, values]) => [
        name,
        scatterHtml([values[0][0]], points(values), names),
      ]),
    ),
    pictures: Object.entries(pictures).map(([name, sample]) => {
      const { width, height, rgb } = pictureOf(sample)
      return `${name}: ${width} × ${height}, ${rgb}`
    }),
    addresses: [pictureAddress(picture), pictureAddress({ ...picture, width: 2, height: 1 })],
    texts: around.map((value) => [figureText(value), figureText(-value, true)].join('  ')),
    durations: [0, 499, 500, 59_499, 59_500, 3_599_499, 3_599_500, 36e6].map(durationText),
    labels: ['2', '12', 'a2', '2a', ''].map(layerLabel),
    cut: [shortened('abc', 3), shortened('abcd', 3), shortened('x'.repeat(301)).length],
    escaped: [escapeHtml('<a href="b">\'`&'), inScript('</script></SCRIPT></style>')],
    tables: (['numbers', 'text', 'values'] as const).map((cells) =>
      tableHtml({ title: 'T', head: ['a', 'b'], rows: [['1', '<']], cells }),
    ),
    words: [0, 1, 6, 7].map((count) => sayChart({ ...chart([], {}), series: lines(count) })),
    ticked: [sayChart({ ...chart([1, 2, 3], {}), x: { label: 'x', ticks: { at: [], text: [] } } })],
    bits: [1, 8, 9].map((rows) => JSON.stringify(packBits(rows, 1, (row) => row % 3 === 0))),
    ticks: [
      ...[
        [0, 1],
        [0, 4.99],
        [0, 5],
        [0, 5.01],
        [-3, 12],
        [0.1, 0.97],
        [5, 5],
        [2, 1],
      ],
      ...[
        [1, 7.9],
        [1, 8],
        [0.001, 1],
        [0.001, 1.1],
        [1e-9, 1],
        [1e-12, 4e6],
        [0.02, 2.3],
      ],
    ].map(
      ([low, high]) =>
        `${low} ${high}: ${linearTicks(low, high)} | ${low > 0 ? logTicks(low, high) : '-'}`,
    ),
    shown: [
      ...([
        [1, 2, 3, 4, 100],
        [1, 2, 100],
        [1, 100],
        [3, 4, 5, 6, 16, 17],
        [5, 5, 5, 5, 9.9, 10.1],
      ] as const),
      ...([
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1, 101, 99],
        [-5, -4, -4, 9],
      ] as const),
    ].flatMap((values) =>
      [{}, { robust: true }, { log: true }, { log: true, robust: true, percent: true }].map(
        (axis) => JSON.stringify(shownOf(chart(values, axis))),
      ),
    ),
    kept: [mostRecords(1), mostRecords(10), mostRecords(11), mostRecords(310), mostRecords(311)],
    thinned: [
      [10, 10],
      [11, 10],
      [100, 10],
      [9, 2],
      [5, 1],
    ].map(([count, most]) => thinned(records(count), most).map(({ epoch }) => epoch)),
    best: [
      bestOf(accurate)!.epoch,
      bestOf(records(9))!.epoch,
      bestOf([record(1), record(2), record(2)])!.epoch,
      bestOf([record(1, { testLoss: Number.POSITIVE_INFINITY })]),
    ],
    options: [
      ...optionRows({ a: { b: { c: 1 }, d: [], e: {}, f: [{}], g: ['x', 2] }, network: null }),
      ...optionRows({
        model: { network: { nodes: [1, 2] } },
        networks: { x: null },
        long: 'x'.repeat(301),
      }),
      [optionRows(Object.fromEntries(Array.from({ length: 301 }, (_, i) => [`k${i}`, i]))).length],
      ...optionRows({ ['k'.repeat(101)]: true, 'a\u202e': '\u202e' }),
    ].map((row) => row.join(' = ')),
  }
  const text = Object.entries(parts).map(
    ([name, part]) => `== ${name}\n${Array.isArray(part) ? part.join('\n') : part}`,
  )
  expectSnapshot('watch/written.txt', `${text.join('\n').trimEnd()}\n`, 'watch/written')
})

test.run()
