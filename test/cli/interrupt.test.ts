import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../io/temporary.js'
import { parseLines, run } from './command.js'

/** Windows cannot send an interrupt to a process; node ends it instead. */
const interruptible = process.platform === 'win32' ? test.skip : test

/** Long enough not to end by itself. */
const long = ['train', '--epochs', '100000']

for (const threads of ['1', '2']) {
  interruptible(
    `Ctrl-C threads=${threads}: stops, saves what eval can read, says where, exits with 130`,
    () =>
      withFolder(async (folder) => {
        let sent = false
        const { code, stdout, stderr } = await run(
          [...long, '--threads', threads, '--out', folder, '--json'],
          {
            onOutput(text, interrupt) {
              if (sent || text.split('\n').length < 3) return
              sent = true
              interrupt()
            },
          },
        )
        assert.is(code, 130, stderr)
        assert.match(stderr, 'stopping after this step')
        assert.match(
          stderr,
          `stopped before the end; saved weights, options and history in ${folder}`,
        )
        const lines = parseLines(stdout)
        assert.equal([lines.at(-1)!.final, lines.at(-1)!.aborted], [true, true])
        const history = parseLines(await readFile(join(folder, 'history.jsonl'), 'utf8'))
        assert.equal(
          history,
          lines.slice(0, -1).map(({ id: _, options: __, ...record }) => record),
        )
        assert.is((await run(['eval', '--run', folder])).code, 0)
      }),
  )
}

interruptible('Ctrl-C without --out: says that nothing was saved and how to keep it', async () => {
  let sent = false
  const { code, stdout } = await run(long, {
    onOutput(text, interrupt) {
      if (sent || !text.includes('epoch      1/')) return
      sent = true
      interrupt()
    },
  })
  assert.is(code, 130)
  assert.match(
    stdout,
    'stopped before the end; nothing was saved; give --out <folder> to keep the weights',
  )
})

/** A process that interrupts itself, waits, and interrupts itself again. */
const script = (pause: number): string => `
  import { listenForInterrupt } from ${JSON.stringify(new URL('../../src/cli/interrupt.js', import.meta.url).href)}
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const { signal } = listenForInterrupt(() => console.log('asked'))
  process.kill(process.pid, 'SIGINT')
  while (!signal.aborted) await wait(1)
  await wait(${pause})
  process.kill(process.pid, 'SIGINT')
  await wait(100)
  console.log('alive')`

interruptible('a second Ctrl-C ends at once; one that npm hands on does not', async () => {
  const again = await run(['--input-type=module', '-e', script(700)], { node: true })
  assert.equal([again.code, again.stdout], [130, 'asked\n'], again.stderr)
  const handedOn = await run(['--input-type=module', '-e', script(0)], { node: true })
  assert.equal([handedOn.code, handedOn.stdout], [0, 'asked\nalive\n'], handedOn.stderr)
})

test.run()
