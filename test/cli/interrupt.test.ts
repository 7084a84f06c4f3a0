// runs: waits
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { outlivesTerminal } from '../../src/cli/interrupt.js'
import { withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { parseLines, run } from './command.js'
import { run as runHere } from './in-process.js'

/** Windows cannot send an interrupt to a process; node ends it instead. */
const interruptible = testUnless(process.platform === 'win32' && 'Windows has no signals')

/** Long enough not to end by itself. */
const long = ['train', '--epochs', '100000', '--limit-train', '320', '--limit-test', '71']

for (const threads of ['1', '2'])
  interruptible(
    `Ctrl-C threads=${threads}: stops, saves what eval can read, says where, exits with 130`,
    () =>
      withFolder(async (folder) => {
        const { code, stdout, stderr } = await run(
          [...long, '--threads', threads, '--out', folder, '--json'],
          { interruptWhen: (text) => text.split('\n').length >= 3 },
        )
        assert.is(code, 130, stderr)
        assert.match(stderr, 'stopping after this step')
        const saved = `saved weights, options and history in ${folder}`
        assert.match(stderr, `stopped before the end; ${saved}`)
        const lines = parseLines(stdout)
        assert.equal([lines.at(-1)!.final, lines.at(-1)!.aborted], [true, true])
        assert.equal(
          parseLines(await readFile(join(folder, 'history.jsonl'), 'utf8')),
          lines.slice(0, -1).map(({ id: _, options: __, ...record }) => record),
        )
        assert.is((await runHere(['eval', '--run', folder])).code, 0)
      }),
  )

interruptible('Ctrl-C without --out: says that nothing was saved and how to keep it', async () => {
  const interruptWhen = (text: string): boolean => text.includes('epoch      1/')
  const { code, stdout } = await run(long, { interruptWhen })
  assert.is(code, 130)
  const keep = 'nothing was saved; give --out <folder> to keep the weights'
  assert.match(stdout, `stopped before the end; ${keep}`)
})

const file = (name: string): string =>
  JSON.stringify(new URL(`../../src/cli/${name}.js`, import.meta.url).href)

/** A process that interrupts itself, waits, and does something. */
const script = (pause: number, then: string): string => `
  import { writeSync } from 'node:fs'
  import { listenForInterrupt } from ${file('interrupt')}
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const { signal } = listenForInterrupt(() => console.log('asked'))
  process.kill(process.pid, 'SIGINT')
  while (!signal.aborted) await wait(1)
  await wait(${pause})
  ${then}`

interruptible('a second Ctrl-C that npm hands on ends nothing', async () => {
  const again = "process.kill(process.pid, 'SIGINT'); await wait(50); console.log('alive')"
  const handedOn = await run(['--input-type=module', '-e', script(0, again)], { node: true })
  assert.equal([handedOn.code, handedOn.stdout], [0, 'asked\nalive\n'], handedOn.stderr)
})

interruptible('a second Ctrl-C ends at once, also a process that hears nothing', async () => {
  const blocked =
    "writeSync(1, 'blocked\\n'); const end = Date.now() + 20_000\n" + 'while (Date.now() < end);'
  const { code, stdout, stderr } = await run(['--input-type=module', '-e', script(400, blocked)], {
    node: true,
    interruptWhen: (text) => text.includes('blocked'),
  })
  // A shell says 130 to that.
  assert.equal([code, stdout], [null, 'asked\nblocked\n'], stderr)
  assert.match(stderr, 'ended by SIGINT')
})

/** What a command hears of SIGHUP when it was started by this command of a shell. */
async function afterHangup(command: string, folder: string): Promise<string> {
  const body = `
    import { listenForInterrupt } from ${file('interrupt')}
    import { runProgram } from ${file('program')}
    await runProgram(['none'])
    const { signal } = listenForInterrupt(() => console.log('asked'))
    process.kill(process.pid, 'SIGHUP')
    await new Promise((resolve) => setTimeout(resolve, 50))
    console.log(signal.aborted ? 'stops' : 'goes on')`
  await writeFile(join(folder, 'program.mjs'), body)
  await writeFile(join(folder, 'script'), command.replaceAll('NODE', `'${process.execPath}'`))
  const child = spawn('bash', ['script'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  await once(child, 'close')
  return text
}

const hasNohup =
  process.platform === 'linux' && existsSync('/usr/bin/nohup') && existsSync('/bin/bash')

testUnless(hasNohup ? undefined : 'it takes nohup and bash of Linux')(
  'SIGHUP ends nothing that was started by nohup',
  () =>
    withFolder(async (folder) => {
      assert.is(await afterHangup('NODE program.mjs', folder), 'asked\nstops\n')
      assert.is(await afterHangup('nohup NODE program.mjs', folder), 'goes on\n')
      // A script under nohup; then a terminal's nohup, which leaves an input that nobody can read.
      assert.is(await afterHangup("trap '' HUP\nNODE program.mjs; true", folder), 'goes on\n')
      assert.is(await afterHangup('NODE program.mjs 0>/dev/null', folder), 'goes on\n')
    }),
)

test('who outlives its terminal: the traces that nohup leaves', () => {
  const traces = (command?: string, files: Record<string, string> = {}) =>
    outlivesTerminal({ command, parent: 7, read: (path) => files[path] })
  assert.not(traces())
  assert.not(traces('/usr/bin/node'))
  assert.ok(traces('/usr/bin/nohup'))
  assert.not(traces('/usr/bin/my-nohup'))
  assert.ok(traces(undefined, { '/proc/self/fdinfo/0': 'pos:\t0\nflags:\t02100001\n' }))
  assert.not(traces(undefined, { '/proc/self/fdinfo/0': 'pos:\t0\nflags:\t02100002\n' }))
  assert.ok(traces(undefined, { '/proc/7/status': 'SigIgn:\t0000000000001001\n' }))
  assert.not(traces(undefined, { '/proc/7/status': 'SigIgn:\t0000000001001000\n' }))
})

test.run()
