/** Samples from files: arrays and images. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arrayOf, samplesOf } from '../../src/data/samples.js'
import { messageOf } from './temporary.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const target = {
  shape: [3, 1, 2],
  normalization: { scale: 10, mean: [0, 0.5, 1], std: [1, 0.5, 2] },
}
const read = async (bytes: Uint8Array, path: string): Promise<number[]> => [
  ...samplesOf(await arrayOf(bytes, path, target), path, target),
]

/** What numpy.save writes, in version 1 or 2 of the format. */
function npy(descr: string, shape: string, data: Uint8Array, version = 1, order = 'False') {
  const header = text(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }   \n`)
  const length = version === 1 ? [header.length, 0] : [header.length, 0, 0, 0]
  return new Uint8Array([0x93, ...text('NUMPY'), version, 0, ...length, ...header, ...data])
}

const floats = new Float32Array([1, 2, 3, 4, 5, 6.5])
const raw = new Uint8Array(floats.buffer)
const bytes = new Uint8Array([0, 10, 5, 10, 10, 30])

test('float arrays come as they are, bytes normalised by channel', async () => {
  assert.equal(await read(npy('<f4', '(3, 1, 2)', raw), 'a.npy'), [...floats])
  assert.equal(await read(npy('<f4', '(6,)', raw, 2), 'a.npy'), [...floats])
  const doubles = new Uint8Array(new Float64Array(floats).buffer)
  assert.equal(await read(npy('<f8', '(1, 3, 1, 2)', doubles), 'a'), [...floats])
  assert.equal(await read(npy('|u1', '(3, 1, 2)', bytes), 'a.npy'), [0, 1, 0, 1, 0, 1])
  const two = await read(npy('|u1', '(2, 3, 1, 2)', new Uint8Array([...bytes, ...bytes])), 'a')
  assert.equal(two, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
  assert.equal(await read(text('[[[1,2]],[[3,4]],[[5,6.5]]]'), 'a.json'), [...floats])
  assert.equal(await read(raw, 'a.bin'), [...floats])
  assert.equal(await read(bytes, 'a.bin'), [0, 1, 0, 1, 0, 1])
  // Pixel by pixel, red green blue; the image says that 20 is white.
  const ppm = new Uint8Array([...text('P6 # x\n2 1\n20\n'), 0, 10, 20, 20, 20, 60])
  assert.equal(await read(ppm, 'a.ppm'), [0, 1, 0, 1, 0, 1])
})

const refused: [string, Uint8Array, string, RegExp][] = [
  [
    'another shape',
    npy('<f4', '(1, 2, 3)', raw),
    'a.npy',
    /sample of \[3, 1, 2\].*got \[1, 2, 3\]/,
  ],
  ['another type', npy('<i8', '(3,)', new Uint8Array(24)), 'a.npy', /float32.*got "<i8"/],
  ['Fortran order', npy('<f4', '(6,)', raw, 1, 'True'), 'a.npy', /C order.*got one in Fortran/],
  ['cut off', npy('<f4', '(6,)', raw.subarray(1)), 'a.npy', /hold 24 bytes.*got 23/],
  ['code', npy("' + __import__('os')", '(6,)', raw), 'a.npy', /have a header with descr/],
  ['not finite', new Uint8Array(new Float32Array([1, 2, NaN, 4, 5, 6]).buffer), 'a.bin', /got NaN/],
  ['ragged', text('[[1,2],[3]]'), 'a.json', /\[2, 2\] throughout, got a list of 1/],
  ['texts', text('["a"]'), 'a.json', /array of numbers, got "a" in it/],
  ['grey', new Uint8Array([...text('P5 2 1 255\n'), 1, 2]), 'a.pgm', /got \[1, 1, 2\]/],
  ['text image', text('P3 2 1 255\n1 2'), 'a.ppm', /binary PGM or PPM/],
  ['a name', text('hello'), 'a.txt', /must be \.npy, \.json, .* got another file/],
  ['a size', new Uint8Array(5), 'a.bin', /24 bytes \(float32\) or 6 \(bytes\).*got 5$/],
]
for (const [why, file, path, message] of refused)
  test(`refused: ${why}`, async () => {
    const got = await messageOf(() => read(file, path))
    assert.match(got, message)
    assert.ok(got.startsWith(`${path}: `), got)
  })

test('any bytes under any name: numbers, or an error that names the file', async () => {
  const names = fc.constantFrom('a.npy', 'a.json', 'a.bin', 'a.pgm', 'a.ppm', 'a.png', 'a.jpg', 'a')
  const starts = fc.constantFrom(
    '',
    '\x93NUMPY\x01\x00',
    'P5 ',
    'P6 2 1 255 ',
    '[[',
    '\xff\xd8\xff',
  )
  const body = fc.uint8Array({ maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(names, starts, body, async (name, start, rest) => {
      const head = Uint8Array.from(start, (char) => char.charCodeAt(0))
      try {
        await read(new Uint8Array([...head, ...rest]), name)
      } catch (error) {
        assert.match(String(error), /^SpikewasmError: a/)
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
