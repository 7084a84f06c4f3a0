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

const readme = (imports: string): string => `- **For:** x.\n- **Imports:** ${imports}.\n`
const rooms: Record<string, string> = {
  'src/base/README.md': readme('nothing'),
  'src/nn/README.md': readme('nothing'),
  'src/compile/README.md': readme('base'),
  'src/model/README.md': readme('base, compile'),
  'src/cli/README.md': readme('base,\n  model'),
}

/** Lints a package of rooms and these files. */
async function lintFiles(own: Record<string, string>, lint = inProcess): Promise<Outcome> {
  const files = { ...rooms, ...own }
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

/** What the check says of these files. */
async function expectProblem(files: Record<string, string>, problem: string): Promise<void> {
  assert.equal(await lintFiles(files), { ok: false, problems: problem })
}

test('imports that READMEs name pass, and those of entries', async () => {
  const files = {
    'src/base/errors.ts': 'export const a = 1',
    'src/model/module.ts': "import { a } from '../base/errors.js'\nexport const b = a",
    'src/index.ts': "export * from './model/module.js'",
    'src/cli/main.ts': "import type { b } from '../model/module.js'\nexport type B = typeof b",
    'assembly/base/one.ts': "import { Op } from '../opcodes'\nexport const one = Op.one",
    'assembly/opcodes.ts': `export enum Op { one }\n${'//\n'.repeat(700)}`,
  }
  assert.equal(await lintFiles(files, command), { ok: true, problems: '' })
})

test('finds a circle of types alone', () =>
  expectProblem(
    {
      'src/base/a.ts': "import type { B } from './b.js'\nexport type A = { b?: B }",
      'src/base/b.ts': "import type { C } from './c.js'\nexport type B = { c?: C }",
      'src/base/c.ts': "export type C = { a?: import('./a.js').A }",
    },
    'circle: src/base/c.ts → src/base/a.ts → src/base/b.ts → src/base/c.ts',
  ))

test('finds a circle that a dynamic import closes', () =>
  expectProblem(
    {
      'src/base/a.ts': "export const load = () => import('./b.js')",
      'src/base/b.ts': "import { load } from './a.js'\nexport const again = load",
    },
    'circle: src/base/b.ts → src/base/a.ts → src/base/b.ts',
  ))

test('finds a circle in assembly', async () => {
  const outcome = await lintFiles({
    'assembly/conv/a.ts': "import { b } from './b'\nexport const a = b",
    'assembly/conv/b.ts': "import { a } from './a'\nexport const b = a",
  })
  assert.match(outcome.problems, /^circle: .*assembly\/conv\/a.ts/)
})

for (const [how, line] of [
  ['a static', "export { compile } from '../model/compile.js'"],
  ['a type-only', "import type { a } from '../model/compile.js'\nexport type C = typeof a"],
  ['a dynamic', "export const later = () => import('../model/compile.js')"],
])
  test(`finds ${how} import that the room's README does not name`, () =>
    expectProblem(
      { 'src/model/compile.ts': 'export const compile = 1', 'src/compile/plan.ts': line },
      'src/compile/plan.ts: imports src/model/compile.ts; src/compile/README.md does not name model',
    ))

test('finds an import against the order in assembly, over several lines too', () =>
  expectProblem(
    {
      'assembly/base/a.ts': "export {\n  product,\n  product as other,\n} from '../conv/product'",
      'assembly/conv/product.ts': 'export const product = 1',
    },
    'assembly/base/a.ts: imports assembly/conv/product.ts, which stands above it',
  ))

test('src may import the list of operations, and nothing else of assembly', () =>
  expectProblem(
    {
      'assembly/opcodes.ts': 'export const a = 1',
      'assembly/pool/max.ts': "import { a } from '../opcodes'\nexport const b = a",
      'src/compile/a.ts': "export { a } from '../../assembly/opcodes.js'",
      'src/compile/b.ts': "export type { b } from '../../assembly/pool/max.js'",
    },
    'src/compile/b.ts: imports assembly/pool/max.ts, but src may import assembly/opcodes.ts ' +
      'alone of assembly',
  ))

test('finds a kind of layer that imports another one', () =>
  expectProblem(
    {
      'src/nn/layers/neuron-kind.ts': 'export const shared = 1',
      'src/nn/layers/pool.ts': "export { shared as scale } from './neuron-kind.js'",
      'src/nn/layers/delay.ts': "export { scale as delay } from './pool.js'",
      'src/nn/layers/index.ts': "export * from './delay.js'\nexport * from './pool.js'",
    },
    'src/nn/layers/delay.ts: imports src/nn/layers/pool.ts, the file of another kind; move what ' +
      'both need out',
  ))

test('rooms may not import in a circle, nor an entry the command line', async () => {
  await expectProblem(
    {
      'src/base/README.md': readme('compile'),
      'src/base/a.ts': "export { b } from '../compile/b.js'",
      'src/compile/b.ts': 'export const b = 1',
    },
    'circle of rooms: compile → base → compile',
  )
  await expectProblem(
    { 'src/index.ts': "export { b } from './cli/b.js'", 'src/cli/b.ts': 'export const b = 1' },
    'src/index.ts: imports src/cli/b.ts; src/entries/README.md does not name cli',
  )
})

test('a folder of assembly in no order, and a package without files, fail', async () => {
  const outcome = await lintFiles({ 'assembly/shed/a.ts': 'export const a = 1' }, command)
  assert.is(outcome.ok, false)
  assert.match(outcome.problems, /assembly\/shed\/a.ts: is in no folder of the list/)
  assert.is((await lintFiles({}, command)).ok, false)
})

test('finds files, lines and functions that are too long, and folders that are too full', async () => {
  const lines = (count: number): string => 'export const a = 1\n'.repeat(count)
  await expectProblem(
    { 'src/base/a.ts': lines(600), 'src/base/b.ts': lines(601) },
    'src/base/b.ts: 601 lines, at most 600 are allowed',
  )
  await expectProblem(
    { 'assembly/base/a.ts': `// ok\n// ${'ü'.repeat(98)}\n` },
    'assembly/base/a.ts:2: 101 columns, at most 100 are allowed',
  )
  const names = Array.from({ length: 26 }, (_, i) => [`src/base/${i}.ts`, ''])
  await expectProblem(Object.fromEntries(names), 'src/base: 26 files, at most 25 are allowed')
})

test.run()
