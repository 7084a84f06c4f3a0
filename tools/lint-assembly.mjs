// Linter and formatter of assembly/. Biome cannot read AssemblyScript's decorators on functions, so
// it checks a copy under build/ in which each of them is a comment on the same line; the rules that
// Biome does not have are checked here. With --write the formatted text goes back.
//
//   node tools/lint-assembly.mjs [--write] [folder that holds assembly/, the current one otherwise]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const LINE_WIDTH = 100

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
for (const name of files) {
  checkHeaders(name)
  checkMemory(name)
}
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
