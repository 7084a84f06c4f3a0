// runs: apart
/** What a page loads: nothing that its entries reach, statically or later, may need Node. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const parsed = new Map<string, ts.SourceFile>()

function parse(file: string): ts.SourceFile {
  const source =
    parsed.get(file) ??
    ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
  parsed.set(file, source)
  return source
}

/** What a file imports: the text of what is computed. */
function importedBy(file: string): string[] {
  const source = parse(file)
  const found: string[] = []
  const add = (node: ts.Node): void => {
    found.push(ts.isStringLiteral(node) ? node.text : node.getText(source))
  }
  const visit = (node: ts.Node): void => {
    const isStatic = ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
    if (isStatic && node.moduleSpecifier) add(node.moduleSpecifier)
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0])
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/**
 * Built files that an entry reaches by imports and re-exports, dynamic ones included, and the bare
 * modules that they import.
 */
function importsOf(entry: string): { files: Set<string>; bare: Set<string> } {
  const files = new Set<string>()
  const bare = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    for (const from of importedBy(file))
      if (from.startsWith('.')) visit(join(dirname(file), from))
      else bare.add(from)
  }
  visit(entry)
  return { files, bare }
}

const entries = ['page.js', 'page-ops.js', 'net.js'].map((path) =>
  fileURLToPath(new URL(`../../src/${path}`, import.meta.url)),
)

test('the entries reach no module outside of the package, least of all one of Node', () => {
  for (const entry of entries) {
    const { files, bare } = importsOf(entry)
    assert.ok(files.size >= 8, `only ${files.size} files were found`)
    assert.equal([...bare], [], entry)
  }
})

test('no file awaits at its top, so that require() can load the package', () => {
  const all = readdirSync(new URL('../../src/', import.meta.url), { recursive: true }) as string[]
  for (const name of all.filter((path) => path.endsWith('.js') && !path.includes('vendor'))) {
    const file = fileURLToPath(new URL(`../../src/${name}`, import.meta.url))
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) || ts.isClassLike(node)) return
      const waits = ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)
      assert.not(waits, `${name} waits at its top`)
      ts.forEachChild(node, visit)
    }
    // The parser takes long.
    if (/\bawait\b/.test(readFileSync(file, 'utf8'))) visit(parse(file))
  }
})

test('a page has the names that Node has', async () => {
  const node = Object.keys(await import('../../src/index.js'))
  assert.equal(Object.keys(await import('../../src/page.js')).sort(), node.sort())
  const ops = Object.keys(await import('../../src/node-ops.js'))
  assert.equal(Object.keys(await import('../../src/page-ops.js')).sort(), ops.sort())
})

test('no file that an entry loads uses a global of Node without asking whether it is there', () => {
  for (const file of entries.flatMap((entry) => [...importsOf(entry).files])) {
    const source = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const [use] of source.matchAll(
      /(?<!typeof |[.\w])(?:Buffer|__dirname|require|setImmediate)\b(?!['-])/g,
    ))
      assert.unreachable(`${file} uses ${use}`)
    if (/(?<!typeof )\bprocess\./.test(source))
      assert.match(source, /typeof process !== 'undefined'/, file)
  }
})

test.run()
