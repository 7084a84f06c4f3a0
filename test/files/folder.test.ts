/** A run's folder: all files of a commit or none, one writer at a time. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RunFolder, readRunFile } from '../../src/files/folder/folder.js'
import { makeFaulty } from '../support/faulty-files.js'
import { expectRefusal, messageOf, withFolder } from './temporary.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = async (folder: string, name: string): Promise<string> =>
  new TextDecoder().decode(await readRunFile(folder, name))

test('commits replace all files that are given; others stay, or go with `alone`', () =>
  withFolder(async (parent) => {
    const path = join(parent, 'a', 'run')
    const folder = await RunFolder.open(path)
    await folder.commit({ 'options.json': bytes('1'), 'best.safetensors': bytes('2') })
    await folder.commit({ 'options.json': bytes('3') })
    assert.is(await textOf(path, 'options.json'), '3')
    assert.is(await textOf(path, 'best.safetensors'), '2')
    await folder.commit({ 'options.json': bytes('4') }, { alone: true })
    await folder.close()
    await expectRefusal(() => folder.commit({}), /was closed by who writes it; open it/)
    assert.equal((await readdir(path)).sort(), ['manifest.json', 'options.json'])
    await expectRefusal(() => readRunFile(path, 'best.safetensors'), /has not come that far$/)
  }))

test('a writer that was killed between the manifest and the names: readers see the commit', () =>
  withFolder(async (path) => {
    const folder = await RunFolder.open(path)
    await folder.commit({ 'options.json': bytes('old') })
    await folder.commit({ 'options.json': bytes('new') })
    await folder.close()
    // As it lies before the rename.
    await rename(join(path, 'options.json'), join(path, '.run.2.options.json'))
    await writeFile(join(path, 'options.json'), 'old')
    await writeFile(join(path, '.run.3.options.json'), 'never committed')
    await writeFile(join(path, '.3.mine'), "a user's file")
    assert.is(await textOf(path, 'options.json'), 'new')
    await (await RunFolder.open(path)).close()
    assert.is(await readFile(join(path, 'options.json'), 'utf8'), 'new')
    assert.equal((await readdir(path)).sort(), ['.3.mine', 'manifest.json', 'options.json'])
    await writeFile(join(path, 'options.json'), 'changed')
    await expectRefusal(
      () => readRunFile(path, 'options.json'),
      /options\.json: must be the file that the run has written/,
    )
  }))

test('a disk that cannot flush the folder: the commit is refused, the one before stays', () =>
  withFolder(async (parent) => {
    const run = async (path: string, at?: number): Promise<readonly string[]> => {
      const faulty = makeFaulty({ folder: path, at, fault: 'EIO behind' })
      try {
        const folder = await RunFolder.open(path)
        await folder.commit({ 'options.json': bytes('1') })
        const before = faulty.operations.length
        const second = messageOf(() => folder.commit({ 'options.json': bytes('2') }))
        if (at === undefined) await second.catch(() => undefined)
        else assert.match(await second, /EIO/)
        const names = faulty.operations.map((name, i) => (i < before ? '' : name))
        if (at !== undefined) assert.is(await textOf(path, 'options.json'), '1')
        await folder.close()
        return names
      } finally {
        await faulty.stop()
      }
    }
    const names = await run(join(parent, 'whole'))
    const at = names.indexOf('sync ') + 1
    assert.ok(at > 0, names.join())
    await run(join(parent, 'broken'), at)
  }))

test('a lock that is being taken stays, whatever our clock says', () =>
  withFolder(async (path) => {
    const names = ['.run.lock.aa.tmp', '.run.lock.bb.tmp']
    for (const name of names) await writeFile(join(path, name), '{}')
    const old = new Date(Date.now() - 7_200_000)
    await utimes(join(path, names[0]), old, old)
    const now = Date.now
    // Hours before the clock of the folder's machine.
    Date.now = () => now() + 7_200_000
    const folder = await RunFolder.open(path).finally(() => {
      Date.now = now
    })
    await folder.close()
    assert.equal(await readdir(path), [names[1]])
  }))

test("a user's own run.lock stays; what a lock was that was cut off does not", () =>
  withFolder(async (path) => {
    const lock = join(path, 'run.lock')
    await writeFile(lock, 'my own')
    const refused = /run\.lock: must be the lock of a run, got another file; move it away/
    await expectRefusal(() => RunFolder.open(path), refused)
    assert.is(await readFile(lock, 'utf8'), 'my own')
    for (const cut of ['', '{"pi', '{"pid":12,"ho', '\0\0\0']) {
      await writeFile(lock, cut)
      await (await RunFolder.open(path)).close()
      assert.equal(await readdir(path), [])
    }
    await mkdir(lock)
    await expectRefusal(() => RunFolder.open(path), /run\.lock: .* got a folder; move/)
    assert.equal(await readdir(path), ['run.lock'])
    const dangling = join(path, 'dangling')
    await symlink(join(path, 'nowhere'), dangling)
    await expectRefusal(
      () => RunFolder.open(dangling, '--out'),
      /^--out must be a folder that can be written, got ".*dangling": something of that name/,
    )
  }))

test('one writer at a time; the lock of a process that has ended is taken at once', () =>
  withFolder(async (path) => {
    const folder = await RunFolder.open(path)
    await expectRefusal(() => RunFolder.open(path), /process \d+ trains in this folder/)
    await folder.close()
    assert.equal(await readdir(path), [])
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    const { hostname } = await import('node:os')
    const dead = { pid: child.pid, host: hostname(), started: '1', nonce: 'x' }
    await writeFile(join(path, 'run.lock'), JSON.stringify(dead))
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => RunFolder.open(path)))
    const opened = all.filter((result) => result.status === 'fulfilled')
    assert.is(opened.length, 1)
    await opened[0].value.commit({ 'options.json': bytes('1') })
    await opened[0].value.close()
    // A system that does not tell when a process has begun.
    const unknown = { ...dead, pid: process.pid, started: '' }
    await writeFile(join(path, 'run.lock'), JSON.stringify(unknown))
    await expectRefusal(
      () => RunFolder.open(path),
      /as far as can be told: this system .*; if it has ended, remove .*run\.lock$/,
    )
    await writeFile(join(path, 'run.lock'), JSON.stringify({ ...dead, host: 'elsewhere' }))
    await expectRefusal(
      () => RunFolder.open(path),
      /on "elsewhere" trains in this folder, as far as can be told from here; if it has ended, remove/,
    )
  }))

test.run()
