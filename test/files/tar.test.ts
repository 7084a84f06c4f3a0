import fc from 'fast-check'
import { createTar } from 'nanotar'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readTar } from '../../src/files/tar.js'
import { expectRefusal, messageOf } from './temporary.js'

const anyFiles = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,8}\/[a-z]{1,8}$/),
  fc.uint8Array({ minLength: 1, maxLength: 1100 }),
  {
    minKeys: 1,
    maxKeys: 4,
  },
)

function archive(files: Record<string, Uint8Array>): Uint8Array {
  const bytes = createTar(
    Object.entries(files).map(([name, data]) => ({ name, data: new Uint8Array(data) })),
  )
  // The end mark, two empty blocks, is missing when the members fill the last record.
  const out = new Uint8Array(bytes.length + 1024)
  out.set(bytes)
  return out
}

/** Writes a size and the header sum that belongs to it. */
function setSize(bytes: Uint8Array, size: string): void {
  bytes.set(new TextEncoder().encode(`${size}\0`), 124)
  bytes.fill(0x20, 148, 156)
  const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0)
  bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
}

test('tar: members are read, also from the middle of a buffer', () => {
  fc.assert(
    fc.property(anyFiles, fc.nat(9), (files, shift) => {
      const bytes = archive(files)
      const shifted = new Uint8Array(bytes.length + shift + 3).subarray(shift, shift + bytes.length)
      shifted.set(bytes)
      const read = readTar(shifted, 'a.tar')
      assert.equal([...read.keys()].sort(), Object.keys(files).sort())
      for (const [name, data] of Object.entries(files))
        assert.equal([...read.get(name)!], [...data])
    }),
  )
})

test('tar: a negative, senseless or too large size is rejected', async () => {
  for (const size of ['-0000002000', 'zzzzzzzzzzz', '77777777777', '00000007777']) {
    const bytes = archive({ 'a/b': new Uint8Array(100) }).subarray(0, 2048)
    setSize(bytes, size)
    assert.match(
      await messageOf(() => readTar(bytes, 'a.tar')),
      /^a\.tar: a member must fit in the archive of 2048 bytes/,
      size,
    )
  }
})

test('tar: what is no archive is rejected', async () => {
  await expectRefusal(() => readTar(new Uint8Array(0), 'a.tar'), /^a\.tar: must be a tar archive/)
  await expectRefusal(
    () => readTar(new Uint8Array(2048), 'a.tar'),
    /^a\.tar: must be a tar archive/,
  )
  await expectRefusal(
    () => readTar(new Uint8Array(2048).fill(65), 'a.tar'),
    /^a\.tar: .*header sum/,
  )
})

test('tar: a damaged archive is read or rejected with its name', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(anyFiles, changes, fc.nat(1200), (files, list, cut) => {
      const bytes = archive(files)
      for (const [at, value] of list) bytes[at % 1024] = value
      try {
        readTar(bytes.subarray(0, bytes.length - cut), 'fuzz.tar')
      } catch (error) {
        assert.ok(error instanceof Error && error.message.startsWith('fuzz.tar: '), String(error))
      }
    }),
    { numRuns: 300 },
  )
})

test.run()
