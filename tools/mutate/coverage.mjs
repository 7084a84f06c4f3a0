// Which lines of src each test file runs, its child processes and threads included: by V8's own
// counts of blocks, and the source maps. A mutant needs no test that never runs its line. What runs
// in a browser is not seen. build/coverage.json keeps the answers; a test file runs again when it,
// or anything but tests, has changed.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runGroup } from '../runner/group.mjs'
import { filesOf } from '../sources.mjs'

const FILE = 'build/coverage.json'
const LONGEST_TEST_SECONDS = 300

export const testFiles = () => filesOf('test').filter((path) => path.endsWith('.test.ts'))

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** The points of a source map: [line, column, line of the source], all from 0. */
export function pointsOf(mappings) {
  const points = []
  let sourceLine = 0
  for (const [line, segments] of mappings.split(';').entries()) {
    let column = 0
    for (const segment of segments.split(',').filter(Boolean)) {
      const numbers = []
      let [value, shift] = [0, 0]
      for (const digit of segment) {
        const bits = DIGITS.indexOf(digit)
        value |= (bits & 31) << shift
        shift += 5
        if (bits & 32) continue
        numbers.push(value & 1 ? -(value >> 1) : value >> 1)
        value = shift = 0
      }
      column += numbers[0]
      sourceLine += numbers[2] ?? 0
      if (numbers.length > 1) points.push([line, column, sourceLine])
    }
  }
  return points
}

const points = new Map()
/** The points of a built file: [offset, line of the source from 1], by offset. */
function pointsIn(file) {
  if (points.has(file)) return points.get(file)
  const starts = [0]
  const text = readFileSync(file, 'utf8')
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  const { mappings } = JSON.parse(readFileSync(`${file}.map`, 'utf8'))
  const found = pointsOf(mappings).map(([line, column, of]) => [starts[line] + column, of + 1])
  points.set(file, found)
  return found
}

/** Adds the lines that a script has run; of two ranges that hold a point the smaller one counts. */
function addLines(lines, file, functions) {
  const found = pointsIn(file)
  const from = (offset) => {
    let [low, high] = [0, found.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (found[middle][0] < offset) low = middle + 1
      else high = middle
    }
    return low
  }
  const ran = new Uint8Array(found.length)
  const size = ({ startOffset, endOffset }) => endOffset - startOffset
  const ranges = functions.flatMap(({ ranges }) => ranges).sort((a, b) => size(b) - size(a))
  for (const { startOffset, endOffset, count } of ranges)
    ran.fill(count > 0 ? 1 : 0, from(startOffset), from(endOffset))
  for (const [at, [, line]] of found.entries()) if (ran[at]) lines.add(line)
}

/** What V8 has written; a process that was killed meanwhile leaves half of it. */
function resultOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).result
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

/** Lines by source, from the files that V8 has written into a folder. */
function linesOf(folder) {
  const root = pathToFileURL(`${process.cwd()}/build/src/`).href
  const lines = new Map()
  for (const name of readdirSync(folder)) {
    for (const { url, functions } of resultOf(join(folder, name))) {
      const path = url.startsWith(root) ? url.slice(root.length) : ''
      if (!existsSync(`build/src/${path}.map`) || !path.endsWith('.js')) continue
      const source = `src/${path.replace(/js$/, 'ts')}`
      if (!lines.has(source)) lines.set(source, new Set())
      addLines(lines.get(source), `build/src/${path}`, functions)
    }
  }
  return Object.fromEntries(
    [...lines].map(([source, set]) => [source, [...set].sort((a, b) => a - b)]),
  )
}

/**
 * Runs built test files in one process, until the first failure.
 * @returns the file that failed; undefined: all passed
 */
export async function runTestFiles(paths, limit, { cwd = '.', env = {} } = {}) {
  const files = paths.map((path) => ({
    source: path,
    built: `build/${path.replace(/\.ts$/, '.js')}`,
  }))
  const { runs } = await runGroup(files, {
    ...{ limit, cwd, failed: () => true },
    env: { ...process.env, SPIKEWASM_ALL_THREADS: '1', ...env },
  })
  return runs.find(({ failed }) => failed > 0)?.source ?? paths[runs.length]
}

/** Runs a test file, and returns what it covers. */
async function cover(path) {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-coverage-'))
  const env = { NODE_V8_COVERAGE: folder }
  const start = performance.now()
  const failure = await runTestFiles([path], LONGEST_TEST_SECONDS, { env })
  const seconds = (performance.now() - start) / 1000
  const lines = linesOf(folder)
  rmSync(folder, { recursive: true, force: true })
  return { passed: !failure, seconds: Number(seconds.toFixed(1)), lines }
}

function hashOf(paths) {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(path)).update('\0')
  return hash.digest('hex')
}

/**
 * What each test file covers: `{ passed, seconds, lines: { 'src/x.ts': [1, 2, …] } }` by its path.
 * Two run at a time. What has been found stands in the file at once, so that a run can go on.
 */
export async function coverage() {
  const tests = testFiles()
  const rest = ['src', 'assembly', 'test'].flatMap(filesOf).filter((path) => !tests.includes(path))
  const common = hashOf(rest)
  const before = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {}
  const keyOf = (path) => `${common} ${hashOf([path])}`
  const found = Object.fromEntries(
    tests.filter((path) => before[path]?.key === keyOf(path)).map((path) => [path, before[path]]),
  )
  const left = tests.filter((path) => !found[path])
  const all = left.length
  const lane = async () => {
    for (let path = left.shift(); path; path = left.shift()) {
      found[path] = { key: keyOf(path), ...(await cover(path)) }
      writeFileSync(FILE, JSON.stringify(found))
      console.log(`covered ${all - left.length} of ${all}: ${path}`)
    }
  }
  await Promise.all([lane(), lane()])
  return found
}
