/** Programs of pages and of `examples/`, run in one process. */
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { parseLines, run } from '../cli/command.js'
import type { Outcome } from './programs-child.js'

/**
 * What programs wrote, each in the folder that it lies in. Fails when their process ends with an
 * error, or does not end by itself.
 */
export async function outcomesOf(files: readonly string[]): Promise<readonly Outcome[]> {
  const child = fileURLToPath(new URL('programs-child.js', import.meta.url))
  const { code, stdout, stderr } = await run([child, ...files], { node: true })
  assert.equal([code, stderr], [0, ''], stdout)
  const outcomes = parseLines(stdout) as unknown as Outcome[]
  assert.equal(
    outcomes.map(({ file }) => file),
    files,
  )
  return outcomes
}
