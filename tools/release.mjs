// Looks whether a release can be made: the files that name a version name the same one.
//
//   npm run release                        what is wrong, with exit code 1
//   npm run release -- --tag v0.1.0        the tag is the version, and placeholders are filled in
//   npm run release -- --twice             the package is built and packed twice, in folders of
//                                          different names: its files must be the same bytes
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { flag, readOptions, text } from './options.mjs'

const own = fileURLToPath(new URL('..', import.meta.url))

/** Names that whoever publishes fills in. */
const placeholder = /\b(OWNER|GIVEN-NAME|FAMILY-NAME)\b/
const left = /^(node_modules|build|dist|cache|\.temp|\.git|runs)$/

/** The files that have placeholders: texts that a release shows, not the tools that look for them. */
export function filesWithPlaceholders(root = own) {
  const found = []
  const look = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (left.test(entry.name) || /^(test|tools|assembly|bench|CONTRIBUTING\.md)$/.test(path))
        continue
      if (entry.isDirectory()) look(path)
      else if (placeholder.test(readFileSync(join(root, path), 'latin1'))) found.push(path)
    }
  }
  look('')
  return found.sort()
}

/** What is wrong with the files of a version. */
export function problemsOf(root = own, tag) {
  const read = (path) => readFileSync(join(root, path), 'utf8')
  const { version } = JSON.parse(read('package.json'))
  const problems = []
  for (const [path, pattern] of [
    ['CITATION.cff', /^version: (.+)$/m],
    ['src/base/version.ts', /VERSION = '(.+)'/],
    ['CHANGELOG.md', /^## \[(.+?)\]/m],
    ['docs/web.md', /npm\/spikewasm@([^/]+)/],
  ]) {
    const named = pattern.exec(read(path))?.[1]
    if (named !== version) problems.push(`${path} names version ${named}, package.json ${version}`)
  }
  if (tag === undefined) return problems
  if (tag !== `v${version}`) problems.push(`the tag is ${tag}, the version ${version}`)
  if (/^## \[.+?\] - (?!\d{4}-\d\d-\d\d$)/m.test(read('CHANGELOG.md')))
    problems.push('CHANGELOG.md has no date at its top')
  for (const path of filesWithPlaceholders(root))
    problems.push(`${path} has placeholders; CONTRIBUTING.md says what to fill in`)
  return problems
}

const run = (command, args, cwd) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 })

/** Hashes of the files of the package, built from nothing in a folder of this name. */
function packedIn(folder) {
  const tracked = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], own)
  for (const path of tracked.split('\0').filter(Boolean)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    cpSync(join(own, path), join(folder, path))
  }
  symlinkSync(join(own, 'node_modules'), join(folder, 'node_modules'), 'junction')
  run(process.execPath, ['tools/build.mjs'], folder)
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json'], folder))
  mkdirSync(join(folder, 'packed'))
  run('tar', ['-xzf', filename, '-C', 'packed'], folder)
  const hashOf = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')
  const files = readdirSync(join(folder, 'packed'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const hashes = files.map((path) => [path.slice(folder.length), hashOf(path)])
  return new Map([...hashes.sort(), ['the tarball', hashOf(join(folder, filename))]])
}

/** Files of the package that two builds do not give alike. */
function differences() {
  const parent = mkdtempSync(join(tmpdir(), 'spikewasm-release-'))
  try {
    const [first, second] = ['one', 'another-folder'].map((name) => packedIn(join(parent, name)))
    console.log(`built twice: ${first.size - 1} files, ${first.get('the tarball')}`)
    const names = new Set([...first.keys(), ...second.keys()])
    return [...names].filter((name) => first.get(name) !== second.get(name))
  } finally {
    rmSync(parent, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { tag, twice } = readOptions({ tag: text, twice: flag })
  const problems = problemsOf(own, tag)
  if (twice) problems.push(...differences().map((name) => `${name} differs between two builds`))
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
}
