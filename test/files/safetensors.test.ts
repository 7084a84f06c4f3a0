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
import { messageOf } from './temporary.js'

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

/** A file with any header text. */
function file(header: string, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
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
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8)
  const data = [
    255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 63, 0, 0, 128, 63, 0, 0, 0, 192, 7, 8, 9,
  ]
  assert.equal(
    [...written],
    [
      padded.length & 255,
      padded.length >> 8,
      0,
      0,
      0,
      0,
      0,
      0,
      ...new TextEncoder().encode(padded),
      ...data,
    ],
  )
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

test('safetensors: toFloat32 gives the values of every type', () => {
  const half = new Uint16Array([
    0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x0400, 0x7c00, 0xfc00, 0x7e00, 0x3555,
  ])
  const values = [
    0,
    -0,
    1,
    -2,
    65504,
    2 ** -24,
    -1023 * 2 ** -24,
    2 ** -14,
    Infinity,
    -Infinity,
    NaN,
    0.333251953125,
  ]
  const converted = toFloat32({ dtype: 'F16', shape: [12], data: half })
  for (const [i, value] of values.entries())
    assert.ok(Object.is(converted[i], value), `half ${half[i].toString(16)}: ${converted[i]}`)
  assert.equal(
    [...toFloat32({ dtype: 'BF16', shape: [3], data: new Uint16Array([0x3f80, 0xc040, 0x7f80]) })],
    [1, -3, Infinity],
  )
  assert.equal(
    [...toFloat32({ dtype: 'I64', shape: [2], data: new BigInt64Array([-5n, 1n << 40n]) })],
    [-5, 2 ** 40],
  )
  assert.equal(
    [...toFloat32({ dtype: 'F64', shape: [1], data: new Float64Array([0.1]) })],
    [Math.fround(0.1)],
  )
  assert.equal(
    [...toFloat32({ dtype: 'I8', shape: [2], data: new Int8Array([-128, 127]) })],
    [-128, 127],
  )
  const data = new Float32Array([1.5])
  assert.is(toFloat32({ dtype: 'F32', shape: [1], data }), data)
})

const u8 = (shape: string, begin: number, end: number): string =>
  `{"dtype":"U8","shape":${shape},"data_offsets":[${begin},${end}]}`
const rejected: [why: string, bytes: Uint8Array, message: RegExp][] = [
  ['too short', new Uint8Array(7), /header length of 8 bytes, got a file of 7 bytes/],
  [
    'header too long for the file',
    file('{}', 0).subarray(0, 9),
    /header of 2 bytes must fit in the file, got 1 bytes/,
  ],
  [
    'header over the limit',
    new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0, 123]),
    /at most 25000000 bytes, got 4294967296/,
  ],
  ['another file', new TextEncoder().encode('%PDF-1.7 and so on'), /is it a safetensors file/],
  ['no object', file('[]', 0), /start with "\{", got "\["/],
  ['leading space', file(' {}', 0), /start with "\{", got " "/],
  ['JSON error', file('{"a":', 0), /valid JSON/],
  [
    'not UTF-8',
    (() => {
      const bytes = file('{"a":1}', 0)
      bytes[10] = 0xff
      return bytes
    })(),
    /UTF-8/,
  ],
  [
    'duplicate name',
    file(`{"a":${u8('[1]', 0, 1)},"a":${u8('[1]', 0, 1)}}`, 1),
    /each name once, got "a" twice/,
  ],
  [
    'duplicate name in escapes',
    file(`{"a":${u8('[1]', 0, 1)},"\\u0061":${u8('[1]', 0, 1)}}`, 1),
    /each name once, got "a" twice/,
  ],
  [
    'duplicate field',
    file('{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    /got "dtype" twice/,
  ],
  [
    'no such type',
    file('{"a":{"dtype":"F12","shape":[1],"data_offsets":[0,1]}}', 1),
    /tensor "a" dtype must be one of .*, got "F12"/,
  ],
  [
    'type of a prototype',
    file('{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1),
    /got "toString"/,
  ],
  [
    'field missing',
    file('{"a":{"dtype":"U8","shape":[1]}}', 1),
    /tensor "a" data_offsets must be two integers >= 0, got undefined/,
  ],
  [
    'field too many',
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1),
    /alone, got "x"/,
  ],
  [
    'negative size',
    file(`{"a":${u8('[-1]', 0, 1)}}`, 1),
    /shape must be an array of at most 32 integers >= 0, got \[-1\]/,
  ],
  ['size with a fraction', file(`{"a":${u8('[1.5]', 0, 1)}}`, 1), /shape must be/],
  [
    'sizes that overflow',
    file(`{"a":${u8('[4503599627370496,4503599627370496]', 0, 1)}}`, 1),
    /must have .* bytes, got 1/,
  ],
  [
    'wrong count',
    file(`{"a":${u8('[2]', 0, 1)}}`, 1),
    /tensor "a" of type U8 and shape \[2\] must have 2 bytes, got 1/,
  ],
  [
    'out of bounds',
    file(`{"a":${u8('[2]', 0, 2)}}`, 1),
    /within the 1 bytes of data, got \[0, 2\]/,
  ],
  ['offsets in reverse', file(`{"a":${u8('[0]', 1, 0)}}`, 1), /must be ordered/],
  [
    'overlap',
    file(`{"a":${u8('[2]', 0, 2)},"b":${u8('[2]', 1, 3)}}`, 3),
    /tensor "b" must start at byte 2 of the data, got 1: it overlaps/,
  ],
  [
    'hole',
    file(`{"a":${u8('[1]', 0, 1)},"b":${u8('[1]', 2, 3)}}`, 3),
    /tensor "b" must start at byte 1 of the data, got 2: there is a hole/,
  ],
  ['hole at the start', file(`{"a":${u8('[1]', 1, 2)}}`, 2), /tensor "a" must start at byte 0/],
  [
    'unused bytes',
    file(`{"a":${u8('[1]', 0, 1)}}`, 2),
    /must cover the 2 bytes of data, got 1 bytes/,
  ],
  [
    'metadata not strings',
    file('{"__metadata__":{"n":3}}', 0),
    /__metadata__ "n" must be a string, got 3/,
  ],
  [
    'metadata no object',
    file('{"__metadata__":[]}', 0),
    /__metadata__ must be an object of strings, got \[\]/,
  ],
]
for (const [why, bytes, message] of rejected) {
  test(`safetensors: rejects ${why}`, async () => {
    const got = await messageOf(() => parseSafetensors(bytes, 'net.safetensors'))
    assert.ok(got.startsWith('net.safetensors: '), got)
    assert.match(got, message)
  })
}

test('safetensors: accepts tensors without elements, scalars and names from prototypes', () => {
  const { tensors } = parseSafetensors(
    file(
      `{"__proto__":${u8('[]', 0, 1)},"b":${u8('[3,0]', 1, 1)},"toString":${u8('[2]', 1, 3)}}`,
      3,
    ),
  )
  assert.equal([...tensors.keys()].sort(), ['__proto__', 'b', 'toString'])
  assert.is(tensors.get('b')!.data.length, 0)
})

test('safetensors: rejects what it cannot write', async () => {
  const data = new Float32Array(2)
  assert.match(
    await messageOf(() => serializeSafetensors({ w: { dtype: 'F32', shape: [3], data } })),
    /tensor "w" shape .* 2 elements, got \[3\]/,
  )
  assert.match(
    await messageOf(() =>
      serializeSafetensors({ w: { dtype: 'F64', shape: [2], data } as unknown as Tensor }),
    ),
    /Float64Array, got Float32Array/,
  )
  assert.match(
    await messageOf(() =>
      serializeSafetensors({ __metadata__: { dtype: 'F32', shape: [2], data } }),
    ),
    /must not be named/,
  )
  assert.match(
    await messageOf(() => serializeSafetensors({}, { epoch: 3 as unknown as string })),
    /metadata "epoch" must be a string, got 3/,
  )
})

test('safetensors: any bytes are read or rejected with the name of the file', () => {
  const check = (bytes: Uint8Array): void => {
    try {
      parseSafetensors(bytes, 'fuzz.safetensors')
    } catch (error) {
      assert.ok(
        error instanceof Error && error.message.startsWith('fuzz.safetensors: '),
        String(error),
      )
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check))
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), fc.nat(8), (text, size) =>
      check(file(`{${text}}`, size)),
    ),
  )
  fc.assert(fc.property(fc.json(), fc.nat(8), (json, size) => check(file(`{"a":${json}}`, size))))
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(anyFile, changes, fc.nat(3), ({ tensors, metadata }, list, cut) => {
      const bytes = serializeSafetensors(tensors, metadata)
      for (const [at, value] of list) bytes[at % bytes.length] = value
      check(bytes.subarray(0, bytes.length - cut))
    }),
    { numRuns: 500 },
  )
})

test('safetensors: deep nesting is rejected and does not overflow the stack', async () => {
  const deep = '['.repeat(50_000) + ']'.repeat(50_000)
  assert.match(
    await messageOf(() => parseSafetensors(file(`{"a":${deep}}`, 0), 'deep')),
    /^deep: header must be nested at most 8 deep, got more$/,
  )
})

test.run()
