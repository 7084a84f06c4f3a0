// Writes a network (bench/edge/chain.ts) as an ONNX model, unrolled over its time steps: neurons are
// a few operations a step; all other layers compute the T steps as a batch, and once where nothing
// has changed from step to step yet.
import { join } from 'node:path'
import protobuf from 'protobufjs'

const Model = protobuf.loadSync(join(import.meta.dirname, 'onnx.proto')).lookupType('onnx.Model')
/** Types of tensors and attributes. */
const [FLOAT, INT64, INT, INTS] = [1, 7, 2, 7]

const attributeOf = ([name, value]) =>
  Array.isArray(value) ? { name, ints: value, type: INTS } : { name, i: value, type: INT }
const tensor = (name, dims, data) => ({
  name,
  dims,
  dataType: data instanceof Float32Array ? FLOAT : INT64,
  rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
})
const value = (name, shape) => ({
  name,
  type: {
    tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } },
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
  return { nodes, constants, fresh, emit, constant }
}

/** A model of one input x and one output y. */
const encode = ({ nodes, constants }, input, classes) =>
  Model.encode(
    Model.fromObject({
      irVersion: 8,
      opsetImport: [{ version: 13 }],
      graph: {
        name: 'graph',
        node: nodes,
        initializer: constants,
        input: [value('x', [1, ...input])],
        output: [value('y', [1, classes])],
      },
    }),
  ).finish()

/** The ONNX model of a chain. `numbers`: Float32Array that its weights are in. */
export function chainModel({ input, timeSteps: T, classes, layers }, numbers) {
  const graph = emitter()
  const { fresh, emit, constant } = graph
  const weights = ({ at, shape }) =>
    constant(shape, numbers.slice(at, at + shape.reduce((a, b) => a * b, 1)))
  const scalar = (number) => constant([], Float32Array.of(number))

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

  /** Each kind of layer: what it makes of the first of its inputs. */
  const kinds = {
    conv: ({ weight, bias, stride, padding }, [x]) =>
      emit('Conv', [x, weights(weight), weights(bias)], {
        kernel_shape: weight.shape.slice(2),
        strides: stride,
        pads: [...padding, ...padding],
      }),
    linear: ({ weight, bias }, [x]) =>
      emit('Gemm', [x, weights(weight), weights(bias)], { transB: 1 }),
    avgPool: ({ kernel, stride }, [x]) =>
      emit('AveragePool', [x], { kernel_shape: kernel, strides: stride }),
    flatten: (_, [x]) => emit('Flatten', [x], { axis: 1 }),
    // What stands still is added at each step of the other.
    add: (_, names) => names.reduce((a, b) => emit('Add', [a, b])),
    neuron: ({ keep, threshold }, [x], still) => neuron(steps(x, still), keep, threshold),
  }

  /** What each layer gives: its name, and whether it is the same at all steps. */
  const values = []
  for (const layer of layers) {
    const inputs = layer.inputs.map((i) => (i < 0 ? { name: 'x', still: true } : values[i]))
    const still = inputs.every((input) => input.still)
    const names = inputs.map(({ name }) => name)
    const name = kinds[layer.op](layer, names, still)
    values.push({ name, still: still && layer.op !== 'neuron' })
  }
  emit('ReduceMean', [values.at(-1).name], { axes: [0], keepdims: 1 }, ['y'])
  return encode(graph, input, classes)
}
