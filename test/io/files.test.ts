import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kindOfPath, readFileClear, unpack, writeFileAtomic } from '../../src/io/files.js'
import { messageOf, withFolder } from './temporary.js'

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

test('writeFileAtomic: says why it failed and removes its temporary file', () =>
  withFolder(async (folder) => {
    const missing = join(folder, 'no', 'net.safetensors')
    assert.match(
      await messageOf(() => writeFileAtomic(missing, new Uint8Array(1))),
      /could not be written: the folder ".*no" does not exist; make it/,
    )
    await mkdir(join(folder, 'taken', 'inside'), { recursive: true })
    assert.match(
      await messageOf(() => writeFileAtomic(join(folder, 'taken'), new Uint8Array(1))),
      /a folder of that name/,
    )
    await writeFile(join(folder, 'file'), '')
    assert.match(
      await messageOf(() => writeFileAtomic(join(folder, 'file', 'x'), new Uint8Array(1))),
      /is not a folder/,
    )
    assert.equal((await readdir(folder)).sort(), ['file', 'taken'])
  }))

test('readFileClear: reads a plain array, or says what is missing', () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'a'), new Uint8Array([1, 2]))
    const bytes = await readFileClear(join(folder, 'a'), 'weights')
    assert.is(bytes.constructor, Uint8Array)
    assert.equal([...bytes], [1, 2])
    assert.match(
      await messageOf(() => readFileClear(join(folder, 'b'), 'weights')),
      /^weights must be a readable file, got ".*b": there is no such file/,
    )
    assert.match(
      await messageOf(() => readFileClear(join(folder, 'no', 'b'), 'weights')),
      /the folder ".*no" does not exist/,
    )
    assert.match(await messageOf(() => readFileClear(folder, 'weights')), /it is a folder/)
    assert.equal(
      [
        await kindOfPath(folder),
        await kindOfPath(join(folder, 'a')),
        await kindOfPath(join(folder, 'b')),
      ],
      ['folder', 'file', undefined],
    )
  }))

test('unpack: gzip is unpacked, anything else kept, damage named', async () => {
  const plain = new Uint8Array([5, 6, 7])
  assert.is(await unpack(plain, 'a'), plain)
  assert.equal([...(await unpack(gzipSync(plain), 'a'))], [5, 6, 7])
  assert.match(
    await messageOf(() => unpack(gzipSync(plain).subarray(0, 15), 'a.gz')),
    /^a\.gz: must be valid gzip/,
  )
})

test.run()
