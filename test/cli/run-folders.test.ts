// runs: apart
/** Folders of runs: two commands at once, a folder that goes away. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { oldPlace } from '../../src/cli/run-folder.js'
import { RunFolder } from '../../src/files/folder/folder.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'
import { main, run } from './command.js'
import { run as runHere } from './in-process.js'

const small = ['--limit-train', '96', '--limit-test', '71', '--threads', '1', '--epochs', '1']

test('two trainings start at once behind a dead lock: one trains, one has a clear error', () =>
  withFolder(async (parent) => {
    const out = join(parent, 'run')
    await mkdir(out)
    const dead = { pid: process.pid, host: hostname(), started: '1', nonce: 'beef' }
    await writeFile(join(out, 'run.lock'), JSON.stringify(dead))
    const both = await Promise.all([0, 1].map(() => run(['train', ...small, '--out', out])))
    const codes = both.map(({ code }) => code)
    assert.equal(codes.toSorted(), [0, 1], both.map(({ stderr }) => stderr).join())
    const { stderr } = both[codes.indexOf(1)]
    assert.match(stderr, /^spikewasm: [^\n]*(trains in this folder|holds a run already)[^\n]*\n$/)
    assert.not((await readdir(out)).some((name) => name.includes('lock')))
    assert.is((await runHere(['eval', '--run', out])).code, 0)
  }))

test('a folder that is removed while it trains: one clear error, and no new folder', () =>
  withFolder(async (parent) => {
    const out = join(parent, 'run')
    let removed: Promise<void> | undefined
    const { code, stderr } = await run(
      ['train', ...small, '--epochs', '1000', '--checkpoint-every', '1', '--json', '--out', out],
      {
        onOutput() {
          // It is still written into: what appears while it is removed is removed, too.
          removed ??= rm(out, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 })
        },
      },
    )
    await removed
    assert.is(code, 1)
    assert.match(stderr, /^spikewasm: [^\n]+\n$/)
    assert.not(existsSync(out))
  }))

test('--resume where the manifest is lost or the checkpoint damaged: what can be saved', () =>
  withFolder(async (out) => {
    const files = ['options.json', 'checkpoint.safetensors', 'weights.safetensors']
    const folder = await RunFolder.open(out)
    await folder.commit(Object.fromEntries(files.map((name) => [name, new Uint8Array(3)])))
    await folder.close()
    const anew = 'begin anew from its weights with --load .*weights.safetensors --out <another'
    await writeFile(join(out, 'checkpoint.safetensors'), 'x')
    assert.match(
      await messageOf(() => oldPlace(out)),
      new RegExp(`checkpoint.safetensors: must be the file that .*, or ${anew}`),
    )
    await rm(join(out, 'manifest.json'))
    assert.match(
      await messageOf(() => oldPlace(out)),
      new RegExp(`^--resume: .* has lost its manifest.json, .* put it back, or ${anew}`),
    )
  }))

const posix = testUnless(process.platform === 'win32' && 'Windows has no signals')

posix(
  'a disk that is full before the first checkpoint: the options stay, and --resume begins anew',
  () =>
    withFolder(async (parent) => {
      const out = join(parent, 'run')
      const command = ['train', ...small, '--model', 'mlp', '--out', out]
      const words = [process.execPath, main, ...command].map((word) => `'${word}'`).join(' ')
      const script = join(parent, 'script')
      await writeFile(script, `ulimit -f 40\n${words}\n`)
      await once(spawn('sh', [script], { stdio: 'ignore' }), 'close')
      assert.equal((await readdir(out)).sort(), ['manifest.json', 'options.json'])
      const place = await oldPlace(out)
      assert.equal([place.resumed, place.checkpoint], [true, undefined])
      await place.folder.close()
    }),
)

test.run()
