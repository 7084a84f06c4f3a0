// What the runner says at the end.

const seconds = (value) => value.toFixed(1).padStart(7)

/** Files by processor time, the costliest first. */
export function timesOf(runs) {
  const row = ({ processor, seconds: time }, name) =>
    `${seconds(processor)} ${seconds(time)}  ${name}`
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0)
  return [
    'processor  time  (s)',
    ...runs.toSorted((a, b) => b.processor - a.processor).map((run) => row(run, run.source)),
    row({ processor: sum('processor'), seconds: sum('seconds') }, `sum of ${runs.length} files`),
  ]
}

/** What failed, by file. @param isWhole whether with more than the first line of each reason */
export function failuresOf(runs, isWhole) {
  return runs.flatMap(({ source, failures }) =>
    failures.map(({ name, why }) => {
      const what = name ? `${source}: "${name}"` : source
      return `  FAIL  ${what}: ${isWhole ? why : why.split('\n', 1)[0]}`
    }),
  )
}

/** One line: each reason, and what was skipped for it. */
export function skipsOf(runs) {
  const byReason = new Map()
  const plain = (text) => text.replaceAll(/[;\n]/g, ',')
  for (const { source, skips } of runs)
    for (const { name, reason } of skips) {
      const what = `${source}${name ? ` "${plain(name)}"` : ''}`
      byReason.set(plain(reason), [...(byReason.get(plain(reason)) ?? []), what])
    }
  const parts = [...byReason].map(([reason, what]) => `${reason} (${what.join(', ')})`)
  return `skipped: ${parts.join('; ') || 'nothing'}`
}
