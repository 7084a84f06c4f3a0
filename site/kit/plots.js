// Plots and controls that several lessons show, for kit/Figure.vue.

/** The line of a potential over steps: up to where it fires, and from there down. */
export const potentialOf = (steps, first = 1) =>
  steps.flatMap(({ before, spike, after }, t) =>
    [...(spike ? [before] : []), after].map((level) => [t + first, level]),
  )

/** What flows into a neuron, and how long it remembers. */
export const current = { label: 'Input', from: 0, to: 1.2, by: 0.01, start: 0.4 }
export const tau = { label: 'Memory τ', from: 1.1, to: 12, by: 0.1, start: 4 }

/** The steps at which it fires. */
export const spikesOf = (steps) => steps.flatMap(({ spike }, t) => (spike ? [t + 1] : []))

export const spikeCount = (count) => (count === 1 ? '1 spike' : `${count} spikes`)

export const thresholdAt = (at) => ({ at, label: 'threshold', dashed: true })

/** Pairs of numbers from −1 to 1, as dots over what they are; on the line both are equal. */
export const pairsOf = (below, name, dots) => ({
  ...{ name, below, x: [-1.05, 1.05], y: [-1.05, 1.05], dots },
  lines: [{ points: [-1, 1].map((one) => [one, one]), kind: 'second', name: 'equal' }],
})

const percentsFrom = (least) =>
  [least, (least + 1) / 2, 1].map((at, i) => ({ at, label: i ? `${100 * at} %` : '' }))
/** The loss of who guesses among ten classes. */
const guessing = [{ at: 0 }, { at: Math.log(10), label: 'guessing' }]
const kinds = [undefined, 'second', 'third', 'fourth']

/**
 * A plot of lines by epoch, each { points, name }: of accuracies from `least` on, or of losses up to
 * `most`.
 */
export const plotOf = (lines, { most, least = 0 } = {}) => ({
  ...(most
    ? { name: 'loss', y: [0, most], levels: guessing }
    : { name: 'accuracy', y: [least, 1], levels: percentsFrom(least) }),
  height: 130,
  lines: lines.map((line, i) => ({ kind: kinds[i], ...line })),
})

/** A figure of such a plot, from the first epoch to the last. */
export const byEpoch = (lines, range) => {
  const last = lines[0].points.length
  const ends = lines.map(({ name, points }) => `${name} ends at ${points.at(-1)?.[1]}`)
  const shown = { x: [1, last], axes: [['epoch 1', last]], plots: [plotOf(lines, range)] }
  return { label: `By epoch: ${ends.join(', ')}.`, draw: () => shown }
}
