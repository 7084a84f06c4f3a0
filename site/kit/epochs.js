// Curves of runs over epochs, for kit/Figure.vue.
const percents = [{ at: 0 }, { at: 0.5, label: '50 %' }, { at: 1, label: '100 %' }]
/** The loss of who guesses among ten classes. */
const guessing = [{ at: 0 }, { at: Math.log(10), label: 'guessing' }]
const kinds = [undefined, 'second', 'third', 'fourth']

/** A plot of lines, each { points, name }: of accuracies, or of losses up to `most`. */
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
