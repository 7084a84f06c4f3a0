// Writes a network (bench/edge/chain.ts) as an ONNX model, unrolled over its time steps:
// neurons are a few operations a step; all other layers compute the T steps as a batch, and once
// where nothing has changed from step to step yet.
import { FLOAT, integers, model, node, tensor } from './protobuf.mjs'

/** The ONNX model of a chain. `numbers`: Float32Array that its weights are in. */
export function chainModel({ input, timeSteps: T, classes, layers }, numbers) {
  const nodes = []
  const constants = []
  let count = 0
  const fresh = () => `t${count++}`
  const emit = (type, inputs, attributes, output = fresh()) => {
    nodes.push(node(type, inputs, [output], attributes))
    return output
  }
  const constant = ({ at, shape }) => {
    const name = fresh()
    const size = shape.reduce((a, b) => a * b, 1)
    constants.push(tensor(name, shape, numbers.slice(at, at + size)))
    return name
  }
  const scalar = (value) => {
    const name = fresh()
    constants.push(tensor(name, [], Float32Array.of(value)))
    return name
  }

  /** What comes in at each step: [1, …] each. */
  const steps = (x, still) => {
    if (still) return Array(T).fill(x)
    const outputs = Array.from({ length: T }, fresh)
    const ones = fresh()
    constants.push(integers(ones, Array(T).fill(1)))
    nodes.push(node('Split', [x, ones], outputs, { axis: 0 }))
    return outputs
  }
  const neuron = (currents, keep, threshold) => {
    const [leak, theta] = [scalar(keep), scalar(threshold)]
    const spikes = []
    let v
    for (const [t, current] of currents.entries()) {
      const u = v === undefined ? current : emit('Add', [emit('Mul', [v, leak]), current])
      const fires = emit('GreaterOrEqual', [u, theta])
      const spike = emit('Cast', [fires], { to: FLOAT })
      spikes.push(spike)
      const reset = () => (threshold === 1 ? spike : emit('Mul', [spike, theta]))
      if (t < T - 1) v = emit('Sub', [u, reset()])
    }
    return T === 1 ? spikes[0] : emit('Concat', spikes, { axis: 0 })
  }

  /** What each layer gives: its name, and whether it is the same at all steps. */
  const values = []
  for (const layer of layers) {
    const inputs = layer.inputs.map((i) => (i < 0 ? { name: 'x', still: true } : values[i]))
    const [{ name: x }] = inputs
    let still = inputs.every((input) => input.still)
    let name
    if (layer.op === 'conv') {
      const { weight, bias, stride, padding } = layer
      const attributes = {
        kernel_shape: weight.shape.slice(2),
        strides: [...stride],
        pads: [...padding, ...padding],
      }
      name = emit('Conv', [x, constant(weight), constant(bias)], attributes)
    } else if (layer.op === 'linear') {
      name = emit('Gemm', [x, constant(layer.weight), constant(layer.bias)], { transB: 1 })
    } else if (layer.op === 'avgPool') {
      const attributes = { kernel_shape: [...layer.kernel], strides: [...layer.stride] }
      name = emit('AveragePool', [x], attributes)
    } else if (layer.op === 'flatten') {
      name = emit('Flatten', [x], { axis: 1 })
    } else if (layer.op === 'add') {
      // Of two: what stands still is added at each step.
      const names = inputs.map((input) => input.name)
      name = names.reduce((a, b) => emit('Add', [a, b]))
    } else if (layer.op === 'neuron') {
      name = neuron(steps(x, still), layer.keep, layer.threshold)
      still = false
    } else throw new Error(`a network has no layer ${layer.op}`)
    values.push({ name, still })
  }
  const x = values.at(-1).name
  emit('ReduceMean', [x], { axes: [0], keepdims: 1 }, 'y')
  return model([1, ...input], [1, classes], nodes, constants)
}
