/** The line budget counts code, and not what stands beside it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'

const lint = fileURLToPath(new URL('../../../tools/lint-lines.mjs', import.meta.url))

test('a room above its budget fails by name; comments and blank lines are free', () =>
  withFolder(async (folder) => {
    const files = {
      'src/compile/a.ts': '/** A comment. */\n\nexport const a = `\n1\n` // 3 lines\n// none\n',
      'src/compile/b.py': '# none\nprint(1)\n',
      'src/top.ts': 'export {}\n',
      'notes.md': 'words\n',
    }
    const run = (budget: object) => {
      for (const [name, text] of Object.entries({
        ...files,
        'tools/budget.json': JSON.stringify(budget),
      })) {
        mkdirSync(dirname(join(folder, name)), { recursive: true })
        writeFileSync(join(folder, name), text)
      }
      execFileSync('git', ['init', '-q'], { cwd: folder })
      execFileSync('git', ['add', '.'], { cwd: folder })
      return spawnSync(process.execPath, [lint, '--table'], { cwd: folder, encoding: 'utf8' })
    }
    const fitting = { 'src/compile': 4, src: 1, bytes: 1000 }
    const { status, stdout, stderr } = run(fitting)
    assert.is(status, 0, stderr)
    assert.match(stdout, /^src\/compile +4 4$/m)
    const wrong = run({ ...fitting, 'src/compile': 3, bytes: 50 })
    assert.is(wrong.status, 1)
    assert.match(wrong.stderr, /^4 lines of code in src\/compile; tools\/budget.json allows 3$/m)
    assert.match(wrong.stderr, /^\d+ bytes of all text, gzipped; tools\/budget.json allows 50$/m)
  }))

test.run()
