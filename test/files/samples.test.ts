import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arrayOf, samplesOf } from '../../src/data/samples.js'
import { npyHeader, npyOf, text } from '../support/event-files.js'
import { expectRefusals } from './temporary.js'

const target = {
  shape: [3, 1, 2],
  normalization: { scale: 10, mean: [0, 0.5, 1], std: [1, 0.5, 2] },
}
const read = async (bytes: Uint8Array, path: string): Promise<number[]> => [
  ...samplesOf(await arrayOf(bytes, path, target), path, target),
]

/** What numpy.save writes, in version 1 or 2 of the format. */
const npy = (descr: string, shape: string, data: Uint8Array, version = 1, order = 'False') =>
  npyOf(`${npyHeader(`'${descr}'`, shape, order)}   \n`, data, version)

const floats = new Float32Array([1, 2, 3, 4, 5, 6.5])
const raw = new Uint8Array(floats.buffer)
const bytes = new Uint8Array([0, 10, 5, 10, 10, 30])

test('float arrays come as they are, bytes normalised by channel', async () => {
  assert.equal(await read(npy('<f4', '3, 1, 2', raw), 'a.npy'), [...floats])
  assert.equal(await read(npy('<f4', '6,', raw, 2), 'a.npy'), [...floats])
  const doubles = new Uint8Array(new Float64Array(floats).buffer)
  assert.equal(await read(npy('<f8', '1, 3, 1, 2', doubles), 'a'), [...floats])
  assert.equal(await read(npy('|u1', '3, 1, 2', bytes), 'a.npy'), [0, 1, 0, 1, 0, 1])
  const two = await read(npy('|u1', '2, 3, 1, 2', new Uint8Array([...bytes, ...bytes])), 'a')
  assert.equal(two, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
  assert.equal(await read(text('[[[1,2]],[[3,4]],[[5,6.5]]]'), 'a.json'), [...floats])
  assert.equal(await read(raw, 'a.bin'), [...floats])
  assert.equal(await read(bytes, 'a.bin'), [0, 1, 0, 1, 0, 1])
  // Pixel by pixel, red green blue; the image says that 20 is white.
  const ppm = new Uint8Array([...text('P6 # x\n2 1\n20\n'), 0, 10, 20, 20, 20, 60])
  assert.equal(await read(ppm, 'a.ppm'), [0, 1, 0, 1, 0, 1])
})

test('what is no sample is refused by the name of the file: tables.json has the rest', () => {
  const list = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
  const cases: [string, Uint8Array, RegExp][] = [
    ['a.npy', npy('<f4', '1, 2, 3', raw), /sample of \[3, 1, 2\].*got \[1, 2, 3\]/],
    ['a.npy', npy('<i8', '3,', new Uint8Array(24)), /float32.*got "<i8"/],
    ['a.npy', npy('<f4', '6,', raw, 1, 'True'), /C order.*got one in Fortran/],
    ['a.npy', npy("' + __import__('os')", '(6,)', raw), /have a header with descr/],
    ['a.bin', list(1, 2, Number.NaN, 4, 5, 6), /got NaN/],
    ['a.json', text('[[1,2],[3]]'), /\[2, 2\] throughout, got a list of 1/],
    ['a.ppm', text('P3 2 1 255\n1 2'), /binary PGM or PPM/],
    ['a.txt', text('hello'), /must be \.npy, \.json, .* got another file/],
    ['a.bin', new Uint8Array(5), /24 bytes \(float32\) or 6 \(bytes\).*got 5$/],
  ]
  return expectRefusals(
    cases.map(([path, of, why]) => [() => read(of, path), RegExp(`^${path}: .*${why.source}`)]),
  )
})

test.run()
