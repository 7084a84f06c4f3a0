/** The check of imports finds what is planted; `npm run lint` runs it on this package. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)

interface Outcome {
  readonly ok: boolean
  readonly problems: string
}

const script = join(root, 'tools', 'lint-house.mjs')
const { check } = (await import(pathToFileURL(script).href)) as {
  check(root: string): { readonly files: number; readonly problems: readonly string[] }
}

/** What the command says. */
async function command(folder: string): Promise<Outcome> {
  try {
    const { stderr } = await run(process.execPath, [script, folder])
    return { ok: true, problems: stderr.trim() }
  } catch (error) {
    return { ok: false, problems: (error as { stderr: string }).stderr.trim() }
  }
}

/** The same in this process: a new one would load the compiler each time. */
async function inProcess(folder: string): Promise<Outcome> {
  const { files, problems } = check(folder)
  return { ok: files > 0 && problems.length === 0, problems: problems.join('\n') }
}

/** Lints a package of these files. */
async function lintFiles(files: Record<string, string>, lint = inProcess): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-house-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return await lint(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('imports along the order pass', async () => {
  const files = {
    'src/errors.ts': 'export const a = 1',
    'src/nn/module.ts': "import { a } from '../errors.js'\nexport const b = a",
    'src/cli/main.ts': "import type { b } from '../nn/module.js'\nexport type B = typeof b",
  }
  assert.equal(await lintFiles(files, command), { ok: true, problems: '' })
})

test('finds a circle of types alone', async () => {
  const outcome = await lintFiles({
    'src/nn/a.ts': "import type { B } from './b.js'\nexport type A = { b?: B }",
    'src/nn/b.ts': "import type { C } from './c.js'\nexport type B = { c?: C }",
    'src/nn/c.ts': "export type C = { a?: import('./a.js').A }",
  })
  assert.equal(outcome, {
    ok: false,
    problems: 'circle: src/nn/c.ts → src/nn/a.ts → src/nn/b.ts → src/nn/c.ts',
  })
})

test('finds a circle that a dynamic import closes', async () => {
  const outcome = await lintFiles({
    'src/io/a.ts': "export const load = () => import('./b.js')",
    'src/io/b.ts': "import { load } from './a.js'\nexport const again = load",
  })
  assert.equal(outcome.ok, false)
  assert.match(outcome.problems, /^circle: src\/io\/b.ts → src\/io\/a.ts → src\/io\/b.ts$/)
})

test('finds a circle in assembly', async () => {
  const outcome = await lintFiles({
    'assembly/a.ts': "import { b } from './conv/b'\nexport const a = b",
    'assembly/conv/b.ts': "import { a } from '../a'\nexport const b = a",
  })
  assert.match(outcome.problems, /^circle: .*assembly\/a.ts/)
})

for (const [how, line] of [
  ['a static', "export { compile } from '../network.js'"],
  ['a type-only', "import type { compile } from '../network.js'\nexport type C = typeof compile"],
  ['a dynamic', "export const later = () => import('../network.js')"],
]) {
  test(`finds ${how} import against the order`, async () => {
    const outcome = await lintFiles({
      'src/network.ts': 'export const compile = 1',
      'src/plan/plan.ts': line,
    })
    assert.equal(outcome, {
      ok: false,
      problems: 'src/plan/plan.ts: imports src/network.ts, but "plan" stands below "network"',
    })
  })
}

test('src may import the list of operations, and nothing else of assembly', async () => {
  const outcome = await lintFiles({
    'assembly/opcodes.ts': 'export const a = 1',
    'assembly/pool.ts': "import { a } from './opcodes'\nexport const b = a",
    'src/plan/a.ts': "export { a } from '../../assembly/opcodes.js'",
    'src/plan/b.ts': "import type { b } from '../../assembly/pool.js'\nexport type B = typeof b",
  })
  assert.equal(outcome, {
    ok: false,
    problems:
      'src/plan/b.ts: imports assembly/pool.ts, but src may import assembly/opcodes.ts alone of ' +
      'assembly',
  })
})

test('finds a kind of layer that imports another one', async () => {
  const outcome = await lintFiles({
    'src/layers/neuron-kind.ts': 'export const shared = 1',
    'src/layers/scale.ts': "export { shared as scale } from './neuron-kind.js'",
    'src/layers/dropout.ts': "export { scale as dropout } from './scale.js'",
    'src/layers/index.ts': "export * from './dropout.js'\nexport * from './scale.js'",
  })
  assert.equal(outcome, {
    ok: false,
    problems:
      'src/layers/dropout.ts: imports src/layers/scale.ts, the file of another kind; ' +
      'move what both need out',
  })
})

test('a file in no room, and a package without files, fail', async () => {
  const outcome = await lintFiles({ 'src/shed/a.ts': 'export const a = 1' }, command)
  assert.is(outcome.ok, false)
  assert.match(outcome.problems, /src\/shed\/a.ts: its room "shed" is not in the list/)
  assert.is((await lintFiles({ 'README.md': '' }, command)).ok, false)
})

test('finds files and lines that are too long', async () => {
  const long = await lintFiles({ 'src/errors.ts': 'export const a = 1\n'.repeat(401) })
  assert.equal(long, { ok: false, problems: 'src/errors.ts: 401 lines, at most 400 are allowed' })
  const wide = await lintFiles({ 'src/errors.ts': `// ok\n// ${'ü'.repeat(98)}\n` })
  const problems = 'src/errors.ts:2: 101 columns, at most 100 are allowed'
  assert.equal(wide, { ok: false, problems })
})

test.run()
