// The recipe as data, and what train.mjs and batches.mjs make of it.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as sw from 'spikewasm'

const mirrored = { crop: 4, paddingMode: 'reflect', flip: true }

/** `--recipe FILE` (JSON) says otherwise, for trials: objects are merged, lists replaced. */
export const recipe = {
  batchSize: 128,
  /** Channels of 3×3 convolutions; behind each list the picture is halved. */
  stages: [[64], [128, 128], [256, 256], [512]],
  /** Whether a convolution that keeps the channels gets what it reads added to its spikes. */
  residual: false,
  /** Options of `lif`. */
  neuron: { tau: 1.25 },
  /** A channel has a neuron for each: all read its current, and the next layer all their spikes. */
  thresholds: [1, 2],
  /** Main directions of patches that the first filters begin with; each with its opposite. */
  directions: 20,
  /** More options of `compile`. */
  compile: { revectorize: true, weights: 'int8' },
  optimizer: { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  loss: { labelSmoothing: 0.1 },
  /** The rate rises for so many epochs, and falls from another one to 0; by a line or a cosine. */
  schedule: { warmup: 3, fall: 9, shape: 'cosine' },
  /**
   * The first part sees windows of 24×24 pixels, which takes 0.65 of the time; the network has no
   * size of its own. The second sees whole pictures. The third takes twice as many time steps, so
   * that rates have finer values while the learning rate falls to 0. `change` is what `augment`
   * takes. A part may have `alternate: true`, which mirrors each picture in every other epoch,
   * `optimizer`, which is merged into the other, and `fit`, more options of `fit`, such as { "ema":
   * 0.999 }.
   */
  parts: [
    { name: 'windows', epochs: 11, size: 24, timeSteps: 2, change: mirrored },
    { name: 'pictures', epochs: 9, size: 32, timeSteps: 2, change: { ...mirrored, cutout: 8 } },
    { name: 'steps', epochs: 7, size: 32, timeSteps: 4, change: { ...mirrored, cutout: 8 } },
  ],
}

/** The options of both programs; the recipe among them. */
export function readOptions(more = {}) {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      seed: { type: 'string', default: '0' },
      recipe: { type: 'string' },
      'hold-out': { type: 'string' },
      'limit-train': { type: 'string' },
      'limit-test': { type: 'string' },
      ...more,
    },
  })
  if (values.data === undefined) throw new Error('--data must name the folder of CIFAR-10')
  const texts = ['data', 'out', 'weights', 'recipe']
  const counts = Object.entries(values).filter(([name]) => !texts.includes(name))
  for (const [name, text] of counts)
    if (!(Number(text) >= 0)) throw new Error(`--${name} must be a number ≥ 0, got ${text}`)
  const numbers = Object.fromEntries(counts.map(([name, text]) => [name, Number(text)]))
  return { ...values, ...numbers, recipe: merged(values.recipe) }
}

/** The recipe with what a file says otherwise. */
function merged(path) {
  const given = path === undefined ? {} : JSON.parse(readFileSync(path, 'utf8'))
  const isObject = (value) => value?.constructor === Object
  const all = { ...recipe }
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(recipe, name))
      throw new Error(`${path}: ${name} must be one of ${Object.keys(recipe).join(', ')}`)
    all[name] = isObject(recipe[name]) ? { ...recipe[name], ...value } : value
  }
  return all
}

/** A neuron for each threshold; of several, the sum of their spikes. */
function neurons({ neuron, thresholds }) {
  const parts = thresholds.map((vThreshold) => sw.lif({ ...neuron, vThreshold }))
  if (parts.length === 1) return parts[0]
  return sw.block({ ...parts }, (m, x, { add }) => add(...parts.map((_, i) => m[i](x))))
}

/** Stages of convolutions, each followed by batch normalisation and neurons. */
export function network(recipe) {
  const { stages, residual } = recipe
  let from = 3
  const layers = stages.flatMap((stage, i) => [
    ...stage.flatMap((to) => {
      const conv = sw.conv2d(from, to, 3, { padding: 1, bias: false })
      const chain = [conv, sw.batchNorm2d(to), neurons(recipe)]
      const isKept = residual && from === to
      from = to
      return isKept ? [sw.residual(sw.sequential(...chain))] : chain
    }),
    i < stages.length - 1 ? sw.avgPool2d(2) : sw.adaptiveAvgPool2d(1),
  ])
  return sw.sequential(...layers, sw.flatten(), sw.linear(from, 10))
}

/** Factor of the learning rate in the part that begins after `before` of `all` epochs. */
export const scheduleOf = ({ warmup, fall, shape }, before, all) =>
  sw.perStep(({ epoch, epochs, step, steps }) => {
    const place = Math.max(0, before - fall + (step * epochs) / steps) / (all - fall)
    const falling = shape === 'line' ? 1 - place : (1 + Math.cos(Math.PI * place)) / 2
    return Math.min(1, (before + epoch + 1) / warmup) * falling
  })

/** The model of a part. */
export const compile = ({ recipe, seed, threads }, { size, timeSteps }) =>
  network(recipe).compile({
    ...{ input: [3, size, size], timeSteps, batchSize: recipe.batchSize, seed, threads },
    ...recipe.compile,
  })
