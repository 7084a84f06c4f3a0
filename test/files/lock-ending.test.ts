/** A folder whose process was killed: nobody runs there, and the next one may begin. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FolderLock, LOCK, lifeIn, whereHeld } from '../../src/files/folder/lock.js'
import { testUnless } from '../support/runner.js'
import { soon } from '../support/soon.js'
import { expectRefusal, withFolder } from './temporary.js'

const onLinux = testUnless(existsSync('/proc/self/stat') ? undefined : 'it takes /proc')

const statusWith = (pending: string): string =>
  `Name:\tnode\nState:\tR (running)\nSigPnd:\t0000000000000000\nShdPnd:\t${pending}\nSigBlk:\t0\n`
const statWith = (state: string, threads: number): string =>
  `7 (a) Z (node) ${state} 1 7 7 0 -1 4194304 9 0 0 0 5 1 0 0 20 0 ${threads} 0 222 9 9 18446744\n`

test('what Linux tells of a process says whether it lives, ends or is dead', () => {
  const none = statusWith('0000000000000000')
  // The name of the process looks like that of a dead one.
  assert.is(lifeIn(statWith('R', 7), none), 'alive')
  assert.is(lifeIn(statWith('S', 1), none), 'alive')
  // Other signals may wait, the one next to SIGKILL too.
  assert.is(lifeIn(statWith('S', 7), statusWith('0000000000004281')), 'alive')
  assert.is(lifeIn(statWith('R', 7), statusWith('0000000000000100')), 'ending')
  assert.is(lifeIn(statWith('D', 7), statusWith('0000000000004300')), 'ending')
  // The first thread has ended, and others have not.
  assert.is(lifeIn(statWith('Z', 2), statusWith('0000000000000100')), 'ending')
  assert.is(lifeIn(statWith('Z', 1), statusWith('0000000000000100')), 'dead')
  assert.is(lifeIn(statWith('X', 0), ''), 'dead')
  assert.is(lifeIn('', ''), 'alive')
})

/** A process whose parent never asks for its end. */
async function orphan(): Promise<{ readonly pid: number; readonly parent: ChildProcess }> {
  const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(parent.stdout!.setEncoding('utf8'), 'data')
  return { pid: Number(line), parent }
}

onLinux('a process that was killed holds no folder, even if its parent does not notice', () =>
  withFolder(async (folder) => {
    const { pid, parent } = await orphan()
    try {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
      const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
      const holder = { pid, host: hostname(), started, nonce: 'abc' }
      await writeFile(join(folder, LOCK), JSON.stringify(holder))
      assert.is(await whereHeld(folder), 'here')
      await expectRefusal(() => FolderLock.take(folder), /trains in this folder; wait/)
      process.kill(pid, 'SIGKILL')
      const gone = async (): Promise<void> => {
        while ((await whereHeld(folder)) !== undefined) await pause(5)
      }
      await soon(gone())
      // Its number is still taken.
      process.kill(pid, 0)
      const lock = await FolderLock.take(folder)
      assert.is(await whereHeld(folder), 'here')
      // Another process has taken it meanwhile.
      await writeFile(join(folder, LOCK), JSON.stringify(holder))
      await lock.release()
      assert.is(await readFile(join(folder, LOCK), 'utf8'), JSON.stringify(holder))
    } finally {
      parent.kill('SIGKILL')
    }
  }),
)

test.run()
