/**
 * Commands of pages run as they stand, where `<!-- runs -->` is above them. Behind `<!-- prints -->`
 * stands a part of what they print, with … where it differs from run to run.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { commandsOf } from '../support/programs.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

const pages = readdirSync(join(root, 'docs')).flatMap((name) => {
  if (!name.endsWith('.md')) return []
  const commands = commandsOf(readFileSync(join(root, 'docs', name), 'utf8'))
  return commands.length > 0 ? [{ name, commands }] : []
})

for (const { name, commands } of pages)
  test(`docs/${name}: its ${commands.length} commands run`, () =>
    withFolder(async (cwd) => {
      for (const { line, printed = '' } of commands) {
        const [, args] = /^npx spikewasm (.+)$/.exec(line) ?? []
        assert.ok(args, line)
        const { code, stdout, stderr } = await run(args, { cwd })
        assert.is(code, 0, `${line}\n${stderr}`)
        assert.ok(stdout.length > 0, `${line} prints something`)
        let at = 0
        for (const part of printed.trim().split('…')) {
          at = stdout.indexOf(part, at)
          assert.ok(at >= 0, `${line} does not print ${part}:\n${stdout}`)
        }
      }
    }))

test('several pages have commands that run', () => {
  assert.ok(pages.length >= 5, pages.map(({ name }) => name).join())
})

test.run()
