/** Small networks that hold between them every kind of layer and every option of one. */
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  alif,
  avgPool1d,
  avgPool2d,
  type Block,
  batchNorm1d,
  batchNorm2d,
  block,
  conv1d,
  conv2d,
  cubaLif,
  delay,
  dropout,
  elementwise,
  flatten,
  groupNorm,
  identity,
  integrateAndFire,
  layerNorm,
  leakyIntegrator,
  lif,
  linear,
  maxPool1d,
  maxPool2d,
  type NeuronOptions,
  neuron,
  plif,
  recurrent,
  relu,
  residual,
  scale,
  sequential,
  stabilizedLif,
  sumPool1d,
  sumPool2d,
  timeMean,
} from '../../src/index.js'

/** All of them take [3, 7, 6] and give 5 classes. */
export const smallInput = [3, 7, 6] as const

/** Biases and no normalisation. */
export const plain = (neuron: NeuronOptions = {}): Block =>
  sequential(
    conv2d(3, 6, 3, { padding: 1 }),
    lif(neuron),
    avgPool2d(2),
    conv2d(6, 9, 2),
    lif(neuron),
    flatten(),
    linear(9 * 2 * 2, 5),
  )

/** Strides, kernels of 1×1, 5×5 and 3×2, one padded side, settings of the normalisation. */
export const strided = (): Block =>
  sequential({
    conv1: conv2d(3, 8, 5, { stride: [2, 1], padding: 2, bias: false }),
    bn1: batchNorm2d(8, { eps: 2 ** -10, momentum: 0.25 }),
    act1: lif(),
    conv2: conv2d(8, 12, 1, { bias: false }),
    bn2: batchNorm2d(12),
    act2: lif({ tau: 2, decayInput: true, vThreshold: 0.5 }),
    conv3: conv2d(12, 10, 1, { stride: 2 }),
    bn3: batchNorm2d(10),
    act3: integrateAndFire(),
    conv4: conv2d(10, 7, [3, 2], { padding: [1, 0] }),
    bn4: batchNorm2d(7),
    act4: lif(),
    pool: adaptiveAvgPool2d([1, 2]),
    flatten: flatten(),
    fc: linear(14, 5, { bias: false }),
  })

/** Dropout behind neurons of convolutions, of pooled ones and of linear layers. */
export const dropped = (): Block =>
  sequential(
    conv2d(3, 8, 3, { padding: 1, bias: false }),
    batchNorm2d(8),
    lif(),
    dropout(0.25),
    conv2d(8, 8, 3, { padding: 1, bias: false }),
    batchNorm2d(8),
    lif(),
    dropout(0.5),
    avgPool2d(2),
    flatten(),
    linear(72, 20),
    lif({ vThreshold: 0.25 }),
    dropout(0.5),
    linear(20, 5),
  )

/** Neurons with a stabilised threshold, with and without normalisation, soft and hard reset. */
export const stabilised = (): Block =>
  sequential(
    conv2d(3, 6, 3, { padding: 1 }),
    batchNorm2d(6, { eps: 2 ** -10 }),
    stabilizedLif(),
    residual(sequential(conv2d(6, 6, 3, { padding: 1 }), batchNorm2d(6), stabilizedLif())),
    avgPool2d(2),
    conv2d(6, 9, 2),
    stabilizedLif({ tau: 1.5, vReset: 0, decayInput: true, surrogate: 'atan' }),
    flatten(),
    linear(9 * 2 * 2, 5),
  )

/** Max pooling of currents and of spikes, with windows that overlap and with padding. */
export const maxPooled = (): Block =>
  sequential(
    conv2d(3, 8, 3, { padding: 1, bias: false }),
    batchNorm2d(8),
    maxPool2d(2, { stride: 1 }),
    lif(),
    conv2d(8, 9, 3, { padding: 1, bias: false }),
    batchNorm2d(9),
    lif(),
    maxPool2d(3, { stride: 2, padding: 1 }),
    conv2d(9, 6, 2),
    batchNorm2d(6),
    lif(),
    flatten(),
    linear(6 * 2 * 2, 5),
  )

/** PLIF; bptt only. */
export const learnable = (): Block =>
  sequential(
    conv2d(3, 6, 3, { padding: 1, bias: false }),
    batchNorm2d(6),
    plif(),
    avgPool2d(2),
    conv2d(6, 8, 3, { padding: 1, bias: false }),
    batchNorm2d(8),
    plif({ vReset: 0, decayInput: true, vThreshold: 0.5 }),
    flatten(),
    linear(72, 5),
  )

/** Cells of most kinds; what they learn only where the method can. */
export const cells = (learns: boolean): Block => {
  const learn = learns ? (['tau', 'vThreshold'] as const) : []
  return sequential(
    conv2d(3, 6, 3, { padding: 1 }),
    cubaLif({ tau: [1.5, 2, 2.5, 3, 4, 5], tauSyn: 2, decayInput: true, inputScale: 4, learn }),
    avgPool2d(2),
    conv2d(6, 8, 3, { padding: 1 }),
    alif({ tau: 2, tauAdaptation: 5, vThreshold: 0.5, refractory: 1, fires: 'above', learn }),
    flatten(),
    linear(72, 5),
    leakyIntegrator({ tau: 2, decayInput: true }),
  )
}

/** Texts of neurons and activations: ranges, rates, noise, and all functions of numbers. */
export const written = (learns: boolean): Block =>
  sequential(
    conv2d(3, 6, 3, { padding: 1 }),
    neuron(
      `tau > 1; 0 <= beta
       u = u*(1 - 1/tau) + x + 0.1*randn()
       spike = u >= 0.5 + beta*a and not (a > 3 or x != x)
       a = 0.8*a + spike
       u = where(detach(spike), min(u - 0.5, 0.2*rand()), u)`,
      { tau: [1.5, 2, 2.5, 3, 4, 5], beta: 0.2 },
      { surrogate: 'alpha/2 * exp(-alpha*abs(x))', learn: learns ? ['tau', 'beta'] : [] },
    ),
    avgPool2d(2),
    conv2d(6, 8, 3, { padding: 1 }),
    elementwise(
      'x*sigmoid(beta*x) + tanh(x)^3/4 + 0.1*log(1 + x^2) + sign(x)*floor(abs(x))/8 + sqrt(1 + x^2)/9',
      { beta: 1.5 },
      { learn: learns ? ['beta'] : [] },
    ),
    flatten(),
    linear(72, 12),
    neuron(
      'dv/dt = (4*x - v)/tau; spike = v > max(0.4, round(w)); v = v - 0.4*spike; dw/dt = spike - w',
      { tau: 3 },
      { dt: 0.5, solver: 'exponentialEuler', init: { v: 0.1 } },
    ),
    linear(12, 5),
  )

/** A recurrent layer between two linear ones. */
export const looped = (): Block =>
  sequential(flatten(), linear(126, 20), recurrent(lif({ tau: 2, vThreshold: 0.5 })), linear(20, 5))

/** OTTT's networks: standardised weights, τ = 2, spikes times 2.74. */
export const standardised = (neuron: NeuronOptions = { tau: 2 }): Block =>
  sequential(
    conv2d(3, 6, 3, { padding: 1, standardise: true, bias: false }),
    lif(neuron),
    scale(2.74),
    conv2d(6, 17, 3, { stride: 2, standardise: true }),
    lif(neuron),
    scale(2.74),
    avgPool2d([3, 1]),
    flatten(),
    linear(17 * 2, 12, { standardise: true }),
    lif({ ...neuron, vThreshold: 0.5 }),
    scale(2.74),
    linear(12, 5),
  )

/** Sums of currents, of spikes, and of what passes a shortcut. */
export const branched = (): Block => {
  const convNorm = (from: number, to: number, stride = 1): Block =>
    sequential(conv2d(from, to, 3, { padding: 1, stride, bias: false }), batchNorm2d(to))
  const down = {
    a: convNorm(8, 10, 2),
    act: lif(),
    shortcut: sequential(conv2d(8, 10, 1, { stride: 2, bias: false }), batchNorm2d(10), lif()),
    none: identity(),
  }
  return sequential({
    stem: sequential(convNorm(3, 8), lif()),
    currents: sequential(residual(convNorm(8, 8)), lif()),
    spikes: block(down, (m, x, { add }) => add(m.act(m.a(x)), m.none(m.shortcut(x)))),
    last: residual(sequential(convNorm(10, 10), lif())),
    pool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    fc: linear(10, 5),
  })
}

/** An early output by rates beside the last, for self-distillation. */
export const distilled = (): Block => {
  const children = {
    stem: sequential(conv2d(3, 8, 3, { padding: 1 }), batchNorm2d(8), lif({ vThreshold: 0.5 })),
    body: sequential(conv2d(8, 10, 3, { stride: 2 }), batchNorm2d(10), lif({ vThreshold: 0.5 })),
    rates: timeMean(),
    branch: sequential(conv2d(8, 10, 3, { stride: 2 }), batchNorm2d(10), relu()),
    pool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    early: linear(10, 5),
    fc: linear(10, 5),
  }
  return block(children, (m, x) => {
    const end = (value: typeof x) => m.flatten(m.pool(value))
    const spikes = m.stem(x)
    return { early: m.early(end(m.branch(m.rates(spikes)))), output: m.fc(end(m.body(spikes))) }
  })
}

/** An analog stem in front of spikes. Input [2, 8, 8]. */
export const stem = (): Block =>
  sequential(
    conv2d(2, 8, 3, { padding: 1, bias: false }),
    batchNorm2d(8),
    relu(),
    conv2d(8, 12, 3, { stride: 2, padding: 1 }),
    batchNorm2d(12),
    lif(),
    flatten(),
    linear(192, 5),
  )

/** Channels and images large enough for the kernels of large layers. Input [16, 12, 12]. */
export const wide = (): Block =>
  sequential(
    conv2d(16, 48, 3, { padding: 1, bias: false }),
    batchNorm2d(48),
    lif(),
    conv2d(48, 64, 3, { padding: 1, bias: false }),
    batchNorm2d(64),
    lif(),
    avgPool2d(2),
    conv2d(64, 96, 3, { padding: 1, bias: false }),
    batchNorm2d(96),
    lif(),
    conv2d(96, 64, 1, { stride: 2, bias: false }),
    batchNorm2d(64),
    lif(),
    flatten(),
    linear(64 * 9, 70),
    lif({ vThreshold: 0.5 }),
    linear(70, 11),
  )

/** Depthwise and grouped convolutions, on images, spikes and currents. */
export const grouped = (): Block =>
  sequential(
    conv2d(3, 12, 3, { padding: 1, groups: 3, bias: false }),
    batchNorm2d(12),
    lif(),
    conv2d(12, 12, 3, { padding: 1, groups: 12 }),
    lif({ vThreshold: 0.5 }),
    conv2d(12, 32, 1, { groups: 2, bias: false }),
    batchNorm2d(32),
    lif(),
    avgPool2d(2),
    conv2d(32, 32, [3, 2], { stride: 2, groups: 32, standardise: true }),
    conv2d(32, 24, 1, { groups: 4 }),
    lif({ vThreshold: 0.5 }),
    flatten(),
    linear(24, 5),
  )

/** Weights that start normal; biases at 0 and as PyTorch's. */
export const normal = (): Block =>
  sequential(
    conv2d(3, 6, 3, { init: { normal: 0.5 } }),
    lif(),
    flatten(),
    linear(6 * 5 * 4, 10, { init: { normal: 0.25, bias: 'default' } }),
    lif(),
    linear(10, 5),
  )

/** Normalisations of samples, sums over windows, constants, channels side by side. */
export const between = (): Block =>
  block(
    {
      stem: sequential(conv2d(3, 6, 3), groupNorm(2, 6), lif()),
      side: sequential(conv2d(6, 5, 3, { padding: 1 }), scale([1, 2, 0.5, -1, 4]), lif()),
      sums: sequential(sumPool2d(2), conv2d(11, 7, 1), layerNorm([7, 2, 2]), lif()),
      flat: flatten(),
      wide: sequential(adaptiveAvgPool2d([3, 2]), flatten(), linear(36, 8), lif()),
      out: linear(36, 5),
    },
    (m, x, { concat }) => {
      const stem = m.stem(x)
      return m.out(concat(m.flat(m.sums(concat(stem, m.side(stem)))), m.wide(stem)))
    },
  )

/** Delays of spikes and of currents. */
export const delayed = (): Block =>
  sequential(
    conv2d(3, 6, 3),
    lif(),
    delay([0, 1, 2, 3, 0, 1]),
    conv2d(6, 5, 2),
    delay(1),
    lif(),
    maxPool2d(2, { rate: 'official' }),
    flatten(),
    linear(10, 5),
  )

/** A series. Input [3, 15]. */
export const series = (): Block =>
  sequential(
    conv1d(3, 6, 4, { padding: 1, bias: false }),
    batchNorm1d(6),
    lif(),
    avgPool1d(2),
    conv1d(6, 8, 3),
    maxPool1d(2),
    lif(),
    sumPool1d(2, { stride: 1 }),
    adaptiveAvgPool1d(1),
    flatten(),
    linear(8, 5),
  )
