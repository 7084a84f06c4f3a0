/** The types of ops and of data for losses as a strict project sees them: right uses compile, wrong ones do not. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../support/compiler.js'

const project = fileURLToPath(new URL('../../../test/ops/types/', import.meta.url))

test('right uses compile, and each marked one does not', async () => {
  for (const [file, least] of [
    ['cases.ts', 16],
    ['training.ts', 9],
  ] as const) {
    const cases = await readFile(project + file, 'utf8')
    const marks = cases.match(/@ts-expect-error \w/g) ?? []
    assert.ok(marks.length >= least, `${marks.length} wrong uses in ${file}`)
  }
  const lines = (await compile(`${project}tsconfig.json`, '--listFiles')).split(/\r?\n/)
  assert.equal(
    lines.filter((line) => /\berror TS/.test(line)),
    [],
  )
  assert.ok(lines.some((file) => file.endsWith('build/dist/ops.d.ts')))
})

test.run()
