/** bench/side-by-side.md: its table is what its programs have, and they run. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { outcomesOf } from '../support/programs.js'
import { allow, testUnless } from '../support/runner.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const python = process.env.PYTHON || 'python3'
const { status } = spawnSync(python, ['-c', 'import torch, snntorch, spikingjelly'])
const withOthers = testUnless(
  status !== 0 && `${python} has not all of PyTorch, snntorch and spikingjelly`,
)

/** What the counter prints; its programs go into a folder from which the package is found. */
const count = (...args: string[]): string => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'build/bench/side-by-side.js'), ...args],
    { encoding: 'utf8' },
  )
  assert.is(stderr, '')
  return stdout
}

async function withPrograms(use: (files: readonly string[]) => unknown): Promise<void> {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build/side-by-side-'))
  try {
    count('--write', folder)
    await use(readdirSync(folder).map((name) => join(folder, name)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the table of the page is counted, and ours are the shorter programs', () => {
  const table = count()
  assert.ok(readFileSync(join(root, 'bench/side-by-side.md'), 'utf8').includes(`\n${table}\n`))
  const rows = table.trim().split('\n').slice(2)
  assert.ok(rows.length > 10)
  for (const row of rows) {
    const [title, ours, ...others] = row.split(' | ')
    // Where the gradient is given by hand, up to 1.3 times as many.
    const byHand = /function|Loop|Online/.test(title)
    for (const theirs of others.map(Number.parseFloat))
      if (byHand) assert.ok(Number(ours) <= 1.3 * theirs, row)
      else assert.ok(Number(ours) < theirs, row)
  }
})

test('our programs run', () =>
  withPrograms(async (files) => {
    const ours = files.filter((file) => file.endsWith('.mjs'))
    assert.ok(ours.length > 9)
    for (const { file, stderr } of await outcomesOf(ours)) assert.is(stderr, '', file)
  }))

withOthers('the programs of other libraries run', () =>
  withPrograms((files) => {
    allow(900)
    for (const file of files.filter((name) => name.endsWith('.py'))) {
      const { status, stderr } = spawnSync(python, ['-W', 'ignore', file], { encoding: 'utf8' })
      assert.is(status, 0, `${file}: ${stderr}`)
    }
  }),
)

test.run()
