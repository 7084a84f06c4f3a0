// Checks the imports of src and assembly: no circle, none against the order of the rooms, none from
// src to assembly but the list of operations, and none from one kind of layer to another. Type-only
// and dynamic imports count too. No file or line of src may be too long. Run by `npm run lint`.
//
//   node tools/lint-house.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/**
 * Folders and files of src, from the ground up. A file may import from its own row and from the
 * rows before it.
 */
const rooms = [
  [
    'columns',
    'copy',
    'errors',
    'host',
    'loss/made.ts',
    'median',
    'optimizer',
    'own',
    'random',
    'round-up',
    'rules',
    'version',
  ],
  ['events', 'plan/records', 'plan/words.ts', 'wasm'],
  ['equations'],
  ['nn'],
  ['graph'],
  ['plan', 'loss/kind.ts', 'optimizer/kind.ts'],
  ['layers', 'loss', 'neurons', 'optimizer/kinds.ts'],
  ['runtime'],
  ['ops'],
  ['check-neuron'],
  ['data', 'io', 'pages'],
  ['train'],
  ['model'],
  ['edge'],
  ['network'],
  ['containers', 'load'],
  ['nir'],
  ['models'],
  ['node'],
  ['scale', 'verify'],
  ['diagnose'],
  ['index', 'net', 'node-ops', 'page', 'page-layers', 'page-ops'],
  ['bench'],
  ['cli'],
]

/** The one file of assembly that src may import. */
const operations = 'assembly/opcodes.ts'

/** The folder with a file for each kind of layer; its list, layers of equations, and what they share. */
const kindFolder = 'src/layers'
const lists = ['index.ts', 'all.ts', 'cells.ts', 'elementwise.ts', 'membranes.ts']
const sharedByKinds = 'neuron-kind.ts'

/** The problems of a package, and of how many files. */
export function check(root) {
  /** Paths of the source files below a folder of the root, relative to the root. */
  function sourcesOf(folder) {
    if (!existsSync(join(root, folder))) return []
    return readdirSync(join(root, folder), { recursive: true })
      .map((name) => join(folder, name).replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts'))
      .sort()
  }

  const files = [...sourcesOf('src'), ...sourcesOf('assembly')]
  const known = new Set(files)

  /** The file that an import names; undefined for packages and built-in modules. */
  function target(from, name) {
    if (!name.startsWith('.')) return undefined
    const path = relative(root, resolve(root, dirname(from), name)).replaceAll('\\', '/')
    const candidates = [path.replace(/\.js$/, '.ts'), `${path}.ts`, `${path}/index.ts`]
    return candidates.find((candidate) => known.has(candidate))
  }

  /** Imports of each file: static, type-only and dynamic ones. */
  const imports = new Map(
    files.map((file) => {
      const text = readFileSync(join(root, file), 'utf8')
      const { importedFiles } = ts.preProcessFile(text, true, true)
      const targets = importedFiles.map(({ fileName }) => target(file, fileName))
      return [file, [...new Set(targets.filter((path) => path !== undefined))]]
    }),
  )

  /**
   * The room of a file of src: its place within its first folder where that is listed, else that
   * folder or its own name. Undefined in assembly.
   */
  function roomOf(file) {
    const [folder, name, within] = file.split('/')
    if (folder !== 'src') return undefined
    const inner = `${name}/${within}`
    return rowOf(inner) < 0 ? name.replace(/\.ts$/, '') : inner
  }

  const rowOf = (room) => rooms.findIndex((row) => row.includes(room))

  /** Imports against the order, and files in no room. */
  function againstOrder() {
    const found = []
    for (const [file, targets] of imports) {
      const room = roomOf(file)
      if (room === undefined) continue
      if (rowOf(room) < 0) {
        found.push(`${file}: its room "${room}" is not in the list of tools/lint-house.mjs; add it`)
        continue
      }
      for (const other of targets) {
        const above = roomOf(other)
        if (above !== undefined && rowOf(above) > rowOf(room))
          found.push(`${file}: imports ${other}, but "${room}" stands below "${above}"`)
      }
    }
    return found
  }

  /** Imports from src into assembly, other than of the list of operations. */
  function intoAssembly() {
    const found = []
    for (const [file, targets] of imports)
      for (const other of targets)
        if (file.startsWith('src/') && other.startsWith('assembly/') && other !== operations)
          found.push(
            `${file}: imports ${other}, but src may import ${operations} alone of assembly`,
          )
    return found
  }

  /** Imports from the file of one kind of layer to that of another. */
  function betweenKinds() {
    const found = []
    for (const [file, targets] of imports) {
      const folder = dirname(file)
      if (folder !== kindFolder || lists.includes(basename(file))) continue
      for (const other of targets)
        if (dirname(other) === folder && basename(other) !== sharedByKinds)
          found.push(`${file}: imports ${other}, the file of another kind; move what both need out`)
    }
    return found
  }

  /** A shortest circle through a file, or undefined. A file may name what it exports itself. */
  function circleThrough(start) {
    const cameFrom = new Map()
    const queue = [start]
    for (const file of queue)
      for (const next of imports.get(file).filter((path) => path !== file)) {
        if (next === start) {
          const path = [start]
          for (let at = file; at !== start; at = cameFrom.get(at)) path.unshift(at)
          return [start, ...path]
        }
        if (cameFrom.has(next)) continue
        cameFrom.set(next, file)
        queue.push(next)
      }
    return undefined
  }

  /** One circle for each set of files that it holds. */
  function circles() {
    const found = new Map()
    for (const file of files) {
      const path = circleThrough(file)
      if (path) found.set([...new Set(path)].sort().join(), `circle: ${path.join(' → ')}`)
    }
    return [...found.values()]
  }

  /** Files of src that are too long, and lines that are too wide. */
  function sizes() {
    const found = []
    for (const file of files.filter((path) => path.startsWith('src/'))) {
      const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n')
      if (lines.length > 400) found.push(`${file}: ${lines.length} lines, at most 400 are allowed`)
      for (const [i, line] of lines.entries())
        if ([...line].length > 100)
          found.push(`${file}:${i + 1}: ${[...line].length} columns, at most 100 are allowed`)
    }
    return found
  }

  return {
    files: files.length,
    problems: [...circles(), ...againstOrder(), ...intoAssembly(), ...betweenKinds(), ...sizes()],
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files, problems } = check(resolve(process.argv[2] ?? '.'))
  for (const problem of problems) console.error(problem)
  console.log(`${files} files, ${problems.length} problems`)
  process.exitCode = problems.length > 0 || files === 0 ? 1 : 0
}
