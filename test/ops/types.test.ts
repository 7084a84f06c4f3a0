/** The types of ops as a strict project sees them: right uses compile, wrong ones do not. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const cases = fileURLToPath(new URL('../../../test/ops/types/cases.ts', import.meta.url))

test('right uses compile, and each marked one does not', async () => {
  const marks = (await readFile(cases, 'utf8')).match(/@ts-expect-error \w/g) ?? []
  assert.ok(marks.length > 35, `${marks.length} wrong uses`)
  const program = ts.createProgram([cases], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noPropertyAccessFromIndexSignature: true,
    noEmit: true,
    skipLibCheck: true,
  })
  const used = program.getSourceFiles().map(({ fileName }) => fileName)
  assert.ok(used.some((file) => file.endsWith('build/src/ops/index.d.ts')))
  const found = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start ?? 0).line + 1 : 0
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  assert.equal(found, [])
})

test.run()
