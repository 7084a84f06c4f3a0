/** A diagnosis as figures: plain data. */

import { mean } from '../base/numbers.js'
import { own } from '../base/objects.js'
import {
  type Axis,
  type Chart,
  type ChartSymbol,
  type Figure,
  packBits,
  type Raster,
  type Series,
} from '../watch/pages/chart.js'
import { escapeHtml, figureHtml, pageHtml, type Table, tableHtml } from '../watch/pages/frame.js'
import {
  type Assumption,
  assumptionKeys,
  assumptions,
  type Cosine,
  claimed,
  type Diagnosis,
  type LayerActivity,
  type Point,
  type Variant,
  variantNames,
} from './diagnosis.js'
import * as report from './report.js'

// Colours and symbols of lines.

const SYMBOLS: readonly ChartSymbol[] = ['circle', 'square', 'diamond', 'triangle', 'cross', 'star']

/** How a line is told from others. */
type Look = Pick<Series, 'colour' | 'share' | 'symbol' | 'open'>

/** By method; those that are much alike differ in more than the colour. */
const methodLooks: Readonly<Partial<Record<Variant, Look>>> = {
  'rate-m': { colour: 0, symbol: 'circle' },
  'rate-s': { colour: 4, symbol: 'square', open: true },
  bptt: { colour: 1, symbol: 'star' },
  ottt: { colour: 2, symbol: 'triangle' },
  sltt: { colour: 3, symbol: 'diamond', open: true },
  os: { colour: 5, symbol: 'cross', open: true },
  'bptt-s': { colour: 8, symbol: 'star', open: true },
  'ottt-o': { colour: 6, symbol: 'triangle', open: true },
  'sltt-1': { colour: 7, symbol: 'cross' },
}

/** A method's colour and symbol: its own, or by its place. */
function methodLook(method: Variant): Look {
  const at = variantNames.indexOf(method)
  return methodLooks[method] ?? { colour: at, symbol: SYMBOLS[at % SYMBOLS.length] }
}

/** Colour and symbol of item `index` of `count` that have an order. */
const look = (index: number, count: number): Look => ({
  share: count < 2 ? 0 : index / (count - 1),
  symbol: SYMBOLS[index % SYMBOLS.length],
})

/** Lines in one chart, and what its axes have of their own. */
interface Panel {
  readonly title: string
  readonly lines: readonly Series[]
  readonly x?: Partial<Axis>
  readonly y?: Partial<Axis>
}

/** Panels side by side, at most so many, with one legend. */
const arrange = (
  panels: readonly Panel[],
  columns: number,
  x: Axis,
  label: string,
): Pick<Figure, 'charts' | 'columns'> => ({
  charts: panels.map(
    (panel): Chart => ({
      title: panel.title,
      x: { ...x, ...panel.x },
      y: { label, ...panel.y },
      series: panel.lines.map(({ y, mode = 'both', ...line }) => ({
        ...line,
        mode,
        y: y.map((value) => (value === null ? null : Number(value.toPrecision(5)))),
      })),
    }),
  ),
  columns,
})

/** Charts of layers that stand side by side. */
const columnsOf = (layers: number): number => (layers > 4 ? 4 : Math.min(layers, 2))

// A raster of spikes, and rates over time.

/** Nothing where no spikes were recorded. */
function activityFigures({ activity, setup }: Diagnosis): Figure[] {
  if (!activity) return []
  const { timeSteps: T, dataset, samples, label, predicted } = activity
  const layers = Object.entries(activity.layers)
  const title = (name: string): string => own(setup.layers, name) ?? name
  const rasters = layers.map(([name, { neurons, rows, spikeRows, spikeSteps }], i): Raster => {
    const shown = rows < neurons ? `${rows} of ${neurons}` : `${neurons}`
    const spikes = new Set(spikeRows.map((row, at) => (row - 1) * T + spikeSteps[at] - 1))
    const { share = 0 } = look(i, layers.length)
    return {
      title: `${title(name)}, ${shown}`,
      rows,
      steps: T,
      share,
      ...packBits(rows, T, (row, step) => spikes.has(row * T + step)),
    }
  })
  const rates = (head: string, of: (layer: LayerActivity) => readonly number[]): Panel => ({
    title: head,
    x: { range: [0.5, T + 0.5] },
    lines: layers.map(([name, layer], i) => ({
      name: title(name),
      x: of(layer).map((_, t) => t + 1),
      y: of(layer),
      ...look(i, layers.length),
    })),
  })
  const of = label === undefined ? '' : `, class ${label}, for which it says ${predicted}`
  return [
    {
      id: 'raster',
      title: `Spikes of one sample by layer, T ${T}`,
      caption:
        `Which neuron fires at which time step, at the end of training: the first sample of ` +
        `${dataset}${of}. Each row is a neuron, each column a step; of a large layer, neurons at ` +
        'equal distances.',
      charts: rasters,
      columns: columnsOf(layers.length),
    },
    {
      id: 'activity',
      title: `Firing rate of every layer over time, T ${T}`,
      caption:
        'Share of a layer’s neurons that fire at each time step, at the end of training. Spikes ' +
        'need a few steps to get through deep layers, which then fire late.',
      ...arrange(
        [
          rates(`mean of ${samples} samples of ${dataset}`, (layer) => layer.rates),
          rates('the sample above', (layer) => layer.sampleRates),
        ],
        2,
        { label: 'time step t' },
        'spikes per neuron',
      ),
    },
  ]
}

/** All figures, in the order of the page. */
export function figures(diagnosis: Diagnosis): Figure[] {
  const all = [
    overTime(diagnosis),
    whileTraining(diagnosis),
    gradients(diagnosis),
    times(diagnosis),
    memory(diagnosis),
    ...processes(diagnosis),
    rates(diagnosis),
    ...activityFigures(diagnosis),
  ]
  // A letter of its own for each.
  return all.map((figure, i) => ({
    ...figure,
    title: `(${String.fromCharCode(97 + i)}) ${figure.title}`,
  }))
}

function overTime(diagnosis: Diagnosis): Figure {
  const compared = report.comparable(diagnosis)
  const T = compared.map(({ timeSteps }) => timeSteps)
  const ends = compared.map(({ points }) => points.at(-1)!)
  const panels = assumptionKeys.map((key) => ({
    title: `${key.toUpperCase()} by ${assumptions[key].each}`,
    x: { ticks: numberTicks(T) },
    y: { range: cosineRange(ends) },
    lines: layerLines(diagnosis, key, (layer) => ({
      x: T,
      y: ends.map((point) => own(point[key], layer) ?? null),
    })),
  }))
  return {
    id: 'assumptions',
    title: 'The paper’s assumptions over T, at the end of training with BPTT',
    caption:
      'Cosines of the two sides of each assumption: A1 and A2 say that errors are independent in ' +
      'time of the neuron’s response κ and of the incoming spikes s; A3, that the rate gradient ' +
      'points where that of BPTT does. The method rests on all three being near 1. The vertical ' +
      `axes are zoomed: they start at ${cosineRange(ends)[0].toFixed(3)}.`,
    ...arrange(panels, 3, { label: 'time steps T', log: true }, 'cosine'),
  }
}

function whileTraining(diagnosis: Diagnosis): Figure {
  const chosen = report.spread(report.comparable(diagnosis), 4)
  const panels = assumptionKeys.flatMap((key) =>
    chosen.map(({ timeSteps, points }) => ({
      y: {
        range: cosineRange(chosen.flatMap((one) => one.points.map((p) => ({ [key]: p[key] })))),
      },
      title: `${key.toUpperCase()}, T ${timeSteps}`,
      lines: layerLines(diagnosis, key, (layer) => ({
        x: points.map(({ step }) => step),
        y: points.map((point) => own(point[key], layer) ?? null),
      })),
    })),
  )
  return {
    id: 'training',
    title: 'The paper’s assumptions while training with BPTT',
    caption:
      'The same cosines from the first to the last optimizer step: the assumptions must hold all ' +
      'through training, not for trained networks alone. The vertical axes of each row are ' +
      'zoomed to its values.',
    ...arrange(panels, chosen.length, { label: 'optimizer step' }, 'cosine'),
  }
}

function gradients(diagnosis: Diagnosis): Figure {
  const compared = report.comparable(diagnosis)
  const parameters = compared[0].gradients.map(({ parameter }) => parameter)
  const panel = (title: string, key: 'cosine' | 'normRatio'): Panel => {
    const values = compared
      .flatMap(({ gradients: list }) => list.map((match) => match[key]))
      .filter((value) => value !== null)
    const [low, high] = [Math.min(1, ...values), Math.max(1, ...values)]
    const pad = Math.max(0.001, (high - low) * 0.12)
    const lines = compared.map(({ timeSteps, gradients: list }, i): Series => {
      // The values of one parameter stand side by side.
      const shift = ((i + 0.5) / compared.length - 0.5) * 0.6
      return {
        name: `T ${timeSteps}`,
        x: list.map((_, at) => at + shift),
        y: list.map((match) => match[key]),
        mode: 'points',
        ...look(i, compared.length),
      }
    })
    return {
      title,
      lines,
      x: { ticks: { at: parameters.map((_, at) => at), text: parameters } },
      y: { range: [low - pad, high + pad] },
    }
  }
  return {
    id: 'gradients',
    title: 'Rate gradient against BPTT gradient, by parameter, at the end of training',
    caption:
      'First, direction: cosine of the two gradients. Then, length: norm of T times the rate ' +
      'gradient (the paper divides its loss by T) over the norm of the BPTT gradient. Where the ' +
      'assumptions hold exactly both are 1, as for the last layer. Each vertical axis is zoomed ' +
      'to its values.',
    ...arrange(
      [panel('cosine', 'cosine'), panel('ratio of norms', 'normRatio')],
      1,
      { label: 'parameter' },
      'rate against BPTT',
    ),
  }
}

function times(diagnosis: Diagnosis): Figure {
  const [rate, bptt] = [claimed.rate, claimed.reference].map((method) =>
    report.growthOf(diagnosis.costs, method, 'backwardMs'),
  )
  const measured =
    rate && bptt
      ? ` Measured from T ${rate.first.timeSteps} to T ${rate.last.timeSteps}: ` +
        `×\u00a0${rate.factor.toFixed(2)} for ${claimed.rate}, ` +
        `×\u00a0${bptt.factor.toFixed(2)} for ${claimed.reference}.`
      : ''
  return {
    id: 'time',
    title: 'Time of a training step over T',
    caption:
      `Medians on one thread, batch ${diagnosis.setup.batchSize}. The paper claims that ` +
      'the backward pass of rate-based backpropagation costs the same whatever T is, where ' +
      `that of BPTT and of the online methods grows linearly.${measured}`,
    ...costPanels(diagnosis, 'milliseconds', [
      ['forward pass', ({ forwardMs }) => forwardMs],
      ['backward pass', ({ backwardMs }) => backwardMs],
    ]),
  }
}

const memory = (diagnosis: Diagnosis): Figure => ({
  id: 'memory',
  title: 'Memory of a training step over T',
  caption:
    'First, what the forward pass keeps for the backward pass; then, all memory of the model, ' +
    'parameters and working buffers included. The paper claims O(1) in T for rate-based ' +
    'backpropagation against O(T) for BPTT. All memory of rate-m still grows, since its ' +
    'working buffers hold the currents of all T steps of one layer, where rate-s holds one step.',
  ...costPanels(diagnosis, 'MiB', [
    ['kept for the backward pass', ({ keptBytes }) => report.mebibytes(keptBytes)],
    ['all memory', ({ totalBytes }) => report.mebibytes(totalBytes)],
  ]),
})

/** Memory and time of processes, where they were measured. */
function processes(diagnosis: Diagnosis): Figure[] {
  const { costs, setup } = diagnosis
  const { baseBytes } = setup
  if (baseBytes === undefined) return []
  const measured = { ...diagnosis, costs: costs.filter((cost) => cost.process) }
  return [
    {
      id: 'processes',
      title: 'Memory and time over T, each in a process of its own',
      caption:
        'As figures 3 to 6 of the paper measure them: the most memory that a process has had ' +
        'which makes the model and trains it for some steps, what of it the plan of the model ' +
        `takes, and the time of a step on ${setup.threads} threads. A process that loads the ` +
        `package alone takes ${report.mebibytes(baseBytes).toFixed(0)} MiB.`,
      ...costPanels(measured, 'MiB, or ms', [
        ['peak of the process, MiB', ({ process }) => report.mebibytes(process!.peakBytes)],
        ['plan of the model, MiB', ({ process }) => report.mebibytes(process!.planBytes)],
        ['step, ms', ({ process }) => process!.stepMs],
      ]),
    },
  ]
}

/** A panel for each figure of costs, side by side. */
function costPanels({ costs, setup }: Diagnosis, label: string, shown: readonly report.Measure[]) {
  const panels = shown.map(([title, of]): Panel => {
    const lines = setup.methods.map((method) => {
      const ours = costs.filter((cost) => cost.method === method)
      const x = ours.map(({ timeSteps }) => timeSteps)
      return { name: method, x, y: ours.map(of), ...methodLook(method) }
    })
    return { title, lines, x: { ticks: numberTicks(setup.timeSteps) } }
  })
  return arrange(panels, shown.length, { label: 'time steps T' }, label)
}

function rates({ training, setup }: Diagnosis): Figure {
  const layers = Object.keys(training[0].firingRates)
  const panels = layers.map((layer) => ({
    title: setup.layers[layer],
    lines: training.flatMap(({ timeSteps, firingRates }, i): Series[] => {
      const x = Array.from({ length: timeSteps }, (_, t) => t + 1)
      const style = { name: `T ${timeSteps}`, x, ...look(i, training.length) }
      const line: Series = { ...style, y: firingRates[layer] }
      if (timeSteps === 1) return [line]
      const average = mean(firingRates[layer])
      return [line, { ...style, y: x.map(() => average), mode: 'line', dash: true, quiet: true }]
    }),
  }))
  return {
    id: 'rates',
    title: 'Firing rate by layer and time step, at the end of training',
    caption:
      'Share of a layer’s neurons that fire at each time step; dotted, the mean over time, which ' +
      'is all that the rate-based backward pass knows. The closer a line stays to its mean, the ' +
      'less that leaves out; the paper builds on information being coded in rates.',
    ...arrange(panels, columnsOf(layers.length), { label: 'time step t' }, 'spikes per neuron'),
  }
}

const numberTicks = (numbers: readonly number[]): Axis['ticks'] => ({
  at: numbers,
  text: numbers.map(String),
})

/** One line for each layer, in the same colour in all panels. */
function layerLines(
  { setup, training }: Diagnosis,
  key: Assumption,
  values: (layer: string) => { x: readonly number[]; y: readonly Cosine[] },
): Series[] {
  const { a1, a3 } = training[0].points[0]
  const layers = Object.keys(setup.layers).filter((layer) => layer in a1 || layer in a3)
  const shown = new Set(training.flatMap(({ points }) => Object.keys(points[0][key])))
  return layers.flatMap((layer, i) =>
    shown.has(layer)
      ? [{ name: setup.layers[layer], ...values(layer), ...look(i, layers.length) }]
      : [],
  )
}

/** From a little below the lowest cosine to a little above 1. */
function cosineRange(points: readonly Partial<Point>[]): [number, number] {
  const cosines = points
    .flatMap((point) => assumptionKeys.flatMap((key) => Object.values(point[key] ?? {})))
    .filter((value) => value !== null)
  const span = Math.max(0.001, 1 - Math.min(1, ...cosines))
  return [1 - span * 1.1, 1 + span * 0.1]
}

// A diagnosis as one HTML page that needs no other file and no network.

/** @returns the page; it holds the whole diagnosis as JSON in the element `diagnosis` */
export function page(diagnosis: Diagnosis, origin: report.Origin): Promise<string> {
  const { setup } = diagnosis
  const all = figures(diagnosis)
  const sections = all.map((figure) =>
    figureHtml(figure, (tablesOf[figure.id]?.(diagnosis) ?? []).map(table).join('')),
  )
  return pageHtml({
    title: `spikewasm diagnose: ${setup.network} on ${setup.dataset}`,
    body: `<h1>How well does rate-based backpropagation stand in for BPTT?</h1>
<p class="lead">${escapeHtml(describe(diagnosis))}</p>
${table(report.claimTable(diagnosis))}
${sections.join('')}<footer>${escapeHtml(footer(origin))}</footer>
`,
    figures: all,
    data: { diagnosis: report.toJson(diagnosis, origin) },
  })
}

/** Tables below a figure. */
const tablesOf: Readonly<Record<string, (diagnosis: Diagnosis) => readonly Table[]>> = {
  memory: (diagnosis) => [report.costTable(diagnosis)],
  processes: report.processTables,
}

const table = (of: Table): string =>
  tableHtml({ ...of, cells: of.head[0] === 'claim' ? 'text' : 'numbers' })

function describe({ setup, training }: Diagnosis): string {
  const { network, dataset, parameters, batchSize, steps, learningRate, probes, seed } = setup
  const accuracies = training.map(({ testAccuracy }) => (100 * testAccuracy).toFixed(1))
  const T = training.map(({ timeSteps }) => timeSteps)
  return [
    `Network ${network} with ${parameters.toLocaleString('en-US')} parameters on ${dataset}.`,
    `For each T it was trained with BPTT for ${steps} steps of ${batchSize} samples`,
    `(SGD, learning rate ${learningRate} to 0 along a cosine, seed ${seed}),`,
    `to a test accuracy of ${accuracies.join(', ')} % for T ${T.join(', ')}.`,
    `Each cosine is the mean over ${probes} training batches.`,
  ].join(' ')
}

const footer = ({ version, node, processor, cores }: report.Origin): string =>
  `spikewasm ${version}, Node ${node}, ${processor}, ${cores} cores. ` +
  'Method and claims: Yu et al., NeurIPS 2024, arXiv 2410.11488.'
