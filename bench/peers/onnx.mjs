// Writes an ONNX model of one convolution, as protobuf bytes: ONNX is the one format that
// onnxruntime reads.

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

const FLOAT = 1
const INTS = 7

/** AttributeProto: name 1, ints 8, type 20. */
const ints = (name, values) =>
  message(5, string(1, name), ...values.map((v) => integer(8, v)), integer(20, INTS))

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
const tensor = (field, name, shape, data) =>
  message(
    field,
    ...shape.map((n) => integer(1, n)),
    integer(2, FLOAT),
    string(8, name),
    bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  )

/** y = conv(x, w), x [N, C, H, W], w [M, C, k, k] with its values inside. */
export function convModel(x, w, y, weights, stride, pad) {
  const node = message(
    1,
    string(1, 'x'),
    string(1, 'w'),
    string(2, 'y'),
    string(4, 'Conv'),
    ints('kernel_shape', [w[2], w[3]]),
    ints('strides', [stride, stride]),
    ints('pads', [pad, pad, pad, pad]),
  )
  const graph = message(
    7,
    node,
    string(2, 'conv'),
    tensor(5, 'w', w, weights),
    value(11, 'x', x),
    value(12, 'y', y),
  )
  const opset = message(8, string(1, ''), integer(2, 13))
  // ModelProto: ir_version 1, graph 7, opset_import 8.
  return Buffer.concat([Buffer.from(integer(1, 8)), graph, opset])
}
