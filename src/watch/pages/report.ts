/** The report of a run: one page that needs no other file. */

import { own } from '../../base/objects.js'
import { type Chart, type Figure, figureText, maxOf, minOf, type Raster } from './chart.js'
import {
  escapeHtml,
  figureHtml,
  pageHtml,
  shortened,
  type Table,
  tableHtml,
  wideTable,
} from './frame.js'
import { eventColour } from './recording.js'
import * as runs from './run.js'

// Samples as small pictures, inside the page.

/** Pixels of a side, at most: pictures of the page are small, and so is the page. */
const MOST_SIDE = 40

/** A sample as numbers. */
export interface Sample {
  /** [T][C][H][W] */
  readonly values: ArrayLike<number>
  /** [C, H, W] */
  readonly shape: readonly [number, number, number]
  /** T; 1 for one image. */
  readonly frames: number
  /** What became of a byte by (byte / scale − mean[c]) / std[c]; absent: least to most. */
  readonly normalization?: { readonly mean: readonly number[]; readonly std: readonly number[] }
}

/** [H][W][3] */
export type Picture = ReturnType<typeof pictureOf>

/**
 * One channel in grey, three as colours, two as events (OFF and ON on white), others by their mean.
 * Frames are shown together.
 */
export function pictureOf({ values, shape, frames, normalization }: Sample) {
  const [channels, h, w] = shape
  // A vector has no height: a series of channels is shown as rows.
  const isVector = h === 1
  const rows = w > 1 ? [1, channels, w] : [1, 1, channels]
  const [deep, tall, wide] = isVector ? rows : shape
  const factor = Math.max(1, Math.ceil(Math.max(tall, wide) / MOST_SIDE))
  const [height, width] = [Math.ceil(tall / factor), Math.ceil(wide / factor)]
  const small = new Float64Array(height * width * deep)
  const counts = new Float64Array(height * width)
  for (let t = 0; t < frames; t++)
    for (let y = 0; y < tall; y++)
      for (let x = 0; x < wide; x++) {
        const to = Math.floor(y / factor) * width + Math.floor(x / factor)
        counts[to]++
        for (let c = 0; c < deep; c++)
          small[to * deep + c] += values[((t * deep + c) * tall + y) * wide + x]
      }
  for (let i = 0; i < small.length; i++) small[i] /= counts[Math.floor(i / deep)]
  return { width, height, rgb: coloured(small, deep, isVector ? undefined : normalization) }
}

function coloured(
  small: Float64Array,
  deep: number,
  normalization: Sample['normalization'],
): Uint8Array {
  const pixels = small.length / deep
  const rgb = new Uint8Array(pixels * 3)
  if (deep === 2) {
    const most = Math.max(1e-12, ...small)
    for (let i = 0; i < pixels; i++) {
      const [less, more] = [Math.max(0, small[2 * i]), Math.max(0, small[2 * i + 1])]
      const strength = Math.min(1, 0.35 + (0.65 * (less + more)) / most)
      rgb.set(eventColour(less, more, strength, 255), 3 * i)
    }
    return rgb
  }
  const shown = small.map((value, i) => {
    const { mean, std } = normalization ?? {}
    return mean && std ? value * std[i % deep] + mean[i % deep] : value
  })
  const [low, high] = normalization ? [0, 1] : [Math.min(...shown), Math.max(...shown)]
  const scale = high > low ? 255 / (high - low) : 0
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++) {
      let value = 0
      if (deep === 3) value = shown[3 * i + c]
      else for (let d = 0; d < deep; d++) value += shown[i * deep + d] / deep
      rgb[3 * i + c] = Math.max(0, Math.min(255, Math.round((value - low) * scale)))
    }
  return rgb
}

/** A BMP file as the address of an image: no packing is needed, and each browser shows it. */
export function pictureAddress({ width, height, rgb }: Picture): string {
  const row = Math.ceil((width * 3) / 4) * 4
  const bytes = new Uint8Array(54 + row * height)
  const view = new DataView(bytes.buffer)
  bytes.set([0x42, 0x4d])
  view.setUint32(2, bytes.length, true)
  view.setUint32(10, 54, true)
  view.setUint32(14, 40, true)
  view.setInt32(18, width, true)
  // Negative: the first row is the top one.
  view.setInt32(22, -height, true)
  view.setUint16(26, 1, true)
  view.setUint16(28, 24, true)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        bytes[54 + y * row + x * 3 + c] = rgb[(y * width + x) * 3 + (2 - c)]
  return `data:image/bmp;base64,${Buffer.from(bytes).toString('base64')}`
}

/** What was found by looking at samples with the weights of the run's end. */
export interface Examined {
  /** Samples that were looked at, of so many. */
  readonly count: number
  readonly of: number
  readonly data: string
  /** Absent where there are no labels. */
  readonly answers?: {
    readonly accuracy: number
    readonly classNames: readonly string[]
    /** Samples of each label with each answer, [label][answer]. */
    readonly confusion: readonly (readonly number[])[]
    /** Samples whose label was thought least likely. */
    readonly worst: readonly WorstSample[]
  }
  /** Spikes of one sample by layer; absent where no layer fires. */
  readonly spikes?: {
    readonly about: string
    readonly picture?: Picture
    readonly rasters: readonly Raster[]
    /** Potential, threshold and spikes of a neuron of each layer that is not too large. */
    readonly traces?: readonly Chart[]
  }
}

type Spikes = NonNullable<Examined['spikes']>

export interface WorstSample {
  readonly index: number
  readonly label: number
  readonly answer: number
  /** Softmax of the outputs, 0…1: of the label, and of the answer. */
  readonly ofLabel: number
  readonly ofAnswer: number
  readonly picture?: Picture
}

export interface RunReport {
  readonly title: string
  /** How the run ended, in a sentence. */
  readonly ending: string
  readonly records: readonly runs.EpochFigures[]
  /** What was found, or why nothing was looked at. */
  readonly examined: Examined | string
  /** Figures of the network, such as its parameters. */
  readonly facts: readonly (readonly [string, string])[]
  readonly options: readonly (readonly [string, string])[]
  /** Versions and the machine. */
  readonly origin: readonly (readonly [string, string])[]
}

export function reportPage(report: RunReport): Promise<string> {
  const { title, ending, examined, options, origin, facts } = report
  const layers = runs.layersOf(report.records)
  const records = runs.thinned(report.records, runs.mostRecords(layers.length))
  const curves = records.length > 0 ? runs.runFigures({ layers, records, steps: runs.noSteps }) : []
  const { spikes } = typeof examined === 'string' ? {} : examined
  const looked = spikes ? spikeFigures(spikes) : []
  const body = `<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(ending)}</p>
${cards(report)}
${curves.map((figure) => figureHtml(figure, moreOf(figure, report, layers))).join('')}${
  typeof examined === 'string'
    ? `<section><h2>Answers and spikes</h2><p class="note">${escapeHtml(examined)}</p></section>`
    : answersHtml(examined) +
      looked
        .map((figure) => figureHtml(figure, figure.id === 'raster' ? pictureHtml(spikes!) : ''))
        .join('')
}<section>
<h2>Options, network and machine</h2>
${tableHtml({ title: 'Network', head: ['what', 'value'], rows: facts, cells: 'values' })}
${tableHtml({ title: 'Every option', head: ['option', 'value'], rows: options, cells: 'values' })}
${tableHtml({ title: 'Made by', head: ['what', 'value'], rows: origin, cells: 'values' })}
</section>
`
  return pageHtml({ title, body, figures: [...curves, ...looked], style: shareStyle })
}

const grouped = (value: number): string => value.toLocaleString('en-US')

/** The numbers that are looked at first. */
function cards({ records }: RunReport): string {
  const [last, best] = [records.at(-1), runs.bestOf(records)]
  if (!last) return '<p class="note">No epoch is complete.</p>'
  const figure = ({ testAccuracy, testLoss, trainLoss }: runs.EpochFigures): string =>
    figureText(testAccuracy ?? testLoss ?? trainLoss, testAccuracy !== undefined)
  const names = { testAccuracy: 'test accuracy', testLoss: 'test loss', trainLoss: 'loss' }
  const key = (['testAccuracy', 'testLoss'] as const).find((one) => last[one] !== undefined)
  const what = names[key ?? 'trainLoss']
  const shown: [string, string][] = [
    [figure(last), `${what}, last epoch`],
    ...(best ? [[figure(best), `best ${what}, epoch ${best.epoch}`] as [string, string]] : []),
    [figureText(last.trainLoss), 'train loss, last epoch'],
    [String(last.epoch), last.epoch === 1 ? 'epoch' : 'epochs'],
    [`${Math.round(last.samplesPerSecond)}/s`, 'samples, last epoch'],
  ]
  const items = shown.map(
    ([value, name]) => `<li><b>${escapeHtml(value)}</b><span>${name}</span></li>`,
  )
  return `<ul class="cards">\n${items.join('\n')}\n</ul>`
}

/** Tables below a figure. */
function moreOf({ id }: Figure, { records }: RunReport, layers: readonly string[]): string {
  if (id !== 'rates' || records.length === 0) return ''
  const [first, last] = [records[0], records[records.length - 1]]
  const silent = layers.filter((layer) => records.every((one) => own(one.firingRates, layer) === 0))
  const rows = layers.map((layer) => {
    const all = records.map(({ firingRates }) => own(firingRates, layer) ?? 0)
    const ends = [first, last].map(({ firingRates }) => own(firingRates, layer) ?? 0)
    const range = [minOf(all), maxOf(all)]
    return [
      runs.layerLabel(layer).replaceAll(' ', '\u00a0'),
      ...[...ends, ...range].map((rate) => figureText(rate, true)),
    ]
  })
  const table: Table = {
    title: 'Firing rates of the layers',
    head: ['layer', `epoch ${first.epoch}`, `epoch ${last.epoch}`, 'lowest', 'highest'],
    rows,
  }
  const warning =
    silent.length === 0
      ? ''
      : `<p class="warn">Never fired: ${escapeHtml(silent.map(runs.layerLabel).join(', '))}. Try ` +
        'another learning rate, more time steps, another seed or a lower threshold.</p>\n'
  return `${warning}${tableHtml(table)}`
}

/** Cells of a matrix are as dark as their share of a row, in so many steps. */
const SHARES = 20
const shareStyle = Array.from(
  { length: SHARES + 1 },
  (_, i) => `.share${i} { --share: ${i / SHARES}; }\n`,
).join('')

/** A matrix of more classes would be too wide for a page. */
const MOST_CLASSES = 20
/** Longer lists are of little use. */
const MOST_PAIRS = 30

function answersHtml({ answers, count, of, data }: Examined): string {
  const seen =
    count === of
      ? `All ${of.toLocaleString('en-US')} samples of ${data} were looked at`
      : `${grouped(count)} of the ${grouped(of)} samples of ${data}, ` +
        'at equal distances, were looked at, so that the report takes little time'
  if (!answers) return ''
  const { accuracy, confusion, classNames, worst } = answers
  const note = `${seen}, with the last weights: ${figureText(accuracy, true)} were right.`
  const table =
    confusion.length <= MOST_CLASSES
      ? confusionHtml(confusion, classNames)
      : tableHtml(pairsOf(confusion, classNames))
  return `<section>
<h2>Answers by label</h2>
<p class="note">${escapeHtml(note)}</p>
${table}</section>
<section>
<h2>Samples that were hardest</h2>
<p class="note">Those whose label got the smallest share of the softmax, the smallest first.</p>
<ol class="samples">
${worst.map((sample) => worstHtml(sample, classNames)).join('\n')}
</ol>
</section>
`
}

const nameOf = (names: readonly string[], c: number): string => shortened(names[c] ?? String(c), 40)

function confusionHtml(
  confusion: readonly (readonly number[])[],
  names: readonly string[],
): string {
  const heads = confusion
    .map((_, c) => `<th scope="col" title="${escapeHtml(nameOf(names, c))}">${c}</th>`)
    .join('')
  const rows = confusion.map((counts, label) => {
    const sum = counts.reduce((a, b) => a + b, 0)
    const cells = counts.map((count, answer) => {
      const share = Math.round((SHARES * count) / Math.max(1, sum))
      const kind = label === answer ? ' right' : ''
      return `<td class="share${share}${kind}">${count === 0 ? '' : count}</td>`
    })
    const name = nameOf(names, label)
    const title = name === String(label) ? name : `${label} ${name}`
    return `<tr><th scope="row">${escapeHtml(title)}</th>${cells.join('')}</tr>`
  })
  return wideTable(
    'samples of each label by answer',
    'Samples of each label (rows) by answer (columns)',
    'confusion',
    `<th scope="col">label</th>${heads}`,
    rows,
  )
}

/** For many classes: which were taken for which. */
function pairsOf(confusion: readonly (readonly number[])[], names: readonly string[]): Table {
  const pairs = confusion.flatMap((counts, label) =>
    counts.flatMap((count, answer) =>
      count > 0 && label !== answer ? [{ label, answer, count }] : [],
    ),
  )
  pairs.sort((a, b) => b.count - a.count || a.label - b.label || a.answer - b.answer)
  return {
    title: 'Classes that were taken for another most often',
    head: ['label', 'answer', 'samples'],
    rows: pairs
      .slice(0, MOST_PAIRS)
      .map(({ label, answer, count }) => [
        nameOf(names, label),
        nameOf(names, answer),
        String(count),
      ]),
    cells: 'values',
  }
}

function worstHtml(sample: WorstSample, names: readonly string[]): string {
  const { index, label, answer, ofLabel, ofAnswer, picture } = sample
  const [is, says] = [nameOf(names, label), nameOf(names, answer)]
  const image = picture ? imageHtml(picture, `sample ${index}, label ${is}`) : ''
  const verdict =
    label === answer
      ? `<b>${escapeHtml(is)}</b>, right with ${figureText(ofLabel, true)}`
      : `<b>${escapeHtml(is)}</b> (${figureText(ofLabel, true)}), taken for ` +
        `<b>${escapeHtml(says)}</b> (${figureText(ofAnswer, true)})`
  return `<li>${image}<p>${verdict}<br><span class="note">sample ${index}</span></p></li>`
}

/** Spikes of a sample, and potentials where there are some. */
function spikeFigures({ about, rasters, traces }: Spikes): Figure[] {
  const figure = (id: string, title: string, caption: string, charts: Figure['charts']) => ({
    id,
    title,
    caption,
    charts,
    columns: charts.length > 4 ? 4 : 2,
  })
  const raster = figure(
    'raster',
    'Spikes of one sample',
    `${about} Each row is a neuron, each column a time step; of a large layer, neurons at equal ` +
      'distances.',
    rasters,
  )
  if (!traces) return [raster]
  const caption =
    'One busy neuron of each layer: its potential, as it is compared with the threshold before a ' +
    'spike resets it. Triangles are spikes.'
  return [raster, figure('traces', 'Potentials of the same sample', caption, traces)]
}

const imageHtml = (picture: Picture, alt: string): string =>
  `<img src="${pictureAddress(picture)}" width="${picture.width}" height="${picture.height}" ` +
  `alt="${escapeHtml(alt)}">`

const pictureHtml = ({ picture, about }: Spikes): string =>
  picture ? `<ul class="samples"><li>${imageHtml(picture, about)}</li></ul>\n` : ''
