/** Small networks that hold between them every kind of layer and every option of one. */
import {
  adaptiveAvgPool2d,
  alif,
  type Block,
  batchNorm2d,
  block,
  conv1d,
  conv2d,
  cubaLif,
  dcls1d,
  delay,
  elementwise,
  flatten,
  groupNorm,
  identity,
  layer,
  layerNorm,
  lif,
  linear,
  type NeuronOptions,
  neuron,
  recurrent,
  relu,
  reshape,
  residual,
  scale,
  sequential,
  slice,
  stabilizedLif,
  sumPool2d,
  timeMean,
} from '../../src/index.js'
import { layersOf, netOf } from '../support/net.js'

/** All of them take [3, 7, 6] and give 5 classes, unless said otherwise. */
export const smallInput = [3, 7, 6] as const

type Own = Parameters<typeof netOf>[2]
const chain = (text: string, own?: Own) => netOf(smallInput, text, own)

/** Biases and no normalisation. */
export const plain = (options: NeuronOptions = {}): Block =>
  chain('conv 6 3 padding=1, lif, avgPool2d 2, conv 9 2, lif, flatten, linear 5', {
    lif: () => lif(options),
  })

const stridedNames =
  'conv1 bn1 act1 conv2 bn2 act2 conv3 bn3 act3 conv4 bn4 act4 pool flatten fc'.split(' ')

/** Strides, kernels of 1×1, 5×5 and 3×2, one padded side, settings of the normalisation. */
export const strided = (): Block => {
  const layers = layersOf(
    smallInput,
    'conv 8 5 stride=2x1 padding=2 bias=false, norm eps=0.0009765625 momentum=0.25, lif, ' +
      'conv 12 1 bias=false, norm, lif tau=2 decayInput=true vThreshold=0.5, ' +
      'conv 10 1 stride=2, norm, integrateAndFire, conv 7 3x2 padding=1x0, norm, lif, ' +
      'adaptiveAvgPool2d 1x2, flatten, linear 5 bias=false',
  )
  return sequential(Object.fromEntries(stridedNames.map((name, i) => [name, layers[i]])))
}

/** Dropout behind neurons of convolutions, of pooled ones and of linear layers. */
export const dropped = (): Block =>
  chain(
    'conv 8 3 padding=1 bias=false, norm, lif, dropout 0.25, ' +
      'conv 8 3 padding=1 bias=false, norm, lif, dropout 0.5, avgPool2d 2, ' +
      'flatten, linear 20, lif vThreshold=0.25, dropout 0.5, linear 5',
  )

/** Neurons with a stabilised threshold, with and without normalisation, soft and hard reset. */
export const stabilised = (): Block =>
  chain(
    'conv 6 3 padding=1, norm eps=0.0009765625, stabilizedLif, shortcut, avgPool2d 2, conv 9 2, ' +
      'stabilizedLif tau=1.5 vReset=0 decayInput=true surrogate=atan, flatten, linear 5',
    {
      shortcut: (channels) =>
        residual(
          sequential(
            conv2d(channels, channels, 3, { padding: 1 }),
            batchNorm2d(channels),
            stabilizedLif(),
          ),
        ),
    },
  )

/** Max pooling of currents and of spikes, with windows that overlap and with padding. */
export const maxPooled = (): Block =>
  chain(
    'conv 8 3 padding=1 bias=false, norm, maxPool2d 2 stride=1, lif, ' +
      'conv 9 3 padding=1 bias=false, norm, lif, maxPool2d 3 stride=2 padding=1, ' +
      'conv 6 2, norm, lif, flatten, linear 5',
  )

/** PLIF; bptt only. */
export const learnable = (): Block =>
  chain(
    'conv 6 3 padding=1 bias=false, norm, plif, avgPool2d 2, conv 8 3 padding=1 bias=false, ' +
      'norm, plif vReset=0 decayInput=true vThreshold=0.5, flatten, linear 5',
  )

/** Cells of most kinds; what they learn only where the method can. */
export const cells = (learns: boolean): Block => {
  const learn = learns ? (['tau', 'vThreshold'] as const) : []
  const tau = [1.5, 2, 2.5, 3, 4, 5]
  const adaptive = { tau: 2, tauAdaptation: 5, vThreshold: 0.5, refractory: 1, fires: 'above' }
  return chain(
    'conv 6 3 padding=1, cuba, avgPool2d 2, conv 8 3 padding=1, adaptive, flatten, linear 5, ' +
      'leakyIntegrator tau=2 decayInput=true',
    {
      cuba: () => cubaLif({ tau, tauSyn: 2, decayInput: true, inputScale: 4, learn }),
      adaptive: () => alif({ ...adaptive, learn } as Parameters<typeof alif>[0]),
    },
  )
}

/** Texts of neurons and activations: ranges, rates, noise, and all functions of numbers. */
export const written = (learns: boolean): Block =>
  chain(
    'conv 6 3 padding=1, noisy, avgPool2d 2, conv 8 3 padding=1, wave, flatten, linear 12, rate, ' +
      'linear 5',
    {
      noisy: () =>
        neuron(
          `tau > 1; 0 <= beta
       u = u*(1 - 1/tau) + x + 0.1*randn()
       spike = u >= 0.5 + beta*a and not (a > 3 or x != x)
       a = 0.8*a + spike
       u = where(detach(spike), min(u - 0.5, 0.2*rand()), u)`,
          { tau: [1.5, 2, 2.5, 3, 4, 5], beta: 0.2 },
          { surrogate: 'alpha/2 * exp(-alpha*abs(x))', learn: learns ? ['tau', 'beta'] : [] },
        ),
      wave: () =>
        elementwise(
          'x*sigmoid(beta*x) + tanh(x)^3/4 + 0.1*log(1 + x^2) + sign(x)*floor(abs(x))/8 + sqrt(1 + x^2)/9',
          { beta: 1.5 },
          { learn: learns ? ['beta'] : [] },
        ),
      rate: () =>
        neuron(
          'dv/dt = (4*x - v)/tau; spike = v > max(0.4, round(w)); v = v - 0.4*spike; dw/dt = spike - w',
          { tau: 3 },
          { dt: 0.5, solver: 'exponentialEuler', init: { v: 0.1 } },
        ),
    },
  )

/** A recurrent layer between two linear ones. */
export const looped = (): Block =>
  chain('flatten, linear 20, loop, linear 5', {
    loop: () => recurrent(lif({ tau: 2, vThreshold: 0.5 })),
  })

/** OTTT's networks: standardised weights, τ = 2, spikes times 2.74. */
export const standardised = (options: NeuronOptions = { tau: 2 }): Block =>
  chain(
    'conv 6 3 padding=1 standardise=true bias=false, lif, scale 2.74, ' +
      'conv 17 3 stride=2 standardise=true, lif, scale 2.74, avgPool2d 3x1, flatten, ' +
      'linear 12 standardise=true, last, scale 2.74, linear 5',
    { lif: () => lif(options), last: () => lif({ ...options, vThreshold: 0.5 }) },
  )

const convNorm = (from: number, to: number, stride = 1): Block =>
  sequential(conv2d(from, to, 3, { padding: 1, stride, bias: false }), batchNorm2d(to))

/** Sums of currents, of spikes, and of what passes a shortcut. */
export const branched = (): Block => {
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

export const stemInput = [2, 8, 8] as const
/** An analog stem in front of spikes, of `stemInput`. */
export const stem = (): Block =>
  netOf(
    stemInput,
    'conv 8 3 padding=1 bias=false, norm, relu, conv 12 3 stride=2 padding=1, norm, lif, ' +
      'flatten, linear 5',
  )

export const wideInput = [16, 12, 12] as const
/** Channels and images large enough for the kernels of large layers, of `wideInput`. */
export const wide = (): Block =>
  netOf(
    wideInput,
    'conv 48 3 padding=1 bias=false, norm, lif, conv 64 3 padding=1 bias=false, norm, lif, ' +
      'avgPool2d 2, conv 96 3 padding=1 bias=false, norm, lif, ' +
      'conv 64 1 stride=2 bias=false, norm, lif, ' +
      'flatten, linear 70, lif vThreshold=0.5, linear 11',
  )

/** Depthwise and grouped convolutions, on images, spikes and currents. */
export const grouped = (): Block =>
  chain(
    'conv 12 3 padding=1 groups=3 bias=false, norm, lif, ' +
      'conv 12 3 padding=1 groups=12, lif vThreshold=0.5, ' +
      'conv 32 1 groups=2 bias=false, norm, lif, avgPool2d 2, ' +
      'conv 32 3x2 stride=2 groups=32 standardise=true, conv 24 1 groups=4, ' +
      'lif vThreshold=0.5, flatten, linear 5',
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

/** Spiking self-attention of tokens (Spikformer's, with a softmax), gates, parts. */
export const attentive = (): Block =>
  block(
    {
      stem: sequential(conv2d(3, 6, 3), lif()),
      q: sequential(conv1d(6, 8, 1), lif()),
      k: sequential(conv1d(6, 8, 1), lif()),
      v: sequential(conv1d(6, 8, 1), lif()),
      gate: conv1d(6, 8, 1),
      out: sequential(scale(2), lif({ vThreshold: 0.5 }), flatten(), linear(8 * 15, 5)),
    },
    (m, x, { matmul, mul, reshape, slice, softmax, transpose }) => {
      const tokens = transpose(reshape(m.stem(x), [6, -1]))
      const read = transpose(slice(tokens, 0, 15))
      const heads = 2
      const attention = matmul(m.q(read), m.k(read), { transposeA: true, heads })
      const found = matmul(m.v(read), attention, { transposeB: true, heads })
      return m.out(mul(found, softmax(m.gate(read), 1)))
    },
  )

/** What a layer of one's own may do with its parameters, called twice. */
export const ownLayers = (): Block => {
  const mixed = layer({
    name: 'mixed',
    parameters: {
      mix: { shape: [6, 6] },
      bias: { shape: [6, 1], start: { uniform: 0.1 } },
      gate: { shape: [1, 15], start: { normal: 0.5 } },
    },
    layers: { norm: layerNorm([6, 15]) },
    forward: ({ add, matmul, mul, elementwise, expand }, x, p, m) =>
      m.norm(
        add(
          mul(matmul(p.mix, x), elementwise('sigmoid(x)', p.gate)),
          expand(p.bias, [6, 15]),
          p.bias,
        ),
      ),
  })
  return sequential({
    body: sequential(conv2d(3, 6, 3), lif(), reshape([6, -1]), slice(0, 15, 2)),
    mixed,
    fire: lif({ vThreshold: 0.5 }),
    again: mixed,
    out: sequential(lif({ vThreshold: 0.5 }), flatten(), linear(6 * 15, 5)),
  })
}

/** Delays of spikes and of currents. */
export const delayed = (): Block =>
  chain(
    'conv 6 3, lif, delays, conv 5 2, delay 1, lif, maxPool2d 2 rate=official, flatten, linear 5',
    { delays: () => delay([0, 1, 2, 3, 0, 1]) },
  )

/** Kernels with taps apart, transposed ones, images of another size. */
export const sized = (): Block =>
  chain(
    'conv 12 3 dilation=2 padding=2 bias=false, norm, lif, conv 6 2 dilation=2x3 groups=2, lif vThreshold=0.5, ' +
      'transposed 9 3 stride=2 padding=1 outputPadding=1x0 groups=3, norm, lif, ' +
      'upsample scale=1.5, conv 5 3 stride=2, lif, ' +
      'transposed 5 2 stride=2 dilation=2, lif vThreshold=0.25, upsample size=5x4 mode=bilinear, flatten, linear 5',
  )

/** The same of a series, of `seriesInput`. */
export const sizedSeries = (): Block =>
  netOf(
    seriesInput,
    'conv 6 3 dilation=2, lif, transposed 4 4 stride=2 padding=1, lif, ' +
      'upsample scale=0.75 mode=linear alignCorners=true, lif, flatten, linear 5',
  )
/** Delays that are learnt, of channels and of synapses, behind spikes and behind currents. */
export const learntDelays = (): Block =>
  chain('conv 6 3, lif, delays, maxPool2d 2, flatten, synapses, lif, synapses2', {
    delays: () => delay([0, 1, 2.5, 3, 0, 1.25], { maxDelay: 3, interpolation: 'gauss' }),
    synapses: () => dcls1d(24, 33, { maxDelay: 5, kernelCount: 2 }),
    synapses2: () => dcls1d(33, 5, { maxDelay: 4, interpolation: 'gauss', bias: false }),
  })

export const seriesInput = [3, 15] as const
/** A series, of `seriesInput`. */
export const series = (): Block =>
  netOf(
    seriesInput,
    'conv 6 4 padding=1 bias=false, norm, lif, avgPool1d 2, conv 8 3, maxPool1d 2, lif, ' +
      'sumPool1d 2 stride=1, adaptiveAvgPool1d 1, flatten, linear 5',
  )
