// Writes a network (bench/edge/chain.ts) as an ONNX model, unrolled over its time steps: neurons are
// a few operations a step; all other layers compute the T steps as a batch, and once where nothing
// has changed from step to step yet. In whole numbers too, as quantize_static of onnxruntime writes
// them: it joins a layer with what takes its arrays to bytes and back.
import { join } from 'node:path'
import protobuf from 'protobufjs'

const Model = protobuf.loadSync(join(import.meta.dirname, 'onnx.proto')).lookupType('onnx.Model')
/** Types of tensors and attributes. */
const [FLOAT, INT, INTS] = [1, 2, 7]
const dataTypes = { Float32Array: 1, Uint8Array: 2, Int8Array: 3, Int32Array: 6, BigInt64Array: 7 }

const attributeOf = ([name, value]) =>
  Array.isArray(value) ? { name, ints: value, type: INTS } : { name, i: value, type: INT }
const tensor = (name, dims, data) => ({
  name,
  dims,
  dataType: dataTypes[data.constructor.name],
  rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
})
const value = (name, shape) => ({
  name,
  type: {
    tensorType: { elemType: FLOAT, shape: shape && { dim: shape.map((n) => ({ dimValue: n })) } },
  },
})

/** Collects the nodes and constants of a graph; what makes one returns its name. */
function emitter() {
  const nodes = []
  const constants = []
  let count = 0
  const fresh = () => `t${count++}`
  const emit = (opType, input, attributes = {}, output = [fresh()]) => {
    const attribute = Object.entries(attributes).map(attributeOf)
    nodes.push({ opType, input, output, attribute })
    return output[0]
  }
  const constant = (dims, data) => {
    const name = fresh()
    constants.push(tensor(name, dims, data))
    return name
  }
  const scalar = (number) => constant([], Float32Array.of(number))
  return { nodes, constants, fresh, emit, constant, scalar }
}

/** A model of one input x; of an output y, and of those whose names are in `shown`. */
const encode = ({ nodes, constants }, input, classes, shown) =>
  Model.encode(
    Model.fromObject({
      irVersion: 8,
      opsetImport: [{ version: 13 }],
      graph: {
        name: 'graph',
        node: nodes,
        initializer: constants,
        input: [value('x', [1, ...input])],
        output: [value('y', [1, classes]), ...shown.map((name) => value(name))],
      },
    }),
  ).finish()

export const largest = (list) => list.reduce((most, v) => Math.max(most, Math.abs(v)), 0)

/** A layer's weight, a scale for each output, and its bias, as bytes and 32 bits. */
function wholeNumbers({ emit, constant }, shape, weight, bias, unit) {
  const each = weight.length / bias.length
  const scales = bias.map((_, n) => largest(weight.subarray(n * each, (n + 1) * each)) / 127 || 1)
  const units = scales.map((scale) => scale * unit)
  const back = (dims, data, by) =>
    emit('DequantizeLinear', [constant(dims, data), constant([by.length], by)], { axis: 0 })
  const bytes = Int8Array.from(weight, (w, i) => Math.round(w / scales[Math.floor(i / each)]))
  const start = Int32Array.from(bias, (b, n) => Math.round(b / units[n]))
  return [back(shape, bytes, scales), back([bias.length], start, units)]
}

/** What writes convolutions and linear layers, and the names that it shows; see `chainModel`. */
function products(graph, numbers, { most, isShown = false }) {
  const { emit, constant, scalar } = graph
  const shown = []
  let count = 0
  const throughBytes = (name, unit, zero) => {
    const by = [scalar(unit), constant([], Uint8Array.of(zero))]
    return emit('DequantizeLinear', [emit('QuantizeLinear', [name, ...by]), ...by])
  }
  const numbersOf = ({ at, shape }) => numbers.slice(at, at + shape.reduce((a, b) => a * b, 1))
  const inFloats = (array) => constant(array.shape, numbersOf(array))
  const product = (opType, { weight, bias }, { name, unit }, attributes) => {
    const ofFloats = () => emit(opType, [name, inFloats(weight), inFloats(bias)], attributes)
    const ofBytes = (limit) => {
      const own = wholeNumbers(graph, weight.shape, numbersOf(weight), numbersOf(bias), unit)
      const y = emit(opType, [throughBytes(name, unit, 0), ...own], attributes)
      // Only a linear layer can leave its sums as they are.
      return opType === 'Gemm' ? y : throughBytes(y, limit / 127, 128)
    }
    if (!unit || !(most || isShown)) return ofFloats()
    const names = [isShown && ofFloats(), most && ofBytes(most[count++])].filter(Boolean)
    if (isShown) shown.push(...names)
    return names[0]
  }
  return { product, shown }
}

/**
 * The ONNX model of a chain, whose weights are in the Float32Array `numbers`. `made.most`: largest
 * results of the layers that read spikes, which are then in whole numbers. `made.isShown`: these
 * results are outputs too; with `most` each in floats and in whole numbers, from the same spikes.
 */
export function chainModel(chain, numbers, made = {}) {
  const { input, timeSteps: T, classes, layers } = chain
  const graph = emitter()
  const { fresh, emit, constant, scalar } = graph
  const { product, shown } = products(graph, numbers, made)

  /** What comes in at each step: [1, …] each. */
  const steps = (x, still) => {
    if (still) return Array(T).fill(x)
    const outputs = Array.from({ length: T }, fresh)
    emit('Split', [x, constant([T], new BigInt64Array(T).fill(1n))], { axis: 0 }, outputs)
    return outputs
  }
  const neuron = (currents, keep, threshold) => {
    const [leak, theta] = [scalar(keep), scalar(threshold)]
    const spikes = []
    let v
    for (const [t, current] of currents.entries()) {
      const u = v === undefined ? current : emit('Add', [emit('Mul', [v, leak]), current])
      const spike = emit('Cast', [emit('GreaterOrEqual', [u, theta])], { to: FLOAT })
      spikes.push(spike)
      const reset = () => (threshold === 1 ? spike : emit('Mul', [spike, theta]))
      if (t < T - 1) v = emit('Sub', [u, reset()])
    }
    return T === 1 ? spikes[0] : emit('Concat', spikes, { axis: 0 })
  }

  /** Each kind of layer: what it makes of its inputs; of spikes and their means in which units. */
  const kinds = {
    conv: (layer, [x]) => [
      product('Conv', layer, x, {
        kernel_shape: layer.weight.shape.slice(2),
        strides: layer.stride,
        pads: [...layer.padding, ...layer.padding],
      }),
    ],
    linear: (layer, [x]) => [product('Gemm', layer, x, { transB: 1 })],
    avgPool: ({ kernel, stride }, [x]) => [
      emit('AveragePool', [x.name], { kernel_shape: kernel, strides: stride }),
      x.unit / (kernel[0] * kernel[1]),
    ],
    flatten: (_, [x]) => [emit('Flatten', [x.name], { axis: 1 }), x.unit],
    // What stands still is added at each step of the other.
    add: (_, inputs) => [inputs.map(({ name }) => name).reduce((a, b) => emit('Add', [a, b]))],
    neuron: ({ keep, threshold }, [x]) => [neuron(steps(x.name, x.still), keep, threshold), 1],
  }

  /** What each layer gives: its name, its unit, and whether it is the same at all steps. */
  const values = []
  for (const layer of layers) {
    const inputs = layer.inputs.map((i) => (i < 0 ? { name: 'x', still: true } : values[i]))
    const still = inputs.every((input) => input.still)
    const [name, unit] = kinds[layer.op](layer, inputs)
    values.push({ name, unit, still: still && layer.op !== 'neuron' })
  }
  emit('ReduceMean', [values.at(-1).name], { axes: [0], keepdims: 1 }, ['y'])
  return encode(graph, input, classes, shown)
}
