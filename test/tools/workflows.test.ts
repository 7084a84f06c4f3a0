/**
 * Workflows run what was looked at: a tag of an action may be moved, a commit may not. The check of
 * their keys and expressions finds what is planted; `npm run lint` runs it on this repository's.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const folder = `${root}.github/workflows/`
const texts = Object.fromEntries(
  readdirSync(folder).map((file) => [`/${file}`, readFileSync(folder + file, 'utf8')]),
)
const { check } = (await import(pathToFileURL(`${root}tools/lint-workflows.mjs`).href)) as {
  check(texts: Readonly<Record<string, string>>): Promise<string[]>
}

test('actions of workflows are named by commit, with their version beside it', () => {
  const uses = Object.values(texts).flatMap((text) =>
    text.split('\n').filter((line) => /\buses:/.test(line)),
  )
  assert.ok(uses.length > 0)
  for (const line of uses)
    assert.match(
      line,
      /uses: ([\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\.\/\.github\/workflows\/\w+\.yml)$/,
    )
})

test('workflows ask for their rights', () => {
  for (const [file, text] of Object.entries(texts))
    assert.match(text, /^permissions:\n {2}contents: read$/m, file)
})

/** A good step, and what is planted in its place or behind it. */
const workflow = (planted: string): string => `name: a
on:
  push:
    tags: ['v*']
permissions:
  contents: read
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ github.ref }}
${planted}`
const faults: readonly (readonly [what: string, planted: string, problem?: RegExp])[] = [
  ['nothing', ''],
  ['a step', '        wth: {}', /:12: Unexpected value 'wth'/],
  [
    'an expression',
    `      - run: echo \${{ githb.ref }}`,
    /:12: Unrecognized named-value: 'githb'/,
  ],
  ['an expression without end', '      - run: echo ${{ github.ref', /:12: The expression is not/],
  ['a condition', "      - run: x\n        if: github.ref == 'a' &&", /:13: Unexpected end/],
  ['a step that does nothing', '      - id: x', /:12: /],
  ['a job that is not there', '  b:\n    needs: c\n    runs-on: x\n    steps: [{ run: x }]', /'c'/],
  ['an event', 'on:\n  pushed:\n', /pushed|on/],
]
test('the check of workflows finds what is planted', async () => {
  const planted = faults.map(([what, text]) => [`/${what.replaceAll(' ', '-')}.yml`, text] as const)
  const problems = await check({
    ...texts,
    ...Object.fromEntries(planted.map(([file, text]) => [file, workflow(text)])),
  })
  for (const file of Object.keys(texts))
    assert.equal(
      problems.filter((text) => text.startsWith(`${file}:`)),
      [],
    )
  for (const [i, [what, , problem]] of faults.entries()) {
    const own = problems.filter((text) => text.startsWith(`${planted[i][0]}:`))
    if (problem) assert.match(own.join('\n'), problem, what)
    else assert.equal(own, [])
  }
})

test.run()
