/** tools/lint-assembly.mjs on small trees, each with one mistake. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'

const TOOL = resolve('tools/lint-assembly.mjs')

const INDEX = `/** Exports. */

export { product } from './conv/product'
`
const PRODUCT = `/** Products. */

import { twice } from '../base/numbers'

/** 2·x·y. */
export function product(x: f32, y: f32): f32 {
  return twice(x * y)
}
`
const NUMBERS = `/** Numbers. */

/** 2·x. */
// @ts-ignore: decorator
@inline
export function twice(x: f32): f32 {
  return x == 0 ? 0 : 2 * x
}
`

/** Runs the tool on the tree above with some files replaced or added. */
async function lint(
  changes: Record<string, string>,
  ...options: string[]
): Promise<{ status: number | null; output: string; files: Record<string, string> }> {
  const files = {
    'index.ts': INDEX,
    'conv/product.ts': PRODUCT,
    'base/numbers.ts': NUMBERS,
    ...changes,
  }
  let result = { status: null as number | null, output: '', files: {} }
  await withFolder(async (folder) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'assembly', name)), { recursive: true })
      writeFileSync(join(folder, 'assembly', name), text)
    }
    const run = spawnSync(process.execPath, [TOOL, ...options, folder], { encoding: 'utf8' })
    const after = Object.keys(files).map((name) => [
      name,
      readFileSync(join(folder, 'assembly', name), 'utf8'),
    ])
    result = {
      status: run.status,
      output: run.stdout + run.stderr,
      files: Object.fromEntries(after),
    }
  })
  return result
}

/** The tree with these changes fails, and says so at these places. */
async function failsAt(
  changes: Record<string, string>,
  ...places: readonly (readonly [place: string, reason: RegExp])[]
): Promise<void> {
  const { status, output } = await lint(changes)
  assert.is(status, 1, output)
  for (const [place, reason] of places) {
    const line = output.split('\n').find((text) => text.startsWith(`${place} `))
    assert.ok(line, `no message at ${place}:\n${output}`)
    assert.match(line ?? '', reason)
  }
}

test('a tree without mistakes passes', async () => {
  const { status, output } = await lint({})
  assert.is(status, 0, output)
  assert.is(output, '')
})

test('an exported function without a comment fails, behind a decorator too', async () => {
  await failsAt({ 'base/numbers.ts': NUMBERS.replace('/** 2·x. */\n', '') }, [
    'assembly/base/numbers.ts:5',
    /function twice has no/,
  ])
})

test('globals that change, managed objects and strings fail', () => {
  const lines = [
    ['export let count: i32 = 0', /mutable global/],
    ['export const list: i32[] = [1, 2]', /managed object/],
    ['export const other = new StaticArray<i32>(2)', /managed object/],
    ["export const name = 'x'", /string/],
  ] as const
  return failsAt(
    { 'base/more.ts': `/** More. */\n\n${lines.map(([line]) => line).join('\n')}\n` },
    ...lines.map(([, reason], i) => [`assembly/base/more.ts:${3 + i}`, reason] as const),
  )
})

test("Biome's rules and format hold for functions with decorators", async () => {
  const unused = NUMBERS.replace('  return', '  const unused = 1\n  return')
  const { status, output } = await lint({ 'base/numbers.ts': unused })
  assert.is(status, 1)
  assert.match(output, /assembly\/base\/numbers\.ts:7:9 lint\/correctness\/noUnusedVariables/)
})

test('--write formats and keeps the decorators', async () => {
  const messy = NUMBERS.replace('(x: f32)', '( x:f32 )')
  assert.is((await lint({ 'base/numbers.ts': messy })).status, 1)
  const { status, output, files } = await lint({ 'base/numbers.ts': messy }, '--write')
  assert.is(status, 0, output)
  assert.is(files['base/numbers.ts'], NUMBERS)
})

test.run()
