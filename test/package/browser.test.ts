/** What a page would load: nothing that the package's entry imports statically may need Node. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/**
 * Built files below an entry by static imports and re-exports, and the bare modules that they
 * import.
 */
function staticImports(entry: string): { files: Set<string>; bare: Set<string> } {
  const files = new Set<string>()
  const bare = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    for (const [, from] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\b(?:[^;'"]*\bfrom)?\s*['"]([^'"]+)['"]/gm,
    )) {
      if (from.startsWith('.')) visit(join(dirname(file), from))
      else bare.add(from)
    }
  }
  visit(entry)
  return { files, bare }
}

const entries = ['index.js', 'ops/index.js'].map((path) =>
  fileURLToPath(new URL(`../../src/${path}`, import.meta.url)),
)

test('the entries import no module statically, least of all one of Node', () => {
  for (const entry of entries) {
    const { files, bare } = staticImports(entry)
    assert.ok(files.size > 40, `only ${files.size} files were found`)
    assert.equal([...bare], [])
  }
})

test('no file that an entry loads uses a global of Node without asking whether it is there', () => {
  for (const file of entries.flatMap((entry) => [...staticImports(entry).files])) {
    const source = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const [use] of source.matchAll(
      /(?<!typeof |[.\w])(?:Buffer|__dirname|require|setImmediate)\b(?!')/g,
    ))
      assert.unreachable(`${file} uses ${use}`)
    if (/(?<!typeof )\bprocess\./.test(source))
      assert.match(source, /typeof process !== 'undefined'/, file)
  }
})

test.run()
