// Linter and formatter of assembly/. Biome cannot read AssemblyScript's decorators on functions, so
// it checks a copy under build/ in which each of them is a comment on the same line; the rules that
// Biome does not have are checked here. With --write the formatted text goes back.
//
//   node tools/lint-assembly.mjs [--write] [folder that holds assembly/, the current one otherwise]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'

/**
 * Folders of assembly/ in the order of their imports: a file imports from its own folder and from
 * those before it. Everything may import opcodes.ts, and nothing imports index.ts. What
 * tools/records.mjs writes is not checked: classes of records, for all, and the kernels.
 */
const FOLDERS = [
  'base', // reading records, lanes, random numbers, functions of numbers
  'activity', // tensors between layers: sums forward, gathered gradients backward
  'norm',
  'conv', // dense convolutions and matrix products
  'grouped', // convolutions by groups of channels
  'spikes', // convolutions on lists of spikes
  'winograd',
  'neuron',
  'pool',
  'loss',
  'optimizer',
  'edge',
  'engine', // the interpreter, which calls all of them
]

const GENERATED = {
  'generated/records.ts': -1,
  'generated/kernels.ts': FOLDERS.indexOf('engine'),
}

const LINE_WIDTH = 100
const FILE_LINES = 400
/** One list, which is searched rather than read. */
const LONG_FILES = ['opcodes.ts']

/** Biome's settings for the copy; a rule is off only where AssemblyScript leaves no choice. */
const BIOME = {
  root: true,
  formatter: { indentStyle: 'space', indentWidth: 2, lineWidth: LINE_WIDTH },
  javascript: {
    formatter: { quoteStyle: 'single', semicolons: 'asNeeded', trailingCommas: 'all' },
  },
  linter: {
    rules: {
      preset: 'recommended',
      // AssemblyScript has no `import type`.
      style: { useConst: 'error', useImportType: 'off' },
      suspicious: {
        // Both sides have one static type: == never converts, and === is no other operator.
        noDoubleEquals: 'off',
        // Editors take the decorators for errors; the compiler has no other place for the note.
        noTsIgnore: 'off',
        // isFinite and isNaN convert nothing here: they take any type of float.
        noGlobalIsFinite: 'off',
        noGlobalIsNan: 'off',
        // v128.load((p += step)) becomes one local.tee; a statement of its own costs a local.
        noAssignInExpressions: 'off',
      },
      correctness: {
        // Constants of 64 bits are exact: they are u64, not the numbers of JavaScript.
        noPrecisionLoss: 'off',
        // Every operation has the signature (rec, unit, t, scratch), by which `execute` calls it.
        noUnusedFunctionParameters: 'off',
      },
    },
  },
}

const write = process.argv.includes('--write')
const root = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? '.'
const source = join(root, 'assembly')
const build = join(root, 'build/lint-assembly')
const copy = join(build, 'assembly')

const files = readdirSync(source, { recursive: true })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts') && !name.startsWith('generated/'))
  .sort()

let failed = runBiome()
const texts = new Map(files.map((name) => [name, readFileSync(join(source, name), 'utf8')]))
const imports = new Map(files.map((name) => [name, importsOf(name)]))
for (const name of files) {
  checkLines(name)
  checkHeaders(name)
  checkMemory(name)
  checkOrder(name)
}
checkCircles()
process.exitCode = failed ? 1 : 0

function report(name, line, message) {
  failed = true
  console.error(`assembly/${name}:${line} ${message}`)
}

/** Copies, checks and, with --write, formats and copies back. Returns whether Biome complained. */
function runBiome() {
  rmSync(build, { recursive: true, force: true })
  for (const name of files) {
    const text = readFileSync(join(source, name), 'utf8')
    mkdirSync(dirname(join(copy, name)), { recursive: true })
    writeFileSync(join(copy, name), text.replace(/^@(\w+.*)$/gm, '// decorator $1'))
  }
  writeFileSync(join(build, 'biome.json'), JSON.stringify(BIOME))
  const biome = join(
    dirname(createRequire(import.meta.url).resolve('@biomejs/biome/package.json')),
    'bin/biome',
  )
  const options = [
    'check',
    '--error-on-warnings',
    '--max-diagnostics=100',
    ...(write ? ['--write'] : []),
    'assembly',
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, [biome, ...options], {
    cwd: build,
    encoding: 'utf8',
  })
  if (write) {
    for (const name of files) {
      const text = readFileSync(join(copy, name), 'utf8')
      writeFileSync(join(source, name), text.replace(/^\/\/ decorator (\w+.*)$/gm, '@$1'))
    }
  }
  // The build would take the copies for leftovers of its own.
  rmSync(build, { recursive: true, force: true })
  if (status === 0) return false
  console.error(`${stdout}${stderr}`)
  return true
}

/** The lines of a file, with blanks in place of comments. */
function codeOf(name) {
  const blank = (text) => text.replace(/[^\n]/g, ' ')
  // Decorators are read by the compiler alone (tools/unroll.mjs).
  return texts
    .get(name)
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|^@.*$/gm, blank)
    .split('\n')
}

function checkLines(name) {
  const lines = texts.get(name).replace(/\n$/, '').split('\n')
  for (const [i, line] of lines.entries()) {
    const width = [...line].length
    if (width > LINE_WIDTH) {
      report(name, i + 1, `line has ${width} columns; at most ${LINE_WIDTH} are allowed`)
    }
  }
  if (lines.length > FILE_LINES && !LONG_FILES.includes(name)) {
    report(
      name,
      FILE_LINES + 1,
      `file has ${lines.length} lines; at most ${FILE_LINES} are allowed: split it by idea`,
    )
  }
}

function checkHeaders(name) {
  const lines = texts.get(name).split('\n')
  for (const [i, line] of lines.entries()) {
    const found = /^export function (\w+)/.exec(line)
    if (!found) continue
    let above = i - 1
    while (/^(@\w+.*|\/\/ @ts-ignore.*)$/.test(lines[above] ?? '')) above--
    if (!/\*\/$/.test(lines[above] ?? '')) {
      report(name, i + 1, `exported function ${found[1]} has no /** … */ comment above it`)
    }
  }
}

/** The engine has no data segment, no mutable global and no heap of its own. */
function checkMemory(name) {
  for (const [i, line] of codeOf(name).entries()) {
    if (/^(export )?(let|var)\b/.test(line)) {
      report(name, i + 1, 'mutable global; keep state in memory that the planner laid out')
    }
    if (/\bnew\b|\bclass\b|=>|(?<=[=(,:?]\s*)\[/.test(line)) {
      report(name, i + 1, 'managed object; the engine has no heap: load and store at addresses')
    }
    if (/['"`]/.test(line.replace(/\bfrom '[^']*'/, ''))) {
      report(name, i + 1, 'string; the engine has no data segment that could hold it')
    }
  }
}

/** Files that a file imports or exports from: [{ name, line }]. */
function importsOf(name) {
  const found = []
  for (const [i, line] of codeOf(name).entries()) {
    const path = /\bfrom '([^']+)'/.exec(line)?.[1]
    if (!path) continue
    const target = `${posix.join(posix.dirname(name), path)}.ts`
    if (files.includes(target) || Object.hasOwn(GENERATED, target))
      found.push({ name: target, line: i + 1 })
    else report(name, i + 1, `imports '${path}', which is no file of assembly/`)
  }
  return found
}

/** Place of a file in the order of imports. */
function rankOf(name) {
  if (name === 'opcodes.ts') return -1
  if (Object.hasOwn(GENERATED, name)) return GENERATED[name]
  if (name === 'index.ts') return FOLDERS.length
  const rank = FOLDERS.indexOf(posix.dirname(name))
  return rank < 0 ? undefined : rank
}

function checkOrder(name) {
  const rank = rankOf(name)
  if (rank === undefined) {
    report(
      name,
      1,
      'lies in no folder of the order of imports (FOLDERS in tools/lint-assembly.mjs)',
    )
    return
  }
  for (const { name: target, line } of imports.get(name)) {
    if ((rankOf(target) ?? 0) <= rank) continue
    report(
      name,
      line,
      `imports ${target} against the order of folders: opcodes.ts, ${FOLDERS.join(', ')}, index.ts`,
    )
  }
}

/** Depth first; an import of a file that is still open closes a circle. */
function checkCircles() {
  const done = new Set()
  const visit = (name, open) => {
    if (done.has(name)) return
    for (const { name: target, line } of imports.get(name) ?? []) {
      const start = [...open, name].indexOf(target)
      if (start < 0) visit(target, [...open, name])
      else {
        const circle = [...open, name].slice(start)
        report(name, line, `closes a circle of imports: ${[...circle, target].join(' → ')}`)
      }
    }
    done.add(name)
  }
  for (const name of files) visit(name, [])
}
