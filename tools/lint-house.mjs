// Checks the plan of the house. A room is a folder of src; what it imports stands in its README.md.
// Imports go in no circle, of files or of rooms; src reads the list of operations alone of assembly,
// and no kind of layer the file of another. Functions, lines, files and folders keep to their sizes.
// Type-only and dynamic imports count too. Run by `npm run lint`.
//
//   node tools/lint-house.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/**
 * Files of src in no room are what users import: they import all rooms but these, which alone import
 * them.
 */
const entries = 'entries'
const aboveEntries = ['bench', 'cli']

/**
 * Folders and files of assembly from the ground up: a file may import from its own row and from the
 * rows before. Files of generated/ belong to others' rows.
 */
const engineRooms = [
  'opcodes generated/records',
  'base',
  'activity',
  'norm',
  'conv',
  'grouped',
  'spikes',
  'winograd',
  'neuron',
  'pool',
  'loss',
  'optimizer',
  'edge',
  'engine generated/kernels',
  'index',
].map((row) => row.split(' '))

/** The one file of assembly that src may import. */
const operations = 'assembly/opcodes.ts'

/** The folder with a file for each family of layers; what they share, and the lists of all. */
const kindFolder = 'src/nn/layers'
const sharedByKinds = 'neuron-kind.ts'
const lists = ['index.ts', 'all.ts', 'cells.ts', 'elementwise.ts', 'membranes.ts']

/** What tools/records.mjs writes is as long as its tables. */
const generated = /^assembly\/generated\//

/** How long functions, files and lines may be, and of how many files a folder. */
const most = { functionLines: 60, lines: 600, columns: 100, files: 25 }

/** One list, which is searched rather than read. */
const longFiles = ['assembly/opcodes.ts']

/** The problems of a package, and of how many files. */
export function check(root) {
  const files = [...sourcesOf(root, 'src'), ...sourcesOf(root, 'assembly')]
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
  const imports = new Map(files.map((file) => [file, importsOf(root, file, texts)]))
  const problems = [
    ...circles(imports, 'circle'),
    ...againstOrder(imports),
    ...betweenRooms(root, imports),
    ...intoAssembly(imports),
    ...betweenKinds(imports),
    ...files
      .filter((file) => !generated.test(file))
      .flatMap((file) => sizes(file, texts.get(file))),
    ...fullFolders(files),
  ]
  return { files: files.length, problems }
}

/** Paths of the source files below a folder of the root, relative to the root. */
function sourcesOf(root, folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
}

/** The files that a file imports: statically, for their types, or when it runs. */
function importsOf(root, file, texts) {
  const { importedFiles } = ts.preProcessFile(texts.get(file), true, true)
  const targets = importedFiles.map(({ fileName }) => {
    if (!fileName.startsWith('.')) return undefined
    const path = relative(root, resolve(root, dirname(file), fileName)).replaceAll('\\', '/')
    const candidates = [path.replace(/\.js$/, '.ts'), `${path}.ts`, `${path}/index.ts`]
    return candidates.find((candidate) => texts.has(candidate))
  })
  return [...new Set(targets.filter((path) => path !== undefined))]
}

/** The row of a file of assembly: of itself where it is listed, else of its folder; −1 for none. */
function rowOf(file) {
  const path = file.replace(/^assembly\/|\.ts$/g, '')
  const own = engineRooms.findIndex((row) => row.includes(path))
  return own < 0 ? engineRooms.findIndex((row) => row.includes(dirname(path))) : own
}

/** Imports of assembly against the order, and files in no folder of it. */
function againstOrder(imports) {
  const found = []
  for (const [file, targets] of imports) {
    if (!file.startsWith('assembly/')) continue
    const row = rowOf(file)
    if (row < 0) found.push(`${file}: is in no folder of the list in tools/lint-house.mjs; add it`)
    for (const other of row < 0 ? [] : targets)
      if (rowOf(other) > row) found.push(`${file}: imports ${other}, which stands above it`)
  }
  return found
}

/** Addresses are the same from where the code is built and from where it ships: base has them. */
const roomOf = (file) => {
  if (/^src\/(page|package)-files\.ts$/.test(file)) return 'base'
  return dirname(file) === 'src' ? entries : file.split('/')[1]
}

/** The rooms that the README of each room names as its imports. */
function roomsOf(root, files) {
  const rooms = new Map()
  for (const room of new Set(files.filter((file) => file.startsWith('src/')).map(roomOf))) {
    const readme = join(root, 'src', room, 'README.md')
    const text = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
    const [, named = ''] = /^- \*\*Imports:\*\* ([^.]*)\./m.exec(text) ?? []
    if (room !== entries) rooms.set(room, named.split(/,\s+/))
  }
  return rooms
}

/** Imports from one room to another that its README does not name, and circles of rooms. */
function betweenRooms(root, imports) {
  const rooms = roomsOf(root, [...imports.keys()])
  const below = [...rooms.keys()].filter((room) => !aboveEntries.includes(room))
  const known = new Map([...rooms, [entries, below]])
  const found = new Map()
  for (const [file, targets] of imports)
    for (const other of targets.filter((path) => [file, path].every((x) => x.startsWith('src/')))) {
      const [from, to] = [roomOf(file), roomOf(other)]
      if (from !== to && !known.get(from).includes(to))
        found.set(
          `${from} ${to}`,
          `${file}: imports ${other}; src/${from}/README.md does not name ${to}`,
        )
    }
  const named = [...known].map(([room, list]) => [room, list.filter((other) => known.has(other))])
  return [...found.values(), ...circles(new Map(named), 'circle of rooms')]
}

/** Imports from src into assembly, other than of the list of operations. */
const intoAssembly = (imports) =>
  [...imports].flatMap(([file, targets]) =>
    targets
      .filter((other) => file.startsWith('src/') && other.startsWith('assembly/'))
      .filter((other) => other !== operations)
      .map(
        (other) => `${file}: imports ${other}, but src may import ${operations} alone of assembly`,
      ),
  )

/** Imports from the file of one kind of layer to that of another. */
function betweenKinds(imports) {
  const found = []
  for (const [file, targets] of imports) {
    if (dirname(file) !== kindFolder || lists.includes(basename(file))) continue
    for (const other of targets)
      if (dirname(other) === kindFolder && basename(other) !== sharedByKinds)
        found.push(`${file}: imports ${other}, the file of another kind; move what both need out`)
  }
  return found
}

/** A shortest circle through a file or room, or undefined. A file may name what it exports itself. */
function circleThrough(start, imports) {
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

/** One circle for each set of files, or rooms, that it holds. */
function circles(imports, what) {
  const found = new Map()
  for (const file of imports.keys()) {
    const path = circleThrough(file, imports)
    if (path) found.set([...new Set(path)].sort().join(), `${what}: ${path.join(' → ')}`)
  }
  return [...found.values()]
}

/** Files, lines and functions that are too long. */
function sizes(file, text) {
  const found = []
  const lines = text.trimEnd().split('\n')
  if (lines.length > most.lines && !longFiles.includes(file))
    found.push(`${file}: ${lines.length} lines, at most ${most.lines} are allowed`)
  for (const [i, line] of lines.entries())
    if ([...line].length > most.columns)
      found.push(
        `${file}:${i + 1}: ${[...line].length} columns, at most ${most.columns} are allowed`,
      )
  if (lines.length <= most.functionLines) return found
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const lineOf = (position) => source.getLineAndCharacterOfPosition(position).line + 1
  const visit = (node) => {
    const name = functionName(node)
    const [first, last] = [lineOf(node.getStart(source)), lineOf(node.end)]
    if (name && last - first >= most.functionLines)
      found.push(
        `${file}:${first}: ${name} has ${last - first + 1} lines, at most ` +
          `${most.functionLines} are allowed`,
      )
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** What a node is called where it is a function with a name; else undefined. */
function functionName(node) {
  const isFunction =
    ts.isFunctionDeclaration(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isConstructorDeclaration(node)
  if (isFunction) return node.body && (node.name?.getText() ?? 'constructor')
  const made = ts.isVariableDeclaration(node) && node.initializer
  return made && (ts.isArrowFunction(made) || ts.isFunctionExpression(made))
    ? node.name.getText()
    : undefined
}

/** Folders of src with too many files. */
function fullFolders(files) {
  const counts = new Map()
  for (const file of files.filter((path) => path.startsWith('src/')))
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  return [...counts]
    .filter(([, count]) => count > most.files)
    .map(([folder, count]) => `${folder}: ${count} files, at most ${most.files} are allowed`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files, problems } = check(resolve(process.argv[2] ?? '.'))
  for (const problem of problems) console.error(problem)
  console.log(`${files} files, ${problems.length} problems`)
  process.exitCode = problems.length > 0 || files === 0 ? 1 : 0
}
