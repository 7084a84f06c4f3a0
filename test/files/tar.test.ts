import fc from 'fast-check'
import { createTar } from 'nanotar'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readTar } from '../../src/files/tar.js'
import { expectRefusals } from './temporary.js'

const anyFiles = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,8}\/[a-z]{1,8}$/),
  fc.uint8Array({ minLength: 1, maxLength: 1100 }),
  { minKeys: 1, maxKeys: 4 },
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

test('tar: what is no archive is refused: tables.json has sizes and damage', () =>
  expectRefusals([
    [() => readTar(new Uint8Array(0), 'a.tar'), /^a\.tar: must be a tar archive/],
    [() => readTar(new Uint8Array(2048), 'a.tar'), /^a\.tar: must be a tar archive/],
    [() => readTar(new Uint8Array(2048).fill(65), 'a.tar'), /^a\.tar: .*header sum/],
  ]))

test.run()
