import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Dtype,
  parseSafetensors,
  serializeSafetensors,
  type Tensor,
  toFloat32,
} from '../../src/files/safetensors.js'
import { expectRefusals } from './temporary.js'
import { withHeader } from './writers.js'

const arrays = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
}

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(arrays) as Dtype[])),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((a, b) => a * b, 1) * arrays[dtype].BYTES_PER_ELEMENT
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map(
        (bytes) =>
          ({ dtype, shape, data: new arrays[dtype](new Uint8Array(bytes).buffer) }) as Tensor,
      )
  })
const anyName = fc
  .string({ unit: 'binary', maxLength: 12 })
  .filter((name) => name !== '__metadata__')
const anyFile = fc.record({
  tensors: fc.array(fc.tuple(anyName, anyTensor), { maxLength: 6 }).map((list) => new Map(list)),
  metadata: fc.dictionary(anyName, anyName, { maxKeys: 4 }),
})

function rawBytes(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
}

test('safetensors: the bytes are those of the reference implementation', () => {
  const written = serializeSafetensors(
    {
      b: { dtype: 'F32', shape: [2], data: new Float32Array([1, -2]) },
      a: { dtype: 'U8', shape: [3], data: new Uint8Array([7, 8, 9]) },
      c: { dtype: 'I64', shape: [], data: new BigInt64Array([-1n]) },
      B: { dtype: 'F32', shape: [1, 1], data: new Float32Array([0.5]) },
    },
    { z: '1', format: 'pt' },
  )
  const json =
    '{"__metadata__":{"format":"pt","z":"1"},' +
    '"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]},' +
    '"B":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},' +
    '"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},' +
    '"a":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}'
  const file = withHeader(json.padEnd(Math.ceil(json.length / 8) * 8), 23)
  file.set(
    [...Array(8).fill(255), 0, 0, 0, 63, 0, 0, 128, 63, 0, 0, 0, 192, 7, 8, 9],
    file.length - 23,
  )
  assert.equal(written, file)
})

test('safetensors: what is written is read again, whatever the order and the alignment of the array', () => {
  fc.assert(
    fc.property(anyFile, fc.integer({ min: 0, max: 7 }), ({ tensors, metadata }, shift) => {
      const written = serializeSafetensors(tensors, metadata)
      const reversed = serializeSafetensors(
        new Map([...tensors].reverse()),
        Object.fromEntries(Object.entries(metadata).reverse()),
      )
      assert.equal(written, reversed)
      const unaligned = new Uint8Array(written.length + shift).subarray(shift)
      unaligned.set(written)
      const read = parseSafetensors(unaligned)
      unaligned.fill(0xee)
      assert.equal(Object.entries(read.metadata).sort(), Object.entries(metadata).sort())
      assert.is(read.tensors.size, tensors.size)
      for (const [name, tensor] of tensors) {
        const { dtype, shape } = read.tensors.get(name)!
        assert.equal([dtype, shape], [tensor.dtype, tensor.shape])
        assert.equal([...rawBytes(read.tensors.get(name)!)], [...rawBytes(tensor)])
      }
    }),
  )
})

/** Bits of halves, and what they stand for. */
const halves: readonly [bits: number, value: number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x83ff, -1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x7c00, Infinity],
  [0xfc00, -Infinity],
  [0x7e00, NaN],
  [0x3555, 0.333251953125],
]

test('safetensors: toFloat32 gives the values of every type', () => {
  const cases: [Dtype, Tensor['data'], number[]][] = [
    ['F16', Uint16Array.from(halves, ([bits]) => bits), halves.map(([, value]) => value)],
    ['BF16', new Uint16Array([0x3f80, 0xc040, 0x7f80]), [1, -3, Infinity]],
    ['I64', new BigInt64Array([-5n, 1n << 40n]), [-5, 2 ** 40]],
    ['F64', new Float64Array([0.1]), [Math.fround(0.1)]],
    ['I8', new Int8Array([-128, 127]), [-128, 127]],
  ]
  for (const [dtype, data, wanted] of cases) {
    const found = toFloat32({ dtype, shape: [data.length], data } as Tensor)
    for (const [i, value] of wanted.entries())
      assert.ok(Object.is(found[i], value), `${dtype} ${data[i]}: ${found[i]}`)
  }
  const data = new Float32Array([1.5])
  assert.is(toFloat32({ dtype: 'F32', shape: [1], data }), data)
})

const u8 = (shape: string, begin: number, end: number): string =>
  `{"dtype":"U8","shape":${shape},"data_offsets":[${begin},${end}]}`

/** A file of one-byte tensors: each with its sizes, and where it begins and ends. */
const tensors = (dataBytes: number, ...of: [string, string, number, number][]): Uint8Array =>
  withHeader(`{${of.map(([name, ...rest]) => `"${name}":${u8(...rest)}`).join()}}`, dataBytes)

test('safetensors: damage is refused by what is wrong; tables.json has the rest, and what is not written', () => {
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(7), 'header length of 8 bytes, got a file of 7 bytes'],
    [withHeader('{}', 0).subarray(0, 9), 'header of 2 bytes must fit in the file, got 1 bytes'],
    [new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0, 123]), 'at most 25000000 bytes, got 4294967296'],
    [new TextEncoder().encode('%PDF-1.7 and so on'), 'is it a safetensors file'],
    [tensors(1, ['a', '[1]', 0, 1], ['\\u0061', '[1]', 0, 1]), 'each name once, got "a" twice'],
    [tensors(1, ['a', '[-1]', 0, 1]), 'at most 32 integers >= 0, got [-1]'],
    [tensors(1, ['a', '[4503599627370496,4503599627370496]', 0, 1]), 'bytes, got 1'],
    [tensors(1, ['a', '[2]', 0, 1]), 'type U8 and shape [2] must have 2 bytes, got 1'],
    [tensors(1, ['a', '[2]', 0, 2]), 'within the 1 bytes of data, got [0, 2]'],
    [tensors(3, ['a', '[2]', 0, 2], ['b', '[2]', 1, 3]), 'byte 2 of the data, got 1: it overlaps'],
    [tensors(3, ['a', '[1]', 0, 1], ['b', '[1]', 2, 3]), 'byte 1 of the data, got 2: there is a'],
    [tensors(2, ['a', '[1]', 0, 1]), 'must cover the 2 bytes of data, got 1 bytes'],
    [
      withHeader('{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1),
      'got "toString"',
    ],
    [withHeader(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 0), 'nested at most 8 deep'],
  ]
  return expectRefusals(cases.map(([bytes, of]) => [() => parseSafetensors(bytes, 'it'), of]))
})

test('safetensors: accepts tensors without elements, scalars and names from prototypes', () => {
  const { tensors } = parseSafetensors(
    withHeader(
      `{"__proto__":${u8('[]', 0, 1)},"b":${u8('[3,0]', 1, 1)},"toString":${u8('[2]', 1, 3)}}`,
      3,
    ),
  )
  assert.equal([...tensors.keys()].sort(), ['__proto__', 'b', 'toString'])
  assert.is(tensors.get('b')!.data.length, 0)
})

test.run()
