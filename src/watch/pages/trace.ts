/** The potential of a neuron over the steps, its threshold, and when it fires. */

import { type Chart, figureText, type Series } from './chart.js'

/** What one neuron did, step by step. */
export interface Trace {
  readonly title: string
  /** What the spike compares with the threshold; of neurons that give numbers, these. */
  readonly potential: readonly number[]
  readonly threshold?: readonly number[]
  /** 1 at the steps at which it fires, else 0. */
  readonly spikes?: readonly number[]
}

export function traceChart({ title, potential, threshold, spikes }: Trace): Chart {
  const x = potential.map((_, t) => t)
  const fired: Series | undefined = spikes && {
    name: 'spike',
    mode: 'points',
    symbol: 'triangle',
    x,
    y: potential.map((value, t) => (spikes[t] ? value : null)),
  }
  return {
    title,
    x: { label: 'time step' },
    y: { label: 'potential' },
    series: [
      { name: 'potential', x, y: potential },
      ...(threshold ? [{ name: 'threshold', x, y: threshold, dash: true }] : []),
      ...(fired ? [fired] : []),
    ],
  }
}

/** The neuron, by values [T][neurons], that fires most nearly at every second step. */
export function busiest(spikes: ArrayLike<number>, neurons: number): number {
  const steps = spikes.length / neurons
  const score = (neuron: number): number => {
    let sum = 0
    for (let t = 0; t < steps; t++) sum += spikes[t * neurons + neuron]
    // One that always fires shows more than one that never does.
    return Math.min(sum, steps - sum + 0.5)
  }
  let [best, most] = [0, -1]
  for (let neuron = 0; neuron < neurons; neuron++) {
    const own = score(neuron)
    if (own > most) [best, most] = [neuron, own]
  }
  return best
}

const ROWS = 9
/** Columns of a number beside the picture. */
const LEFT = 9

/** The same in letters: * the potential, - the threshold, | a spike. */
export function traceText({ title, potential, threshold, spikes }: Trace, columns: number): string {
  const wide = Math.max(1, Math.min(4, Math.floor((columns - LEFT) / potential.length)))
  const steps = Math.max(1, Math.min(potential.length, Math.floor((columns - LEFT) / wide)))
  const known = [...potential.slice(0, steps), ...(threshold ?? []).slice(0, steps), 0]
  const finite = known.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const rows = Array.from({ length: ROWS }, () => Array<string>(steps * wide).fill(' '))
  /** A number that is none, or infinite, has no place. */
  const draw = (value: number, column: number, sign: string): void => {
    const row = Math.round(((high - value) / (high - low || 1)) * (ROWS - 1))
    if (Number.isFinite(value)) rows[row][column] = sign
  }
  for (let t = 0; t < steps; t++) {
    if (threshold) for (let i = 0; i < wide; i++) draw(threshold[t], t * wide + i, '-')
    draw(potential[t], t * wide, '*')
  }
  const beside = (row: number): string =>
    row === 0 ? figureText(high) : row === ROWS - 1 ? figureText(low) : ''
  const cut = steps < potential.length ? `, the first ${steps} of ${potential.length} steps` : ''
  return [
    `${title}${cut}`,
    ...rows.map((row, i) => `${beside(i).padStart(LEFT - 1)} ${row.join('')}`.trimEnd()),
    ...(spikes
      ? [
          `${'spikes'.padStart(LEFT - 1)} ${spikes
            .slice(0, steps)
            .map((fired) => (fired ? '|' : '.').padEnd(wide))
            .join('')}`.trimEnd(),
        ]
      : []),
  ].join('\n')
}
