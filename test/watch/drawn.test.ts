/** What the script of a page draws and says, call by call: test/watch/drawn.txt. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Chart,
  type ChartSymbol,
  type Figure,
  packBits,
  type Raster,
  type Series,
} from '../../src/watch/pages/chart.js'
import {
  changeScheme,
  drawn,
  FakeElement,
  layOut,
  openPage,
  place,
  placed,
  screen,
  sources,
} from '../support/drawing.js'
import { expectSnapshot } from '../support/snapshot.js'

const told: string[] = []
const tell = (name: string, text: string): void => {
  told.push(`== ${name}`, text.trimEnd())
}
/** What was drawn since; uPlot draws behind the call that asks it to. */
async function drawnNow(): Promise<string> {
  await new Promise((resolve) => setImmediate(resolve))
  return drawn
    .splice(0)
    .filter((call) => !/^(translate (-?0\.\d+ ?)+|save|restore|beginPath)$/.test(call))
    .map((call) => (/^(stroke|fill|fillText)\b(?! =)/.test(call) ? `${call}\n` : `${call}; `))
    .join('')
}
/** Only the colours of it. */
const coloursNow = async (): Promise<string> =>
  ((await drawnNow()).match(/#\w{6}|rgb\(.*?\)|clearRect[^;]*/g) ?? []).join(' ')

const x = [1, 2, 3, 4, 5]
const line: Series = { name: 'train', x, y: [2.3, 1.1, null, 0.31, 0.12] }
const lines = (more: Partial<Chart>, series: readonly Series[] = [line]): Chart => ({
  ...{ title: 'Loss', x: { label: 'epoch' }, y: { label: 'loss' }, series, ...more },
})
const symbols: ChartSymbol[] = ['circle', 'square', 'diamond', 'triangle', 'cross', 'star']
const words = (count: number) => ({
  ...{ at: Array.from({ length: count }, (_, i) => i) },
  text: Array.from({ length: count }, (_, i) => `layer${i}`),
})
const many = Array.from({ length: 31 }, (_, i) => i / 10)

const charts: Readonly<Record<string, Chart>> = {
  line: lines({}),
  'log, with values outside': lines({ y: { label: 'loss', log: true, robust: true } }, [
    { name: 'a', x: many, y: many.map((_, i) => (i === 3 ? 4.2e6 : i === 9 ? 1e-9 : 2 + i / 10)) },
    { name: 'b', x: [0, 1], y: [2, 3], mode: 'both', open: true },
  ]),
  'shares of a range, over a log axis': lines(
    {
      x: { label: 'T', log: true, ticks: { at: [1, 2, 4, 8], text: ['1', '2', '4', '8'] } },
      y: { label: 'share', percent: true, range: [0, 1] },
    },
    [{ name: 'a', x: [1, 2, 4, 8], y: [0.1, 0.25, 0.5, 0.99], mode: 'both' }],
  ),
  'points of all kinds': lines(
    { x: { label: 'x', range: [0, 6] } },
    symbols.map((symbol, i) => ({
      ...{ name: symbol, x: [i], y: [i / 5 - 0.2], mode: 'points', symbol, open: i % 2 === 0 },
      ...(i < 2 && { quiet: true }),
    })),
  ),
  'names of places': lines({ x: { label: 'layer', ticks: words(4) } }, [
    { name: 'a', x: [0, 1, 2, 3], y: [1e-5, 2e-5, 3e-5, 4e-5], dash: true },
    { name: 'b', x: [0, 1, 2, 3], y: [0, 0, 0, 0], pattern: 1 },
  ]),
  'upright names': lines({ x: { label: 'layer', ticks: words(60) } }, [
    { ...{ name: 'a', x: words(60).at, y: words(60).at.map((i) => 1e5 * i) } },
  ]),
  'places apart': lines({ x: { label: 'n', ticks: { at: [1, 3, 9], text: ['1', '3', '9'] } } }, [
    { name: 'a', x: [1, 3, 9], y: [-1, -2, -0.025] },
  ]),
  'one value': lines({}, [{ name: 'a', x: [7], y: [0] }]),
  nothing: lines({}, [{ name: 'a', x: [], y: [] }]),
  'a line without values beside one': lines({}, [{ name: 'a', x: [], y: [] }, line]),
  'dashes, shares, 30 points and 31': lines({}, [
    { name: 'a', x: many.slice(1), y: many.slice(1), pattern: 3, share: 0.4 },
    { name: 'b', x: many, y: many.map((v) => 3 - v), pattern: 2, share: 1 },
  ]),
}

async function onPage(run: () => Promise<void>): Promise<void> {
  const close = openPage()
  try {
    await run()
  } finally {
    close()
  }
}

const keys = ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowLeft', 'Home', 'ArrowLeft']

test('charts: each call to the canvas, what keys and the pointer say', () =>
  onPage(async () => {
    const { Plot } = await import('../../src/watch/client/plot.js')
    for (const [name, chart] of Object.entries(charts)) {
      const pointed: unknown[] = []
      const plot = new Plot(chart, (values, said) => pointed.push([values && [...values], said]))
      const shown = plot.element as unknown as FakeElement
      tell(name, `${shown.written()}${await drawnNow()}`)
      const [box] = shown.all('div')
      for (const key of keys) pointed.push(box.happen('keydown', { key }))
      tell(`${name}: keys`, pointed.map((one) => JSON.stringify(one)).join('\n'))
      plot.show(chart.series[0].name, false)
      tell(`${name}: one hidden`, await coloursNow())
      plot.build()
      tell(`${name}: made anew`, await coloursNow())
    }
  }))

test('charts of another width, of other data, not yet seen', () =>
  onPage(async () => {
    const { Plot } = await import('../../src/watch/client/plot.js')
    const named = charts['names of places']
    screen.width = 0
    const plot = new Plot(named, () => {})
    const shown = plot.element as unknown as FakeElement
    tell('no width', await drawnNow())
    for (const width of [400, 400.9, 401.9, 247, 246, 230, 0, 900]) {
      layOut(width)
      tell(`width ${width}`, `${(await drawnNow()).match(/clearRect.*|.*layer.*/g)?.join('\n')}`)
    }
    const [first] = named.series
    for (const [name, next] of Object.entries({
      'other values': {
        ...named,
        series: named.series.map((one) => ({ ...one, y: [4, 3, 2, 1] })),
      },
      'another line': { ...named, series: [first] },
      'a log axis': { ...named, y: { label: 'y', log: true }, series: [first] },
      'no log axis': { ...named, y: { label: 'y', log: true }, series: [{ ...first, y: [0, -1] }] },
      'another title': { ...named, title: 'other', series: [] },
    })) {
      plot.update(next)
      tell(name, `${shown.written()}${await coloursNow()}`)
    }
    layOut(400)
    drawn.length = 0
  }))

const raster = (rows: number, steps: number) => ({
  ...{ title: `${rows} rows`, rows, steps, share: 0.5 },
  ...packBits(rows, steps, (row, step) => (row + 2 * step) % 3 === 0),
})

test('figures: legends hide lines, keep the focus, show values; rasters', () =>
  onPage(async () => {
    const { FigureView } = await import('../../src/watch/client/figure.js')
    const figure = (columns: number | undefined, all: readonly (Chart | Raster)[]): Figure => ({
      ...{ id: 'a', title: 'A', caption: 'a', charts: all, ...(columns && { columns }) },
    })
    const both = [charts['points of all kinds'], charts['names of places']]
    for (const columns of [undefined, 1, 2, 3]) {
      const place = new FakeElement('place')
      new FigureView(place as never, figure(columns, columns === 1 ? [lines({})] : both.slice(1)))
      tell(`figure of ${columns} columns`, place.written())
    }
    await drawnNow()
    const place = new FakeElement('place')
    const view = new FigureView(place as never, figure(2, [...both, raster(3, 4)]))
    tell('figure', `${place.written()}${await coloursNow()}`)
    const button = (name: string): FakeElement =>
      place.all('button').find(({ dataset }) => dataset.name === name)!
    for (const [name, times] of Object.entries({ star: 1, b: 2, diamond: 1 }))
      for (let i = 0; i < times; i++) {
        button(name).happen('click')
        tell(`${name} is chosen`, `${button(name).written()}${await coloursNow()}`)
      }
    for (const box of place.all('div').filter(({ attributes }) => attributes.role === 'img')) {
      box.happen('keydown', { key: 'ArrowRight' })
      const values = place.all('span').filter(({ className }) => className === 'value')
      const [said] = place.all('p').filter(({ className }) => className === 'said')
      tell('pointed at', [...values, said].map((one) => one.text).join(' | '))
    }
    button('a').focus()
    view.update(
      figure(2, [both[0], { ...both[1], series: both[1].series.slice(0, 1) }, raster(3, 4)]),
    )
    const { activeElement } = document as unknown as { activeElement: FakeElement }
    tell('updated', `${place.written()}${await coloursNow()}`)
    assert.is(activeElement, button('a'))
    view.update(figure(2, [both[1]]))
    tell('another number of charts', await coloursNow())
    assert.not(place.all('canvas').some(({ className }) => className === 'raster'))
    changeScheme(true)
    tell('dark', `${place.written()}${await coloursNow()}`)
    changeScheme(false)
    await drawnNow()
  }))

test('rasters: each spike in its place, whatever the size', () =>
  onPage(async () => {
    const { drawRaster } = await import('../../src/watch/client/plot.js')
    for (const [rows, steps, ratio, width] of [
      [3, 4, 2, 400],
      [20, 1, 0, 400],
      [21, 3, 1, 10],
      [101, 1, 1.5, 200.4],
      [2, 2, 1, 0],
    ]) {
      Object.assign(screen, { ratio, width })
      const { element, recolour } = drawRaster(raster(rows, steps))
      const text = (): string => (drawn.length > 30 ? drawn.slice(0, 30) : drawn).join('\n')
      tell(`raster ${rows} ${steps} ${ratio} ${width}`, text())
      tell('page', (element as unknown as FakeElement).written())
      drawn.length = 0
      Object.assign(screen, { dark: true })
      recolour()
      tell('dark', text())
      drawn.length = 0
      Object.assign(screen, { dark: false })
    }
  }))

const status = { epoch: 0, epochs: 4, step: 0, steps: 10 }
const record = (epoch: number, more = {}) => ({
  ...{ epoch, trainLoss: 1 / epoch, testAccuracy: 0.9 - (epoch - 2) ** 2 / 10, learningRate: 0.1 },
  ...{ stepMs: 3, samplesPerSecond: 1000.4, firingRates: { 2: 0.2, b: 0.1 }, ...more },
})
const point = (at: number, more = {}) => ({
  ...{ at, loss: 2 - at, accuracy: at / 2, learningRate: 0.1, stepMs: 5, rates: [0.3, 0.04 * at] },
  ...more,
})
const history = {
  ...{ title: 'run', layers: ['2', 'b'], status, records: [], options: [['lr', '0.1']] },
  steps: { at: [], loss: [], accuracy: [], learningRate: [], stepMs: [], rates: [] },
}

test('the page of a run: what each message changes', () =>
  onPage(async () => {
    const cards = ['loss', 'accuracy', 'best', 'speed', 'lowest'].map((name) => `card-${name}`)
    const ids = ['live', 'status', 'share', 'options', ...cards]
    place(ids, ['learning', 'rates', 'pace'])
    const { setTimeout: later, clearTimeout: never } = globalThis
    let due: (() => void) | undefined
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms: number) => {
        assert.is(ms, 250)
        due = call
        return 1
      },
      clearTimeout: () => {
        due = undefined
      },
    })
    const shown = async (): Promise<string> => {
      const waits = due !== undefined
      due?.()
      const texts = ids.map((id) => placed(id).written()).join('')
      return `${waits ? 'later' : 'at once'}\n${texts}${await coloursNow()}`
    }
    try {
      const { watch } = await import('../../src/watch/client/live.js')
      watch()
      const [source] = sources
      const send = (name: string, data: unknown): void => {
        source.happen(name, { data: JSON.stringify(data) })
      }
      const step = { ...status, epoch: 1, step: 4, leftMs: 3_723_400 }
      const layers = ['2', 'b']
      for (const [name, ...messages] of [
        ['status', status],
        ['step', { status, point: point(0.1), layers }],
        ['epoch', { status, record: record(1) }],
        ['end', status],
        ['history', history],
        ['step', { status: step, point: point(0.5), layers }],
        ['step', { status: step, point: point(0.7, { accuracy: null }), layers }],
        ['epoch', { status: { ...step, epoch: 2 }, record: record(1) }],
        ['epoch', ...[2, 3].map((epoch) => ({ status: step, record: record(epoch) }))],
        ['epoch', { status: step, record: record(4, { testAccuracy: null }) }],
        ['status', { ...step, epoch: 4, steps: 0, step: 0, leftMs: 59_499 }],
        ['status', { ...step, epochs: 0, steps: 0, leftMs: 59_500 }],
        ['history', { ...history, records: [record(1, { testAccuracy: 0 })] }],
        ['error'],
        ['end', { ...step, ended: 'stopped' }],
        ['status', { ...step, ended: 'finished' }],
      ] as [string, ...unknown[]][]) {
        if (name === 'error') (source.onerror as () => void)()
        for (const message of messages) send(name, message)
        tell(`${name} ${JSON.stringify(messages).slice(0, 300)}`, await shown())
      }
      ;(source.onerror as () => void)()
      tell(`source ${source.tag} ${source.text}`, placed('status').written())
      send('history', history)
      for (let i = 0; i < 4001; i++) send('step', { status, point: point(i), layers })
      tell('4001 points', (await shown()).match(/card-loss.*/)![0])
    } finally {
      Object.assign(globalThis, { setTimeout: later, clearTimeout: never })
    }
    for (const id of ['learning', 'rates', 'pace']) tell(id, placed(id).written())
  }))

test.after(() => expectSnapshot('watch/drawn.txt', `${told.join('\n')}\n`, 'watch/drawn'))

test.run()
