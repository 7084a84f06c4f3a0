// Writes ONNX models as protobuf bytes: ONNX is the one format that onnxruntime reads.

const varint = (value) => {
  const bytes = []
  while (value > 127) {
    bytes.push((value & 127) | 128)
    value = Math.floor(value / 128)
  }
  return [...bytes, value]
}
const integer = (field, value) => [...varint(field * 8), ...varint(value)]
const bytes = (field, content) =>
  Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(content.length)]), content])
const message = (field, ...parts) =>
  bytes(field, Buffer.concat(parts.map((part) => Buffer.from(part))))
const string = (field, text) => bytes(field, Buffer.from(text))

/** Type of a tensor's numbers. */
export const FLOAT = 1
const INT64 = 7
const INT = 2
const INTS = 7

/** AttributeProto: name 1, i 3, ints 8, type 20. */
const attribute = (name, value) =>
  Array.isArray(value)
    ? message(5, string(1, name), ...value.map((v) => integer(8, v)), integer(20, INTS))
    : message(5, string(1, name), integer(3, value), integer(20, INT))

/** NodeProto: input 1, output 2, op_type 4, attribute 5. */
export const node = (type, inputs, outputs, attributes = {}) =>
  message(
    1,
    ...inputs.map((name) => string(1, name)),
    ...outputs.map((name) => string(2, name)),
    string(4, type),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  )

/** ValueInfoProto: name 1, type 2 (tensor_type 1: elem_type 1, shape 2: dim 1: dim_value 1). */
const value = (field, name, shape) =>
  message(
    field,
    string(1, name),
    message(
      2,
      message(1, integer(1, FLOAT), message(2, ...shape.map((n) => message(1, integer(1, n))))),
    ),
  )

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
const initializer = (type, name, shape, data) =>
  message(
    5,
    ...shape.map((n) => integer(1, n)),
    integer(2, type),
    string(8, name),
    bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  )

/** Constant numbers: a Float32Array. */
export const tensor = (name, shape, data) => initializer(FLOAT, name, shape, data)

/** Constant integers: an array. */
export const integers = (name, values) =>
  initializer(INT64, name, [values.length], BigInt64Array.from(values, BigInt))

/** A model with one input x and one output y, of these shapes. */
export function model(x, y, nodes, constants) {
  const graph = message(
    7,
    ...nodes,
    string(2, 'graph'),
    ...constants,
    value(11, 'x', x),
    value(12, 'y', y),
  )
  const opset = message(8, string(1, ''), integer(2, 13))
  // ModelProto: ir_version 1, graph 7, opset_import 8.
  return Buffer.concat([Buffer.from(integer(1, 8)), graph, opset])
}
