// runs: apart
/** Stack traces show lines of TypeScript: those of the tests and those of the command line. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { main, run } from './command.js'

/** The line of a source that holds a text, counted from 1. */
function lineOf(source: string, text: string): number {
  const path = new URL(`../../../${source}`, import.meta.url)
  return (
    readFileSync(path, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(text)) + 1
  )
}

test('an error in a test shows its line of TypeScript', () => {
  const stack = new Error('thrown').stack ?? ''
  const line = lineOf('test/cli/source-maps.test.ts', "new Error('thrown')")
  assert.match(stack, new RegExp(`source-maps\\.test\\.ts:${line}:`))
})

test('a fault of the command line shows its line of TypeScript', async () => {
  const broken = "process.stdout.write = () => { throw new TypeError('a fault') }"
  const { code, stderr } = await run(
    ['--import', `data:text/javascript,${encodeURIComponent(broken)}`, main, 'info'],
    { node: true },
  )
  assert.is(code, 1)
  assert.match(stderr, /^TypeError: a fault$/m)
  assert.match(stderr, /src[\\/]cli[\\/]commands[\\/]info\.ts:\d+:\d+/)
  assert.not.match(stderr, /src[\\/]cli[\\/]commands[\\/]info\.js:/)
})

test.run()
