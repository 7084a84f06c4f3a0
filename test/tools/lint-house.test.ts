/** The check of imports finds what is planted; `npm run lint` runs it on this package. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)

const script = join(root, 'tools', 'lint-house.mjs')
const { check } = (await import(pathToFileURL(script).href)) as {
  check(root: string): { readonly files: number; readonly problems: readonly string[] }
}
/** In this process: a new one would load the compiler each time. */
const inProcess = async (folder: string): Promise<string> => check(folder).problems.join('\n')

/** What the command says, and its exit code. */
const command = (folder: string): Promise<readonly [number, string]> =>
  run(process.execPath, [script, folder]).then(
    ({ stderr }) => [0, stderr.trim()],
    ({ code, stderr }: { code: number; stderr: string }) => [code, stderr.trim()],
  )

const readme = (imports: string): string => `- **For:** x.\n- **Imports:** ${imports}.\n`
const rooms: Record<string, string> = {
  'src/base/README.md': readme('nothing'),
  'src/nn/README.md': readme('nothing'),
  'src/compile/README.md': readme('base'),
  'src/model/README.md': readme('base, compile'),
  'src/cli/README.md': readme('base,\n  model'),
}

/** Lints a package of rooms and these files. */
const lintFiles = <T>(own: Record<string, string>, lint: (folder: string) => Promise<T>) =>
  withFolder(async (folder) => {
    for (const [path, text] of Object.entries({ ...rooms, ...own })) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return lint(folder)
  })

test('imports that READMEs name pass, and those of entries', async () => {
  const files = {
    'src/base/errors.ts': 'export const a = 1',
    'src/model/module.ts': "import { a } from '../base/errors.js'\nexport const b = a",
    'src/index.ts': "export * from './model/module.js'",
    'src/cli/main.ts': "import type { b } from '../model/module.js'\nexport type B = typeof b",
    'assembly/base/one.ts': "import { Op } from '../opcodes'\nexport const one = Op.one",
    'assembly/opcodes.ts': `export enum Op { one }\n${'//\n'.repeat(700)}`,
  }
  assert.equal(await lintFiles(files, command), [0, ''])
})

test('a folder of assembly in no order, and a package without files, fail', async () => {
  const shed = { 'assembly/shed/a.ts': 'export const a = 1' }
  const [code, problems] = await lintFiles(shed, command)
  assert.is(code, 1)
  assert.match(problems, /^assembly\/shed\/a.ts: is in no folder of the list/)
  assert.equal(await lintFiles({}, command), [1, ''])
})

const unnamed =
  'src/compile/plan.ts: imports src/model/compile.ts; src/compile/README.md does not name model'
const imported = (line: string) => ({
  'src/model/compile.ts': 'export const compile = 1',
  'src/compile/plan.ts': line,
})
const lines = (count: number): string => 'export const a = 1\n'.repeat(count)
const full = Array.from({ length: 26 }, (_, i) => [`src/base/${i}.ts`, ''] as const)

for (const [name, problem, files] of [
  [
    'a circle of types alone',
    'circle: src/base/c.ts → src/base/a.ts → src/base/b.ts → src/base/c.ts',
    {
      'src/base/a.ts': "import type { B } from './b.js'\nexport type A = { b?: B }",
      'src/base/b.ts': "import type { C } from './c.js'\nexport type B = { c?: C }",
      'src/base/c.ts': "export type C = { a?: import('./a.js').A }",
    },
  ],
  [
    'a circle that a dynamic import closes',
    'circle: src/base/b.ts → src/base/a.ts → src/base/b.ts',
    {
      'src/base/a.ts': "export const load = () => import('./b.js')",
      'src/base/b.ts': "import { load } from './a.js'\nexport const again = load",
    },
  ],
  [
    'a circle in assembly',
    'circle: assembly/conv/b.ts → assembly/conv/a.ts → assembly/conv/b.ts',
    {
      'assembly/conv/a.ts': "import { b } from './b'\nexport const a = b",
      'assembly/conv/b.ts': "import { a } from './a'\nexport const b = a",
    },
  ],
  [
    'a static import that the README does not name',
    unnamed,
    imported("export { compile } from '../model/compile.js'"),
  ],
  [
    'a type-only one',
    unnamed,
    imported("import type { a } from '../model/compile.js'\nexport type C = typeof a"),
  ],
  ['a dynamic one', unnamed, imported("export const later = () => import('../model/compile.js')")],
  [
    'an import against the order in assembly, over several lines',
    'assembly/base/a.ts: imports assembly/conv/product.ts, which stands above it',
    {
      'assembly/base/a.ts': "export {\n  product,\n  product as other,\n} from '../conv/product'",
      'assembly/conv/product.ts': 'export const product = 1',
    },
  ],
  [
    'an import of src from assembly other than the list of operations',
    'src/compile/b.ts: imports assembly/pool/max.ts, but src may import assembly/opcodes.ts ' +
      'alone of assembly',
    {
      'assembly/opcodes.ts': 'export const a = 1',
      'assembly/pool/max.ts': "import { a } from '../opcodes'\nexport const b = a",
      'src/compile/a.ts': "export { a } from '../../assembly/opcodes.js'",
      'src/compile/b.ts': "export type { b } from '../../assembly/pool/max.js'",
    },
  ],
  [
    'a kind of layer that imports another one',
    'src/nn/layers/delay.ts: imports src/nn/layers/pool.ts, the file of another kind; move what ' +
      'both need out',
    {
      'src/nn/layers/neuron-kind.ts': 'export const shared = 1',
      'src/nn/layers/pool.ts': "export { shared as scale } from './neuron-kind.js'",
      'src/nn/layers/delay.ts': "export { scale as delay } from './pool.js'",
      'src/nn/layers/index.ts': "export * from './delay.js'\nexport * from './pool.js'",
    },
  ],
  [
    'rooms that import in a circle',
    'circle of rooms: compile → base → compile',
    {
      'src/base/README.md': readme('compile'),
      'src/base/a.ts': "export { b } from '../compile/b.js'",
      'src/compile/b.ts': 'export const b = 1',
    },
  ],
  [
    'an entry that imports the command line',
    'src/index.ts: imports src/cli/b.ts; src/entries/README.md does not name cli',
    { 'src/index.ts': "export { b } from './cli/b.js'", 'src/cli/b.ts': 'export const b = 1' },
  ],
  [
    'a file that is too long',
    'src/base/b.ts: 601 lines, at most 600 are allowed',
    { 'src/base/a.ts': lines(600), 'src/base/b.ts': lines(601) },
  ],
  [
    'a line that is too long',
    'assembly/base/a.ts:2: 101 columns, at most 100 are allowed',
    { 'assembly/base/a.ts': `// ok\n// ${'ü'.repeat(98)}\n` },
  ],
  [
    'a function that is too long',
    'src/base/a.ts:1: long has 61 lines, at most 60 are allowed',
    { 'src/base/a.ts': `export function long() {\n${'  a()\n'.repeat(59)}}\n` },
  ],
  [
    'a folder that is too full',
    'src/base: 26 files, at most 25 are allowed',
    Object.fromEntries(full),
  ],
] as const)
  test(`finds ${name}`, async () => assert.is(await lintFiles({ ...files }, inProcess), problem))

test.run()
