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

/** Runs the tool on the tree above with other numbers. @returns them as they are behind it */
const lint = (numbers: string, ...options: string[]) =>
  withFolder(async (folder) => {
    const files = { 'index.ts': INDEX, 'conv/product.ts': PRODUCT, 'base/numbers.ts': numbers }
    const pathOf = (name: string): string => join(folder, 'assembly', name)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(pathOf(name)), { recursive: true })
      writeFileSync(pathOf(name), text)
    }
    const tool = [TOOL, ...options, folder]
    const { status, stdout, stderr } = spawnSync(process.execPath, tool, { encoding: 'utf8' })
    return {
      status,
      output: stdout + stderr,
      text: readFileSync(pathOf('base/numbers.ts'), 'utf8'),
    }
  })

const more = `${NUMBERS}
export let count: i32 = 0
export const list: i32[] = [1, 2]
export const other = new StaticArray<i32>(2)
export const name = 'x'
`
for (const [name, numbers, ...messages] of [
  [
    'an exported function without a comment, behind a decorator',
    NUMBERS.replace('/** 2·x. */\n', ''),
    /^assembly\/base\/numbers\.ts:5 .*function twice has no/m,
  ],
  [
    'globals that change, managed objects and strings',
    more,
    /^assembly\/base\/numbers\.ts:10 mutable global/m,
    /^assembly\/base\/numbers\.ts:11 managed object/m,
    /^assembly\/base\/numbers\.ts:12 managed object/m,
    /^assembly\/base\/numbers\.ts:13 string/m,
  ],
  [
    "what Biome's rules forbid, in functions with decorators",
    NUMBERS.replace('  return', '  const unused = 1\n  return'),
    /assembly\/base\/numbers\.ts:7:9 lint\/correctness\/noUnusedVariables/,
  ],
] as const)
  test(`finds ${name}`, async () => {
    const { status, output } = await lint(numbers)
    assert.is(status, 1, output)
    for (const message of messages) assert.match(output, message)
  })

test('a tree without mistakes passes; --write formats, and keeps the decorators', async () => {
  assert.equal(await lint(NUMBERS), { status: 0, output: '', text: NUMBERS })
  const messy = NUMBERS.replace('(x: f32)', '( x:f32 )')
  assert.is((await lint(messy)).status, 1)
  assert.equal(await lint(messy, '--write'), { status: 0, output: '', text: NUMBERS })
})

test.run()
