// Plots that several lessons show, for kit/Figure.vue.

/** The line of a potential over steps: up to where it fires, and from there down. */
export const potentialOf = (steps, first = 1) =>
  steps.flatMap(({ before, spike, after }, t) =>
    [...(spike ? [before] : []), after].map((level) => [t + first, level]),
  )

/** The steps at which it fires. */
export const spikesOf = (steps) => steps.flatMap(({ spike }, t) => (spike ? [t + 1] : []))

export const thresholdAt = (at) => ({ at, label: 'threshold', dashed: true })

/** Pairs of numbers from −1 to 1, as dots; on the line both are equal. */
export const pairsOf = (name, dots) => ({
  ...{ name, x: [-1.05, 1.05], y: [-1.05, 1.05], height: 200, dots },
  lines: [
    {
      points: [
        [-1, -1],
        [1, 1],
      ],
      kind: 'second',
    },
  ],
})

const percents = [{ at: 0 }, { at: 0.5, label: '50 %' }, { at: 1, label: '100 %' }]
/** The loss of who guesses among ten classes. */
const guessing = [{ at: 0 }, { at: Math.log(10), label: 'guessing' }]
const kinds = [undefined, 'second', 'third', 'fourth']

/** A plot of lines by epoch, each { points, name }: of accuracies, or of losses up to `most`. */
export const plotOf = (lines, most) => ({
  ...(most
    ? { name: 'loss', y: [0, most], levels: guessing }
    : { name: 'accuracy', levels: percents }),
  height: 130,
  lines: lines.map((line, i) => ({ kind: kinds[i], ...line })),
})

/** A figure of such a plot, from the first epoch to the last. */
export const byEpoch = (lines, most) => {
  const last = lines[0].points.length
  const ends = lines.map(({ name, points }) => `${name} ends at ${points.at(-1)?.[1]}`)
  const shown = { x: [1, last], axes: [['epoch 1', last]], plots: [plotOf(lines, most)] }
  return { label: `By epoch: ${ends.join(', ')}.`, draw: () => shown }
}
