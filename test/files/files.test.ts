import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, rmdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import {
  kindOfPath,
  readFileClear,
  unpack,
  writeFileAtomic,
  writeFilesAtomic,
} from '../../src/files/files.js'
import { skip } from '../support/runner.js'
import { expectRefusal, expectRefusals, messageOf, withFolder } from './temporary.js'

test('writeFileAtomic: writes, replaces and leaves no other file', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'net.safetensors')
    await writeFileAtomic(path, new Uint8Array([1, 2, 3]))
    await writeFileAtomic(path, new Uint8Array([4]))
    assert.equal([...(await readFile(path))], [4])
    assert.equal(await readdir(folder), ['net.safetensors'])
  }))

test('writeFileAtomic: writers at the same time leave one whole file', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'a')
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => writeFileAtomic(path, new Uint8Array(50_000).fill(i))),
    )
    const bytes = await readFile(path)
    assert.is(bytes.length, 50_000)
    assert.ok(bytes.every((byte) => byte === bytes[0]))
    assert.equal(await readdir(folder), ['a'])
  }))

const write = (path: string): Promise<void> => writeFileAtomic(path, new Uint8Array([65]))

test('writeFileAtomic: says why it failed and removes its temporary file', () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, 'taken', 'inside'), { recursive: true })
    await writeFile(join(folder, 'file'), '')
    await expectRefusals([
      [
        () => write(join(folder, 'no', 'net.safetensors')),
        /could not be written: the folder ".*no" does not exist; make it/,
      ],
      [() => write(join(folder, 'taken')), /a folder of that name/],
      [() => write(join(folder, 'file', 'x')), /is not a folder/],
    ])
    assert.equal((await readdir(folder)).sort(), ['file', 'taken'])
  }))

/** What of a folder and its own folders is there. */
const all = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).sort()

test('writeFileAtomic: a folder of the system that takes no files', async () => {
  if ((await kindOfPath('/proc')) !== 'folder') return skip('it takes /proc')
  const message = await messageOf(() => write('/proc/x.wasm'))
  assert.match(message, /^\/proc\/x\.wasm: the file could not be written: /)
  assert.not.match(message, /does not exist/)
})

/** Runs with a folder in which there are a pipe and a link to it. */
const withPipe = (body: (folder: string, pipe: string, link: string) => Promise<void>) =>
  withFolder(async (folder) => {
    if (process.platform === 'win32') return skip('Windows has no such files')
    const [pipe, link] = [join(folder, 'pipe'), join(folder, 'link')]
    assert.is(spawnSync('mkfifo', [pipe]).status, 0)
    await symlink('pipe', link)
    await body(folder, pipe, link)
  })

test('writeFileAtomic: a pipe and a socket stay what they are', () =>
  withPipe(async (folder, pipe, link) => {
    const socket = join(folder, 'socket')
    const server = createServer().listen(socket)
    await once(server, 'listening')
    try {
      await expectRefusals([
        [() => write(pipe), /pipe: the file could not be written: it is a pipe, no regular/],
        [() => write(link), /link: .* it is a pipe, no regular file; choose/],
        [() => write(socket), /it is a socket, no regular file/],
      ])
      assert.ok((await lstat(socket)).isSocket())
    } finally {
      server.close()
    }
    assert.ok((await lstat(pipe)).isFIFO())
  }))

test('writeFileAtomic: a symbolic link stays, its file is replaced', async () => {
  if (process.platform === 'win32') return skip('Windows has no such files')
  await withFolder(async (folder) => {
    await mkdir(join(folder, 'far'))
    await writeFile(join(folder, 'far', 'file'), 'old')
    await symlink('far/file', join(folder, 'link'))
    await write(join(folder, 'link'))
    assert.is(await readFile(join(folder, 'far', 'file'), 'utf8'), 'A')
    assert.ok((await lstat(join(folder, 'link'))).isSymbolicLink())
    await symlink('nowhere', join(folder, 'dangling'))
    await expectRefusal(
      () => write(join(folder, 'dangling')),
      /dangling: .* a symbolic link to "nowhere", which does not exist; remove/,
    )
    assert.equal(await all(folder), ['dangling', 'far', join('far', 'file'), 'link'])
  })
})

test('writeFilesAtomic: a folder in the place of one file, and nothing is written', () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, 'd', 'x.h'), { recursive: true })
    const files = ['x.wasm', 'x.h'].map((name) => ({
      path: join(folder, 'd', name),
      bytes: new Uint8Array(3),
    }))
    await expectRefusal(
      () => writeFilesAtomic(files),
      /x\.h: the file could not be written: there is a folder of that name; choose another/,
    )
    assert.equal(await all(folder), ['d', join('d', 'x.h')])
    await expectRefusal(
      () => writeFilesAtomic([files[0], files[0]]),
      /x\.wasm: must be a file of its own, got ".*x\.wasm" twice/,
    )
  }))

test('writeFilesAtomic: when a later rename fails, the files are as before', () =>
  withFolder(async (folder) => {
    const at = (name: string): string => join(folder, name)
    await writeFile(at('old'), 'old')
    const bytes = new Uint8Array([65])
    const files = [
      { path: at('old'), bytes },
      { path: at('new'), bytes },
      {
        path: at('late'),
        // Somebody makes a folder of that name while files are written.
        get bytes() {
          mkdirSync(at('late'))
          return bytes
        },
      },
    ]
    await expectRefusal(
      () => writeFilesAtomic(files),
      /late: the file could not be written: there is a folder of that name/,
    )
    assert.equal(await all(folder), ['late', 'old'])
    assert.is(await readFile(at('old'), 'utf8'), 'old')
    await rmdir(at('late'))
    await writeFilesAtomic(files.map(({ path }) => ({ path, bytes })))
    assert.equal(await all(folder), ['late', 'new', 'old'])
    for (const name of ['late', 'new', 'old']) assert.is(await readFile(at(name), 'utf8'), 'A')
  }))

test('readFileClear: reads a plain array, or says what is missing', () =>
  withFolder(async (folder) => {
    const [there, none] = [join(folder, 'a'), join(folder, 'b')]
    await writeFile(there, new Uint8Array([1, 2]))
    const bytes = await readFileClear(there, 'weights')
    assert.is(bytes.constructor, Uint8Array)
    assert.equal([...bytes], [1, 2])
    const read = (path: string) => () => readFileClear(path, 'weights')
    await expectRefusals([
      [read(none), /^weights must be a readable file, got ".*b": there is no such file/],
      [read(join(folder, 'no', 'b')), /the folder ".*no" does not exist/],
      [read(folder), /it is a folder/],
    ])
    assert.equal(await Promise.all([folder, there, none].map(kindOfPath)), [
      'folder',
      'file',
      undefined,
    ])
  }))

test('readFileClear: a pipe or a device is refused, not waited for', () =>
  withPipe(async (_, pipe, link) => {
    for (const path of [pipe, link, '/dev/zero'])
      assert.is(
        await messageOf(() => readFileClear(path, 'weights')),
        `weights must be a readable file, got "${path}": it is a ` +
          `${path === '/dev/zero' ? 'device' : 'pipe'}, no regular file; write its content to a ` +
          'file first',
      )
  }))

test('unpack: the error of what says the size is the error', async () => {
  const refuse = (): number => {
    throw new SpikewasmError('no such file')
  }
  assert.is(
    await messageOf(() => unpack(gzipSync(Uint8Array.of(5)), 'a.gz', refuse)),
    'no such file',
  )
})

test.run()
