/** A diagnosis as figures: plain data. */

import { mean } from '../median.js'
import { own } from '../own.js'
import { type Figure, packBits, type Raster } from '../pages/chart.js'
import {
  type Cosine,
  claimed,
  type Diagnosis,
  type LayerActivity,
  type Point,
  type ProcessCost,
} from './diagnosis.js'
import { arrange, type Line, look, methodLook, type Panel } from './panels.js'
import { comparable, growthOf, mebibytes, spread } from './report.js'

// A raster of spikes, and rates over time.

/** Nothing where no spikes were recorded. */
function activityFigures({ activity, setup }: Diagnosis): Figure[] {
  if (!activity) return []
  const { timeSteps: T, dataset, samples, label, predicted } = activity
  const layers = Object.entries(activity.layers)
  const title = (name: string): string => own(setup.layers, name) ?? name
  const xRange: [number, number] = [0.5, T + 0.5]
  const rasters = layers.map(([name, { neurons, rows, spikeRows, spikeSteps }], i): Raster => {
    const shown = rows < neurons ? `${rows} of ${neurons}` : `${neurons}`
    const spikes = new Set(spikeRows.map((row, at) => (row - 1) * T + spikeSteps[at] - 1))
    const { share = 0 } = look(i, layers.length)
    return {
      ...{ title: `${title(name)}, ${shown}`, rows, steps: T, share },
      ...packBits(rows, T, (row, step) => spikes.has(row * T + step)),
    }
  })
  const rates = (head: string, of: (layer: LayerActivity) => readonly number[]): Panel => ({
    title: head,
    xRange,
    lines: layers.map(([name, layer], i) => ({
      name: title(name),
      x: of(layer).map((_, t) => t + 1),
      y: of(layer),
      ...look(i, layers.length),
    })),
  })
  const columns = layers.length > 4 ? 4 : Math.min(layers.length, 2)
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
      columns,
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
        { x: 'time step t', y: 'spikes per neuron' },
      ),
    },
  ]
}

const ASSUMPTIONS = [
  { key: 'a1', title: 'A1 by neuron layer' },
  { key: 'a2', title: 'A2 by weights' },
  { key: 'a3', title: 'A3 by weights' },
] as const

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
  const compared = comparable(diagnosis)
  const T = compared.map(({ timeSteps }) => timeSteps)
  const ends = compared.map(({ points }) => points[points.length - 1])
  const panels = ASSUMPTIONS.map(({ key, title }) => ({
    title,
    ticks: numberTicks(T),
    yRange: cosineRange(ends),
    lines: layerLines(diagnosis, key, (layer) => ({
      x: T,
      y: compared.map(({ points }) => own(points[points.length - 1][key], layer) ?? null),
    })),
  }))
  return {
    id: 'assumptions',
    title: 'The paper’s assumptions over T, at the end of training with BPTT',
    caption:
      'Cosines of the two sides of each assumption: A1 and A2 say that errors are ' +
      'independent in time of the neuron’s response κ and of the incoming spikes s; A3, ' +
      'that the rate gradient points where that of BPTT does. ' +
      `The method rests on all three being near 1. ${zoomNote(ends)}`,
    ...arrange(panels, 3, { x: 'time steps T', y: 'cosine', logX: true }),
  }
}

function whileTraining(diagnosis: Diagnosis): Figure {
  const chosen = spread(comparable(diagnosis), 4)
  const panels = ASSUMPTIONS.flatMap(({ key, title }) =>
    chosen.map(({ timeSteps, points }) => ({
      yRange: cosineRange(
        chosen.flatMap((training) => training.points.map((point) => ({ [key]: point[key] }))),
      ),
      title: `${title.slice(0, 2)}, T ${timeSteps}`,
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
      'The same cosines from the first to the last optimizer step: the assumptions must ' +
      'hold all through training, not for trained networks alone. The vertical axes of ' +
      'each row are zoomed to its values.',
    ...arrange(panels, chosen.length, { x: 'optimizer step', y: 'cosine' }),
  }
}

function gradients(diagnosis: Diagnosis): Figure {
  const compared = comparable(diagnosis)
  const parameters = compared[0].gradients.map(({ parameter }) => parameter)
  const panel = (title: string, key: 'cosine' | 'normRatio'): Panel => {
    const values = compared
      .flatMap(({ gradients: list }) => list.map((match) => match[key]))
      .filter((value) => value !== null)
    const [low, high] = [Math.min(1, ...values), Math.max(1, ...values)]
    const pad = Math.max(0.001, (high - low) * 0.12)
    const lines = compared.map(({ timeSteps, gradients: list }, i): Line => {
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
      ticks: { at: parameters.map((_, at) => at), text: parameters },
      yRange: [low - pad, high + pad],
    }
  }
  return {
    id: 'gradients',
    title: 'Rate gradient against BPTT gradient, by parameter, at the end of training',
    caption:
      'First, direction: cosine of the two gradients. Then, length: norm of T times the ' +
      'rate gradient (the paper divides its loss by T) over the norm of the BPTT ' +
      'gradient. ' +
      'Where the assumptions hold exactly both are 1, as for the last layer. Each ' +
      'vertical axis is zoomed to its values.',
    ...arrange([panel('cosine', 'cosine'), panel('ratio of norms', 'normRatio')], 1, {
      x: 'parameter',
      y: 'rate against BPTT',
    }),
  }
}

function times(diagnosis: Diagnosis): Figure {
  const rate = growthOf(diagnosis.costs, claimed.rate, 'backwardMs')
  const bptt = growthOf(diagnosis.costs, claimed.reference, 'backwardMs')
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
    ...arrange(
      [
        costPanel(diagnosis, 'forward pass', (c) => c.forwardMs),
        costPanel(diagnosis, 'backward pass', (c) => c.backwardMs),
      ],
      2,
      {
        x: 'time steps T',
        y: 'milliseconds',
      },
    ),
  }
}

function memory(diagnosis: Diagnosis): Figure {
  return {
    id: 'memory',
    title: 'Memory of a training step over T',
    caption:
      'First, what the forward pass keeps for the backward pass; then, all memory of the ' +
      'model, parameters and working buffers included. The paper claims O(1) in T for ' +
      'rate-based backpropagation against O(T) for BPTT. ' +
      'All memory of rate-m still grows, since its working buffers hold the currents of ' +
      'all T steps of one layer, where rate-s holds one step.',
    ...arrange(
      [
        costPanel(diagnosis, 'kept for the backward pass', (c) => mebibytes(c.keptBytes)),
        costPanel(diagnosis, 'all memory', (c) => mebibytes(c.totalBytes)),
      ],
      2,
      { x: 'time steps T', y: 'MiB' },
    ),
  }
}

/** Memory and time of processes, where they were measured. */
function processes(diagnosis: Diagnosis): Figure[] {
  const { costs, setup } = diagnosis
  const { baseBytes } = setup
  if (baseBytes === undefined) return []
  const measures: readonly [string, (cost: ProcessCost) => number][] = [
    ['peak of the process, MiB', ({ peakBytes }) => mebibytes(peakBytes)],
    ['plan of the model, MiB', ({ planBytes }) => mebibytes(planBytes)],
    ['step, ms', ({ stepMs }) => stepMs],
  ]
  const measured = { ...diagnosis, costs: costs.filter((cost) => cost.process) }
  const panels = measures.map(([title, value]) =>
    costPanel(measured, title, ({ process }) => value(process as ProcessCost)),
  )
  return [
    {
      id: 'processes',
      title: 'Memory and time over T, each in a process of its own',
      caption:
        'As figures 3 to 6 of the paper measure them: the most memory that a process has had ' +
        'which makes the model and trains it for some steps, what of it the plan of the model ' +
        `takes, and the time of a step on ${setup.threads} threads. A process that loads the ` +
        `package alone takes ${mebibytes(baseBytes).toFixed(0)} MiB.`,
      ...arrange(panels, 3, { x: 'time steps T', y: 'MiB, or ms' }),
    },
  ]
}

function costPanel(
  { costs, setup }: Diagnosis,
  title: string,
  value: (cost: Diagnosis['costs'][number]) => number,
): Panel {
  const lines = setup.methods.map((method) => {
    const ours = costs.filter((cost) => cost.method === method)
    return {
      name: method,
      x: ours.map(({ timeSteps }) => timeSteps),
      y: ours.map(value),
      ...methodLook(method),
    }
  })
  return { title, lines, ticks: numberTicks(setup.timeSteps) }
}

function rates({ training, setup }: Diagnosis): Figure {
  const layers = Object.keys(training[0].firingRates)
  const panels = layers.map((layer) => ({
    title: setup.layers[layer],
    lines: training.flatMap(({ timeSteps, firingRates }, i): Line[] => {
      const x = Array.from({ length: timeSteps }, (_, t) => t + 1)
      const style = { name: `T ${timeSteps}`, x, ...look(i, training.length) }
      const average = mean(firingRates[layer])
      return [
        { ...style, y: firingRates[layer] },
        ...(timeSteps > 1
          ? [
              {
                ...style,
                y: x.map(() => average),
                mode: 'line' as const,
                dash: true,
                quiet: true,
              },
            ]
          : []),
      ]
    }),
  }))
  return {
    id: 'rates',
    title: 'Firing rate by layer and time step, at the end of training',
    caption:
      'Share of a layer’s neurons that fire at each time step; dotted, the mean over ' +
      'time, which is all that the rate-based backward pass knows. The closer a line ' +
      'stays to its mean, the less that leaves out; the paper builds on information ' +
      'being coded in rates.',
    ...arrange(panels, Math.min(layers.length, layers.length > 4 ? 4 : 2), {
      x: 'time step t',
      y: 'spikes per neuron',
    }),
  }
}

const numberTicks = (numbers: readonly number[]): Panel['ticks'] => ({
  at: numbers,
  text: numbers.map(String),
})

/** One line for each layer, in the same colour in all panels. */
function layerLines(
  { setup, training }: Diagnosis,
  key: 'a1' | 'a2' | 'a3',
  values: (layer: string) => { x: readonly number[]; y: readonly Cosine[] },
): Line[] {
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
function cosineRange(
  points: readonly Partial<Pick<Point, 'a1' | 'a2' | 'a3'>>[],
): [number, number] {
  const cosines = points
    .flatMap(({ a1, a2, a3 }) => [a1, a2, a3].flatMap((group) => Object.values(group ?? {})))
    .filter((value) => value !== null)
  const span = Math.max(0.001, 1 - Math.min(1, ...cosines))
  return [1 - span * 1.1, 1 + span * 0.1]
}

const zoomNote = (points: readonly Point[]): string =>
  `The vertical axes are zoomed: they start at ${cosineRange(points)[0].toFixed(3)}.`
