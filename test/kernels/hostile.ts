/** Texts of equations that are wrong, large, deep or odd, and what a neuron of one costs. */

import { layerOf } from '../../src/compile/emit/neuron-record.js'
import { type Equations, neuron, neurons } from '../../src/index.js'
import { backwardKernel } from '../../src/kernels/equations/backward.js'
import { moduleOf } from '../../src/kernels/equations/code.js'
import { forwardKernel } from '../../src/kernels/equations/forward.js'
import { equationsModel } from '../../src/nn/layers/equations.js'
import { one, type Random } from '../support/draw/layers.js'
import { randomNeuron } from '../support/random-equations.js'

const times = (count: number, text: string): string => text.repeat(count)

/** Texts that want much, or mean something else elsewhere. */
const hostile: readonly ((n: number) => string)[] = [
  (n) => `${times(n, '(')}x${times(n, ')')} > 1`,
  (n) => `u = ${times(n, '-')}x\nspike = u > 1`,
  (n) => `u = ${times(n, 'not ')}x\nspike = u > 1`,
  (n) => `u = x${times(n, '^2')}\nspike = u > 1`,
  (n) => `u = x${times(n, '^-16')}\nspike = u > 1`,
  (n) => `u = u${times(n, ' + x')}\nspike = u > 1`,
  (n) => `u = x${times(n, '/u*x')}\nspike = u > 1`,
  (n) => `u = ${times(n, 'where(u > x, x, ')}u${times(n, ')')}\nspike = u > 1`,
  (n) => `u = ${times(n, 'exp(')}u + x${times(n, ')')}\nspike = u > 1`,
  (n) => `${times(n, 'u = u*u + x*exp(u)\n')}spike = u > 1`,
  (n) => `${Array.from({ length: n }, (_, i) => `u${i} = u${i} + x`).join('\n')}\nspike = u0 > 1`,
  (n) => `${Array.from({ length: n }, (_, i) => `du${i}/dt = u${(i + 1) % n}*x`).join('\n')}
spike = u0 > x`,
  (n) => `a = x\n${times(n, 'a = a*a + a\n')}output = a`,
  (n) => `a = x\n${times(n, 'a = sigmoid(a)*tanh(a) + randn()\n')}output = a`,
  (n) => `spike = x > 1${times(n, ' and x < 2 or x > 3')}`,
  (n) => `spike = ${times(n, '1 < ')}x`,
  (n) => `${times(n, '\n')}spike = x > 1${times(n, ';')}`,
  (n) => `# ${times(n, 'x')}\nspike = x > 1`,
  (n) => `${times(n, 'u')} = x\nspike = x > 1`,
  (n) => `spike = x > 1${times(n, '0')}`,
  (n) => `spike = x > 1e${n}`,
  (n) => `spike = x > 0.${times(n, '0')}1e-${n}`,
  (n) => `u = min(${times(n, 'x, ')}x)\nspike = u > 1`,
  () => 'spike = x > NaN',
  () => 'spike = x > Infinity',
  () => 'spike = x > 0x10',
  () => 'spike = x > 1_000',
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'then'].flatMap(
    (name) => [
      () => `${name} = ${name} + x\nspike = ${name} > 1`,
      () => `d${name}/dt = x\nspike = ${name} > 1`,
      () => `spike = ${name}(x) > 1`,
      () => `spike = x > ${name}`,
      () => `${name} > 1\nspike = x > 1`,
    ],
  ),
  () => 'ü = ü + x; spike = ü > 1',
  () => 'spike = x > 1\u0000',
  () => 'spike\u00a0= x > 1',
  () => 'spike = x ＞ 1',
  () => '\ud800 = x; spike = x > 1',
  () => 'spike = x > 1 \ud83d\ude00',
  () => '\u202espike = x > 1',
  () => 'e\u0301 = x; spike = x > 1',
  () => 'spike = x > 1\r\n\r\rspike = 2',
  () => '',
]

const signs = [
  ...['+', '-', '*', '/', '^', '(', ')', ',', '=', '==', '<', '>=', ';', '\n', ' ', '.', '#'],
  ...['and', 'or', 'not', 'x', 'u', 'dt', 'pi', 'spike', 'output', 'where(', 'detach(', 'rand()'],
  ...['1e38', '1e-45', '0', '-0', '16', '1e39', '"', '\\', '{', 'é', '∞', '\u2028', '\ud800'],
]

/** A text with some of its parts changed. */
function mutated(text: string, random: Random): string {
  let out = text
  for (let left = 1 + Math.floor(4 * random()); left > 0; left--) {
    const at = Math.floor(random() * (out.length + 1))
    const gone = random() < 0.5 ? Math.floor(random() * 6) : 0
    const from = Math.floor(random() * out.length)
    const put = random() < 0.7 ? one(random, signs) : out.slice(from, from + 30)
    out = out.slice(0, at) + put + out.slice(at + gone)
  }
  return out
}

const entries = Object.values(neurons.list())
const presets = entries.map(({ text }) => text)

/** A text that may be anything. */
function hostileText(random: Random): string {
  const kind = random()
  if (kind < 0.3) return one(random, hostile)(Math.floor(10 ** (5 * random())))
  const text = random() < 0.5 ? one(random, presets) : randomNeuron(random).text
  return kind < 0.9 ? mutated(text, random) : mutated(one(random, hostile)(3), random)
}

const names = new Set([
  ...entries.flatMap(({ parameters }) => Object.keys(parameters)),
  ...['theta', 'p', 'q', 'r', 's', 'k'],
])

/** Parameters of the presets and random neurons that a text may name. */
function parametersIn(text: string): Record<string, number> {
  const words = new Set(text.slice(0, 8192).match(/[\p{L}_][\p{L}\p{N}_]*/gu))
  return Object.fromEntries([...words].filter((word) => names.has(word)).map((name) => [name, 2]))
}

/** Makes the kernels of a training of 16 steps. */
function compileKernels(neuron: Equations): void {
  const model = equationsModel(neuron)
  const shape = [8, 1, 1] as const
  const tensor = { steps: 16, stored: 8 }
  const layer = layerOf({
    name: 'it',
    model,
    shape,
    parameters: new Map(),
    inputs: [{ tensor } as never],
  })
  const steps = 16
  const forward = { steps, totalSteps: steps, counts: true, eligibility: true }
  const functions = [forwardKernel(layer, forward).func, backwardKernel(layer, { steps }).func]
  new WebAssembly.Module(moduleOf(functions, false))
}

export const hostileBytes = async (random: Random): Promise<Uint8Array> =>
  new TextEncoder().encode(hostileText(random))

/** Milliseconds that reading a text may take; nothing: any. */
const LIMIT = Number(process.env.SPIKEWASM_FUZZ_MS ?? Infinity)

/** Makes a neuron of a text, and its kernels. */
export function readHostile(bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes)
  const parameters = parametersIn(text)
  let fastest = Infinity
  const timed = (): Equations => {
    const before = process.cpuUsage()
    try {
      return neuron(text, parameters)
    } finally {
      const { user, system } = process.cpuUsage(before)
      fastest = Math.min(fastest, (user + system) / 1000)
    }
  }
  // The first time may be one of the collector or the compiler.
  for (let left = 4; left > 0 && (fastest === Infinity || fastest > LIMIT); left--)
    try {
      timed()
    } catch (error) {
      if (fastest <= LIMIT) throw error
    }
  if (fastest > LIMIT) throw new Error(`it takes ${fastest} ms: ${text.slice(0, 80)}`)
  compileKernels(timed())
}
