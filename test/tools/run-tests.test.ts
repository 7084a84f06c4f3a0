/** The runner of tests, on small files: what it names, counts, leaves out and ends. */
import { execFile, execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { soon } from '../support/soon.js'

const script = fileURLToPath(new URL('../../../tools/run-tests.mjs', import.meta.url))
const uvu = import.meta.resolve('uvu')
const support = new URL('../support/runner.js', import.meta.url).href
const head = `import { test } from '${uvu}'
import { skip, testUnless, allow } from '${support}'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
`

/** Files with these bodies, by name. */
type Files = Readonly<Record<string, string>>

async function write(folder: string, files: Files): Promise<void> {
  for (const [name, body] of Object.entries(files))
    await writeFile(
      join(folder, `${name}.test.mjs`),
      // What a file says of itself stands in front of its imports.
      `${body.startsWith('//') ? '' : head}${body}\ntest.run()\n`,
    )
}

interface Ended {
  readonly code: number
  readonly lines: readonly string[]
}

function start(folder: string, args: readonly string[], ended: (of: Ended) => void) {
  const all = [script, '--no-build', '--folder', folder, ...args]
  return execFile(process.execPath, all, (error, stdout, stderr) => {
    const code = error ? Number(error.code) : 0
    ended({ code, lines: `${stdout}${stderr}`.replaceAll(`${folder}/`, '').trimEnd().split('\n') })
  })
}

/** What the runner says of files. */
async function runnerOn(files: Files, ...args: string[]): Promise<Ended> {
  let said: Ended | undefined
  await withFolder(async (folder) => {
    await write(folder, files)
    said = await new Promise<Ended>((resolve) => start(folder, args, resolve))
  })
  return said!
}

const failuresIn = ({ lines }: Ended): string[] =>
  lines.filter((line) => line.startsWith('  FAIL')).map((line) => line.slice(8))

test('a test that hangs is named, as is all that fails; the files behind it run', async () => {
  const said = await runnerOn(
    {
      a: `test('passes', () => {})\ntest('hangs', () => { for (;;); })\ntest('behind', () => {})`,
      b: `test('has time', async () => { allow(60); await setTimeout(3000) })`,
      c: `test('fails', () => { throw new Error('why') })\ntest('passes', () => {})`,
      d: `test('ends the process', () => process.exit(0))`,
      e: `test.before(() => { throw new Error('hook') })\ntest('needs it', () => {})`,
      f: `throw new Error('loads not')`,
      g: '',
      h: `setTimeout(99).then(() => { throw new Error('late') })\ntest('passes', () => {})`,
    },
    ...['--limit', '2'],
  )
  assert.equal(failuresIn(said), [
    'a.test.mjs: "hangs": did not end within 2 s',
    'a.test.mjs: 1 of its tests did not run',
    'c.test.mjs: "fails": Error: why',
    'd.test.mjs: "ends the process": exit code 1',
    'e.test.mjs: its hook "before" failed: Error: hook',
    'e.test.mjs: 1 of its tests did not run',
    'f.test.mjs: Error: loads not',
    'g.test.mjs: has no test',
    'h.test.mjs: exit code 1 behind its tests, in one process with other files',
  ])
  assert.equal([said.code, said.lines.at(-1)], [1, '4 passed, 9 failed'])
})

test('skips are named with their reasons, and count as nothing else', async () => {
  const { code, lines } = await runnerOn({
    a: `test('leaves; out', () => skip('it is late'))\ntestUnless('no; Redis')('server', () => {})`,
    b: `testUnless('no; Redis')('other', () => {})\ntestUnless(undefined)('passes', () => {})`,
    c: `test.skip('x', () => {})\ntest.only('one', () => {})\ntest('two', () => {})`,
  })
  const what = [
    'no, Redis (a.test.mjs "server", b.test.mjs "other")',
    'it is late (a.test.mjs "leaves, out")',
    'another test has .only (c.test.mjs "two")',
    '.skip without a reason (c.test.mjs)',
  ]
  assert.equal([code, ...lines.slice(-2)], [0, `skipped: ${what.join('; ')}`, '2 passed, 0 failed'])
})

test('--grep leaves what it names; the hooks of others do not run', async () => {
  const files = {
    a: `test('one', () => {})\ntest('two', () => { throw new Error() })\ntestUnless('late')('on')`,
    b: `test.before(() => { throw new Error() })\ntest('two', () => {})`,
  }
  const said = await runnerOn(files, '--grep', '^o.e$')
  assert.equal([said.code, ...said.lines.slice(-2)], [0, 'skipped: nothing', '1 passed, 0 failed'])
  assert.is((await runnerOn(files, '--grep', 'three')).code, 1)
})

test('--bail ends all behind the first failure', async () => {
  const { code, lines } = await runnerOn(
    {
      a: `// runs: apart\n${head}test('waits', () => setTimeout(100_000))`,
      b: `test('yes', () => {})\ntest('fails', () => { throw Error('why') })\ntest('no', () => {})`,
    },
    '--bail',
  )
  assert.equal([code, lines.at(-1)], [1, '1 passed, 1 failed'])
  assert.ok(lines.includes('  FAIL  b.test.mjs: "fails": Error: why'), lines.join('\n'))
})

test('wrong options and words are refused by name', async () => {
  const word = await runnerOn({ a: '// runs: never' })
  assert.equal(word, {
    code: 2,
    lines: ['a.test.mjs runs: never; it must be one of apart, waits, alone'],
  })
  for (const [option, message] of [
    ['--no', /^Unknown option '--no'; there are --apart, --bail, --fast/],
    ['--limit=0', /^--limit must be seconds, got 0$/],
    ['--grep=(', /Invalid regular expression/],
  ] as const) {
    const { code, lines } = await runnerOn({}, option)
    assert.is(code, 2)
    assert.match(lines[0], message)
  }
})

/** Whether a process is gone; one that nobody has waited for yet is. */
function isGone(pid: number): boolean {
  try {
    return /^Z/.test(execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }))
  } catch {
    return true
  }
}

const onUnix = testUnless(process.platform === 'win32' && 'Windows has no process groups')

/** Starts what runs for long, and writes its id: in the group of the test, or in one of its own. */
const leaves = (detached: boolean, then: string): string =>
  `test('leaves a process', () => {
    const program = ['-e', 'setInterval(() => {}, 9e5)']
    const child = spawn(process.execPath, program, { detached: ${detached}, stdio: 'inherit' })
    child.unref()
    writeFileSync(import.meta.url.slice(7) + '.pid', String(child.pid))
    ${then}
  })`

onUnix('what a test has started ends with it: at its end, its limit, or a signal', () =>
  withFolder(async (folder) => {
    const own = process.platform === 'linux'
    await write(folder, {
      a: leaves(false, ''),
      b: leaves(false, 'for (;;);'),
      c: `// runs: apart\n${head}${leaves(own, '')}`,
      d: `// runs: alone\n${head}${leaves(own, 'for (;;);')}`,
    })
    const names = ['a', 'b', 'c', 'd']
    const pidOf = async (name: string): Promise<number> =>
      Number(await readFile(join(folder, `${name}.test.mjs.pid`), 'utf8').catch(() => 0))
    const leftOf = async (): Promise<readonly string[]> => {
      const pids = await Promise.all(names.map(pidOf))
      return names.filter((_, i) => pids[i] > 0 && !isGone(pids[i]))
    }
    let atLast: readonly string[] = []
    const ended = new Promise<Ended>((resolve) => {
      const runner = start(folder, ['--limit', '3'], resolve)
      let isSeen = false
      const whenLast = setInterval(async () => {
        // Several of these may wait at a time.
        if ((await pidOf('d')) === 0 || isSeen) return
        isSeen = true
        clearInterval(whenLast)
        atLast = await leftOf()
        runner.kill('SIGTERM')
      }, 20)
    })
    assert.is((await soon(ended)).code, 128 + 15)
    assert.equal(atLast, ['d'])
    for (const late = Date.now() + 10_000; (await leftOf()).length > 0 && Date.now() < late; )
      await new Promise((done) => setTimeout(done, 20))
    assert.equal(await leftOf(), [])
  }),
)

test.run()
