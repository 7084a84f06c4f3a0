// The figures of this lesson: what each shows for what its controls say.
import { current, potentialOf, spikeCount, tau, thresholdAt } from '../../kit/plots.js'
import { data } from './run.data.js'

const load = () => import('./neuron.js')
const at = (list) => list.map((y, i) => [data.places[i], y])
const overInput = { x: [0, 1.5], axes: [['input 0', 0.5, 1, 1.5]] }
const unit = [{ at: 0 }, { at: 1, label: '1' }]

export const stairs = {
  label: 'Firing rate over input: a stair.',
  controls: {
    input: { label: 'Input', from: 0, to: 1.49, by: 0.01, start: 0.4 },
    steps: { label: 'Steps', options: ['4', '16', '64'], start: '4' },
  },
  draw({ input, steps }) {
    const rates = data.stairs[steps]
    const index = data.inputs.indexOf(input)
    const spikesAt = (i) => spikeCount(Math.round(rates[i] * steps))
    const [now, next] = [spikesAt(index), spikesAt(index + 1)]
    const lines = [data.inputs.flatMap((x, i) => [x, x + 0.01].map((end) => [end, rates[i]]))]
    const more = `With ${(input + 0.01).toFixed(2)}: ${now === next ? 'the same' : next}.`
    return {
      ...overInput,
      plots: [{ name: 'firing rate', lines, chosen: [[input, rates[index]]], levels: unit }],
      says: `Input ${input.toFixed(2)}: ${now} in ${steps} steps. ${more}`,
    }
  },
}

const inputOf = (label) => ({ label, from: 0, to: 1.5, by: 0.05, start: 0.8 })

/** Where a hundred neurons stand; who has much luck and who has little stand mixed. */
const people = Array.from({ length: 100 }, (_, i) => [(37 * i + 11) % 25, (37 * i + 11) % 4])
const among = { name: 'who fires', x: [-0.5, 24.5], y: [-0.5, 3.5], height: 80 }

export const crowd = {
  label: 'A crowd: who fires, the share that fires over the input, and its slope.',
  controls: { input: inputOf('Input of all') },
  draw({ input }) {
    const { rows, surrogate } = data.one
    const { rate } = rows[data.places.indexOf(input)]
    const count = Math.round(100 * rate)
    const lines = [at(rows.map((row) => row.rate))]
    const line = { points: at(surrogate), kind: 'second', name: 'surrogate' }
    const dots = at(rows.map(({ slope }) => slope))
    return {
      ...overInput,
      plots: [
        { ...among, dots: people, chosen: people.slice(0, count) },
        { name: 'share', lines, height: 110, chosen: [[input, rate]], levels: unit },
        { name: 'slope', lines: [line], height: 90, dots, y: [0, 1.1] },
      ],
      says: `${count} of 100 fire.`,
    }
  },
}

export const steps = {
  load,
  label: 'A neuron over 16 steps: potential, surrogate, and what each step adds.',
  controls: { current, tau: { ...tau, to: 8 } },
  draw(settings, live) {
    const rows = live?.steps(settings) ?? data.steps
    const [surrogates, adds] = ['surrogates', 'adds'].map((name) => rows.map((row) => row[name]))
    const lines = [potentialOf(rows, 0.5)]
    const sum = adds.reduce((a, b) => a + b)
    return {
      x: [0, 16],
      axes: [['step 1', 16]],
      plots: [
        { name: 'potential', height: 110, y: [0, 1.7], lines, levels: [thresholdAt(1)] },
        { name: 'surrogate', height: 60, bars: surrogates },
        { name: 'adds', height: 90, y: [0, settings.tau], bars: adds },
      ],
      says: `Sum ${sum.toFixed(1)}, divided by 16 steps: eligibility ${(sum / 16).toFixed(2)}.`,
    }
  },
}

export const slope = {
  load,
  label: 'Firing rate over input, and its slope.',
  controls: {
    input: inputOf('Input'),
    tau: { label: 'Memory τ', options: ['1.25', '2', '4'], start: '1.25' },
  },
  draw({ input, tau }, live) {
    const { rows, left, counted } = tau === '1.25' ? data.many : live.slopes(Number(tau))
    const index = data.places.indexOf(input)
    const { rate, slope } = rows[index]
    const tangent = [-0.12, 0.12].map((by) => [input + by, rate + by * left[index]])
    const lines = [at(rows.map((row) => row.rate)), { points: tangent, kind: 'tangent' }]
    const kept = [
      { points: at(left), kind: 'second', name: 'eligibility' },
      { points: at(counted), kind: 'third', name: 'with the reset' },
    ]
    const dots = at(rows.map((row) => row.slope))
    const y = [0, Math.ceil(Math.max(...left))]
    const [a, b] = [left[index], counted[index]].map((value) => value.toFixed(2))
    return {
      ...overInput,
      plots: [
        { name: 'firing rate', height: 130, lines, chosen: [[input, rate]], levels: unit },
        { name: 'slope', height: 120, y, lines: kept, dots, levels: unit },
      ],
      says: `Measured ${slope.toFixed(2)}, eligibility ${a}, with the reset ${b}.`,
    }
  },
}

const { deep } = data
const memory = (method) => deep.map((row, i) => [i, row[method] / 1000])
const memories = {
  ...{ name: 'memory', y: [0, 300] },
  levels: [0, 150, 300].map((at) => ({ at, label: at && `${at} kB` })),
  lines: [
    { points: memory('rate'), name: 'one pass' },
    { points: memory('bptt'), kind: 'second', name: 'through all steps' },
  ],
}

export const onePass = {
  label: 'Memory for the way back, over the number of steps: constant for one pass, else it grows.',
  draw: () => ({
    x: [0, deep.length - 1],
    axes: [deep.map(({ timeSteps }) => timeSteps), deep.map(({ cosine }) => cosine.toFixed(3))],
    axisNames: ['steps', 'cosine'],
    plots: [memories],
  }),
}
