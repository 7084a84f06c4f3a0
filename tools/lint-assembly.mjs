// Linter and formatter of assembly/. Biome cannot read AssemblyScript's decorators on functions, so
// it checks a copy under build/ in which each of them is a comment on the same line; the rules that
// Biome does not have are checked here. With --write the formatted text goes back.
//
//   node tools/lint-assembly.mjs [--write] [folder that holds assembly/, the current one otherwise]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { filesOf } from './sources.mjs'

/** Biome's settings for the copy: the project's; a rule is off only where nothing else is left. */
const { formatter, javascript } = JSON.parse(
  readFileSync(new URL('../biome.json', import.meta.url), 'utf8'),
)
const rules = {
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
}

/** What no line may hold, and why. */
const forbidden = [
  [/^(export )?(let|var)\b/, 'mutable global; keep state in memory that the planner laid out'],
  [
    /\bnew\b|\bclass\b|=>|(?<=[=(,:?]\s*)\[/,
    'managed object; the engine has no heap: load and store at addresses',
  ],
  [/['"`]/, 'string; the engine has no data segment that could hold it'],
]

const write = process.argv.includes('--write')
const root = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? '.'
const source = join(root, 'assembly')
const build = join(root, 'build/lint-assembly')
const copy = join(build, 'assembly')

const files = filesOf(source)
  .map((path) => relative(source, path).replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts') && !name.startsWith('generated/'))

let failed = runBiome()
for (const name of files) {
  const text = readFileSync(join(source, name), 'utf8')
  checkHeaders(name, text.split('\n'))
  checkMemory(name, text)
}
process.exitCode = failed ? 1 : 0

function report(name, line, message) {
  failed = true
  console.error(`assembly/${name}:${line} ${message}`)
}

/** Copies files from one folder to another, changed. */
function copyFiles(from, to, changed) {
  for (const name of files) {
    mkdirSync(dirname(join(to, name)), { recursive: true })
    writeFileSync(join(to, name), changed(readFileSync(join(from, name), 'utf8')))
  }
}

/** Copies, checks and, with --write, formats and copies back. Returns whether Biome complained. */
function runBiome() {
  rmSync(build, { recursive: true, force: true })
  copyFiles(source, copy, (text) => text.replace(/^@(\w+.*)$/gm, '// decorator $1'))
  const settings = { root: true, formatter, javascript, linter: { rules } }
  writeFileSync(join(build, 'biome.json'), JSON.stringify(settings))
  const biome = fileURLToPath(
    new URL('bin/biome', import.meta.resolve('@biomejs/biome/package.json')),
  )
  const options = ['--error-on-warnings', '--max-diagnostics=100', ...(write ? ['--write'] : [])]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'check', ...options, 'assembly'],
    { cwd: build, encoding: 'utf8' },
  )
  if (write) copyFiles(copy, source, (text) => text.replace(/^\/\/ decorator (\w+.*)$/gm, '@$1'))
  // The build would take the copies for leftovers of its own.
  rmSync(build, { recursive: true, force: true })
  if (status !== 0) console.error(`${stdout}${stderr}`)
  return status !== 0
}

function checkHeaders(name, lines) {
  for (const [i, line] of lines.entries()) {
    const found = /^export function (\w+)/.exec(line)
    const isAside = (text) => /^(@\w+.*|\/\/ @ts-ignore.*)$/.test(text)
    const above = lines.slice(0, i).findLast((text) => !isAside(text))
    if (found && !/\*\/$/.test(above ?? ''))
      report(name, i + 1, `exported function ${found[1]} has no /** … */ comment above it`)
  }
}

/** The engine has no data segment, no mutable global and no heap of its own. */
function checkMemory(name, text) {
  // Comments are nothing; decorators are read by the compiler alone (tools/unroll.mjs).
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|^@.*$/gm, (found) =>
    found.replace(/[^\n]/g, ' '),
  )
  for (const [i, line] of code.split('\n').entries())
    for (const [pattern, message] of forbidden)
      if (pattern.test(line.replace(/\bfrom '[^']*'/, ''))) report(name, i + 1, message)
}
