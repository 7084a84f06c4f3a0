// Measures how much the tests notice: puts one small mistake after another into copies of the
// project, and runs tests until one fails.
//
//   npm run mutate -- [FOLDER…] [--count 60] [--seed 1] [--near] [--lanes 2]
//
// Mutants are drawn from src (but src/bench) and assembly, or from the folders named: a line of
// code, then a change on it (mutate/mutants.mjs). A mutant is run against the tests that run its
// line (mutate/coverage.mjs): those of its folder and the golden trainings first, then, unless
// --near, all others. So a survivor has passed the whole suite. No mutant counts as equivalent.
// Prints the survivors, and the score of each folder.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Copy } from './mutate/copy.mjs'
import { coverage } from './mutate/coverage.mjs'
import { applyMutant, drawMutants } from './mutate/mutants.mjs'
import { flag, integer, readOptions, refuse } from './options.mjs'
import { filesOf } from './sources.mjs'

/** Which files have mutants. */
function sourcesOf(folders) {
  const all = ['src', 'assembly']
    .flatMap(filesOf)
    .filter((path) => path.endsWith('.ts') && !/\.d\.ts$|^assembly\/generated\//.test(path))
  if (folders.length === 0) return sourcesOf(['src', 'assembly'])
  return folders.flatMap((folder) => {
    const below = all
      .filter((path) => path === folder || path.startsWith(`${folder}/`))
      .filter((path) => folder !== 'src' || !path.startsWith('src/bench/'))
    if (below.length > 0) return below
    return refuse(`${folder} holds no source; name a folder or file such as src/compile`)
  })
}

const words = (path) =>
  path
    .replace(/(\.test)?\.ts$/, '')
    .split(/[/-]/)
    .slice(1)

/** Tests in browsers run copies of the sources, which coverage does not see. */
const opensPages = (test) => /support\/(browser|chromium|page)\.js/.test(readFileSync(test, 'utf8'))
const isInPages = (path) =>
  /^(assembly|src\/watch\/client|src\/engine\/page)\//.test(path) ||
  /^src\/(base|compile|data|edge|engine|files|kernels|model|network|nn|ops|train)\//.test(path)

/**
 * The tests that may notice a mutant, the likeliest first: by what their names share with the
 * file's, then by what they cost. Those in browsers come last.
 */
function testsOf({ path, line }, covered, onlyNear) {
  const isEngine = path.startsWith('assembly/')
  const runs = ({ lines }) =>
    isEngine ? 'src/engine/load.ts' in lines : lines[path]?.includes(line)
  const rowOf = ([test, found]) => {
    const shared = words(path).filter((word) => words(test).includes(word)).length
    const near =
      shared > 0 ||
      test.startsWith('test/golden/') ||
      (isEngine && test.startsWith('test/assembly/'))
    const inPage = opensPages(test) && isInPages(path)
    return { test, near, shared, inPage, seconds: found.seconds }
  }
  return Object.entries(covered)
    .filter(([, found]) => found.passed)
    .filter(([test, found]) => runs(found) || (opensPages(test) && isInPages(path)))
    .map(rowOf)
    .filter(({ near }) => near || !onlyNear)
    .sort(
      (a, b) =>
        a.inPage - b.inPage || b.near - a.near || b.shared - a.shared || a.seconds - b.seconds,
    )
}

/** Tries mutants in one copy until enough have been tried. */
async function tryMutants(mutants, covered, { count, near }, results) {
  const copy = new Copy()
  try {
    for (const mutant of mutants) {
      const { path, line, operator, from, to } = mutant
      const original = readFileSync(path, 'utf8')
      const text = applyMutant(original, mutant)
      const change = { path, text, original }
      if (!(await copy.write(change))) {
        copy.restore(change)
        continue
      }
      if (results.length === count) break
      const result = { path, line, operator, from: excerpt(from), to: excerpt(to) }
      results.push(result)
      const tests = testsOf(mutant, covered, near)
      result.by = await copy.firstFailure(tests, change)
      const state = result.by ? `killed by ${result.by}` : `SURVIVES ${tests.length} test files`
      console.log(`${results.indexOf(result) + 1} ${show(result)}: ${state}`)
    }
  } finally {
    copy.remove()
  }
}

const excerpt = (text) => {
  const line = text.replace(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}...` : line
}
const show = ({ path, line, operator, from, to }) =>
  `${path}:${line} ${operator}, ${from} -> ${to || 'nothing'}`

/** src/kernels/records/activity.ts belongs to src/kernels. */
const folderOf = (path) =>
  path
    .split('/')
    .slice(0, 2)
    .join('/')
    .replace(/\/[^/]*\.ts$/, '')

function printScores(results) {
  const rows = new Map()
  for (const { path, by } of results)
    for (const name of [folderOf(path), path.split('/')[0], 'all']) {
      const [killed, all] = rows.get(name) ?? [0, 0]
      rows.set(name, [killed + (by ? 1 : 0), all + 1])
    }
  console.log('\n| folder | killed | mutants | score |\n| --- | --- | --- | --- |')
  for (const [name, [killed, all]] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`| \`${name}\` | ${killed} | ${all} | ${Math.round((100 * killed) / all)} % |`)
}

const { near, count, seed, lanes, positionals } = readOptions(
  {
    near: flag,
    count: integer(60),
    seed: integer(1, 0),
    lanes: integer(Math.min(2, availableParallelism())),
  },
  true,
)
const sources = sourcesOf(positionals)
const covered = await coverage()
for (const [test, { passed }] of Object.entries(covered))
  if (!passed) console.log(`${test} fails without any mutant, and is left out`)
const mutants = drawMutants(
  sources.map((path) => [path, readFileSync(path, 'utf8')]),
  seed,
)
const results = []
const lane = () => tryMutants(mutants, covered, { count, near }, results)
await Promise.all(Array.from({ length: lanes }, lane))
const survivors = results.filter(({ by }) => !by)
console.log(survivors.length > 0 ? '\nSurvivors:' : '\nNo survivor.')
for (const result of survivors) console.log(show(result))
printScores(results)
