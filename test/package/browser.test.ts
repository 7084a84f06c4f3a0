// runs: apart
/** What a page loads: nothing that its entries reach, statically or later, may need Node. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Built files that an entry reaches by imports and re-exports, dynamic ones included, and the
 * modules of others that they import: the text of what is computed.
 */
async function importsOf(entry: string): Promise<{ files: string[]; bare: string[] }> {
  const { metafile } = await build({
    ...{ entryPoints: [entry], bundle: true, metafile: true, write: false, outdir: root },
    ...{ absWorkingDir: root, format: 'esm', packages: 'external', logLevel: 'silent' },
  })
  const inputs = Object.entries(metafile.inputs)
  const files = inputs.map(([path]) => join(root, path))
  const outside = inputs.flatMap(([, { imports }]) => imports.filter(({ external }) => external))
  const computed = files.flatMap(
    (file) => codeOf(file).match(/(?<![\w.])import\((?!\s*['"])[^)]*/g) ?? [],
  )
  return { files, bare: [...outside.map(({ path }) => path), ...computed] }
}

/** A file without its comments. */
const codeOf = (file: string): string =>
  readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')

const entries = ['page.js', 'page-ops.js', 'net.js'].map((path) =>
  fileURLToPath(new URL(`../../src/${path}`, import.meta.url)),
)

test('the entries reach no module outside of the package, least of all one of Node', async () => {
  for (const entry of entries) {
    const { files, bare } = await importsOf(entry)
    assert.ok(files.length >= 8, `only ${files.length} files were found`)
    assert.equal(bare, [], entry)
  }
})

test('no file awaits at its top, so that require() can load the package', async () => {
  const all = readdirSync(new URL('../../src/', import.meta.url), { recursive: true }) as string[]
  for (const name of all.filter((path) => path.endsWith('.js') && !path.includes('vendor'))) {
    const code = readFileSync(fileURLToPath(new URL(`../../src/${name}`, import.meta.url)), 'utf8')
    // A function of CommonJS cannot wait.
    if (/\bawait\b/.test(code))
      await transform(code, { format: 'cjs', logLevel: 'silent' }).catch(({ message }: Error) =>
        assert.unreachable(`${name}: ${message}`),
      )
  }
})

test('a page has the names that Node has', async () => {
  const node = Object.keys(await import('../../src/index.js'))
  assert.equal(Object.keys(await import('../../src/page.js')).sort(), node.sort())
  const ops = Object.keys(await import('../../src/node-ops.js'))
  assert.equal(Object.keys(await import('../../src/page-ops.js')).sort(), ops.sort())
})

test('no file that an entry loads uses a global of Node without asking whether it is there', async () => {
  const found = await Promise.all(entries.map(importsOf))
  for (const file of found.flatMap(({ files }) => files)) {
    const source = codeOf(file)
    for (const [use] of source.matchAll(
      /(?<!typeof |[.\w])(?:Buffer|__dirname|require|setImmediate)\b(?!['-])/g,
    ))
      assert.unreachable(`${file} uses ${use}`)
    if (/(?<!typeof )\bprocess\./.test(source))
      assert.match(source, /typeof process !== 'undefined'/, file)
  }
})

test.run()
