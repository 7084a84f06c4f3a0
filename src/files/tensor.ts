/** Typed arrays with a shape, as safetensors files hold them. */

/**
 * Arrays by element type, in the order of the reference implementation. It writes tensors from the
 * last type here to the first, then by name, so that all are aligned. F16 and BF16 are raw bits,
 * which `toFloat32` converts.
 */
export const CONSTRUCTORS = {
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
} as const

export type Dtype = keyof typeof CONSTRUCTORS

/**
 * An n-dimensional array in row-major order; `data` holds the product of `shape` elements. A scalar
 * has the shape `[]`.
 */
export type Tensor = {
  [D in Dtype]: {
    readonly dtype: D
    readonly shape: readonly number[]
    readonly data: (typeof CONSTRUCTORS)[D]['prototype']
  }
}[Dtype]

/** Names of all element types. */
export const DTYPES = Object.keys(CONSTRUCTORS) as Dtype[]

/** Whether a value can be a size or an offset: an integer ≥ 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Elements of a shape. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/**
 * The elements as float32, in the tensor's order. F32 data is returned as it is; every other type
 * is converted into a new array (64-bit values are rounded; BOOL gives 0 and 1).
 */
export function toFloat32(tensor: Tensor): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return tensor.data
    case 'F16':
      return converted(tensor.data, halfToFloat)
    case 'BF16': {
      // bfloat16 is the upper half of a float32.
      const out = new Float32Array(tensor.data.length)
      const bits = new Uint32Array(out.buffer)
      for (let i = 0; i < bits.length; i++) bits[i] = tensor.data[i] << 16
      return out
    }
    case 'I64':
    case 'U64':
      return converted<bigint>(tensor.data, Number)
    default:
      return new Float32Array(tensor.data)
  }
}

/** A loop: `Float32Array.from` makes a list of all elements first. */
function converted<T>(data: ArrayLike<T>, convert: (element: T) => number): Float32Array {
  const out = new Float32Array(data.length)
  for (let i = 0; i < out.length; i++) out[i] = convert(data[i])
  return out
}

/** The value of an IEEE 754 binary16 number: sign 1 bit, exponent 5 bits, fraction 10 bits. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
