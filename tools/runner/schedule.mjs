// Which test files share a process, and what runs beside what. Files share processes: to start one,
// to read all modules of the source and to compile the engine takes longer than most files, and
// code that is hot already runs faster. A file that needs something else says so in a line at its
// top:
//
//   // runs: apart   in a process of its own: it counts what the process does (threads that start,
//                    memory, warnings), or changes it for good
//   // runs: waits   apart, and in a third lane: it mostly waits for locks that expire, processes
//                    that end, signals and files
//   // runs: alone   apart, behind all others: it looks at times, or needs all processors
import { readFileSync } from 'node:fs'

const WAYS = ['apart', 'waits', 'alone']
/** A process that takes longer is shared no further, so that both lanes end at about one time. */
const GROUP_SECONDS = 40

/** How a file runs: one of the words above, or `shared`. */
export function wayOf(path) {
  const [top] = readFileSync(path, 'utf8').split(/^import /m, 1)
  const way = /^\/\/ runs: (.*)$/m.exec(top)?.[1] ?? 'shared'
  if (way !== 'shared' && !WAYS.includes(way))
    throw new Error(`${path} runs: ${way}; it must be one of ${WAYS.join(', ')}`)
  return way
}

/**
 * Groups of files that share a process, the longest first.
 *
 * @param seconds processor time of files, by path; a file that has none is new
 * @param isApart whether each file has a process of its own
 * @returns groups for the two `lanes`, for the third (`waiting`), and those that run `alone`
 */
export function scheduleOf(paths, seconds, isApart) {
  const costOf = (group) => group.reduce((sum, path) => sum + (seconds[path] ?? 1), 0)
  const of = new Map(['shared', ...WAYS].map((way) => [way, []]))
  for (const path of paths) of.get(wayOf(path)).push(path)
  const single = (list) => list.map((path) => [path])
  const groups = []
  for (const path of isApart ? [] : of.get('shared')) {
    const open = groups.at(-1)
    if (open && costOf(open) + costOf([path]) <= GROUP_SECONDS) open.push(path)
    else groups.push([path])
  }
  const lanes = [...groups, ...single(isApart ? of.get('shared') : []), ...single(of.get('apart'))]
  const longestFirst = (list) => list.sort((a, b) => costOf(b) - costOf(a))
  return {
    lanes: longestFirst(lanes),
    waiting: longestFirst(single(of.get('waits'))),
    alone: single(of.get('alone')),
  }
}
