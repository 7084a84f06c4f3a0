/**
 * Containers: chains of layers, and blocks with a forward function that is traced once.
 */

import { checkArguments, checkOptions, describe, fail } from '../base/errors.js'
import {
  type Apply,
  type Composite,
  checkModule,
  type Exits,
  isModule,
  type Module,
  type NamedValues,
  type Ops,
} from '../network/module.js'
import type { InputShape, InputShapes, Value } from '../network/value.js'
import { useSums } from '../nn/layers/joins.js'
import { type OwnLayer, type OwnParameter, parameter } from '../nn/layers/parameter.js'
import type { CrossEntropy } from '../nn/loss/kinds.js'
import { useValues } from '../nn/values.js'
import { type CompileOptions, compile } from './compile.js'
import type { Model } from './model.js'

/** A block that can be compiled: what `sequential`, `block` and `residual` make. */
export interface Block extends Composite {
  /**
   * Plans, allocates and initialises the network; see the function `compile`.
   * @throws SpikewasmError for wrong options or shapes, naming the layer, and when the model does
   *   not fit in memory
   */
  compile<L extends CompileOptions['loss'] = CrossEntropy<'labels'>>(
    options: CompileOptions<InputShape | InputShapes> & { readonly loss?: L },
  ): Promise<Model<L>>
}

function make(name: string, children: Composite['children'], forward: Composite['forward']): Block {
  for (const [key, child] of Object.entries(children)) {
    if (key === '' || key.includes('.'))
      fail(`a child's name must not be empty or contain a dot, got ${JSON.stringify(key)}`)
    if (key === '__proto__') fail(`${name}: a child's name must not be __proto__; rename it`)
    checkModule(`${name}.${key}`, child)
  }
  return compilable({ kind: 'block', children, forward })
}

/** The same with `compile`. */
export function compilable(composite: Composite): Block {
  return {
    ...composite,
    // `this`, not a closure: a copy of a block compiles itself.
    compile(this: Composite, options) {
      return compile(this, options)
    },
  }
}

/**
 * A chain of layers and blocks. They are named 0, 1, … as in PyTorch's Sequential, or by the keys
 * of an object: `sequential({ conv1: conv2d(…), act: lif() })`.
 * @throws SpikewasmError when there is no layer, something is no layer, or a name holds a dot
 */
export function sequential(...layers: Module[] | [Readonly<Record<string, Module>>]): Block {
  const [first] = layers
  const named =
    layers.length === 1 && typeof first === 'object' && first !== null && !isModule(first)
  const children = Object.fromEntries(Object.entries(named ? first : layers)) as Record<
    string,
    Module
  >
  const names = Object.keys(children)
  if (names.length === 0) fail('sequential needs at least one layer, got none')
  return make('sequential', children, (m, x) => names.reduce((value, name) => m[name](value), x))
}

/**
 * A block of any wiring. Its forward function is called once, when the network is compiled, to
 * learn how the children are wired:
 *
 *     block({ conv1, bn1, spike1, conv2, bn2, shortcut, spike2 }, (m, x, { add }) =>
 *       m.spike2(add(m.bn2(m.conv2(m.spike1(m.bn1(m.conv1(x))))), m.shortcut(x))))
 *
 * The children's names become part of the parameters' names (`conv1.weight`). The block that is the
 * whole network may return several outputs by name, for the loss `selfDistillation`; the last of
 * them is the network's prediction:
 *
 *     (m, x) => { const h = m.body(x); return { early: m.branch(h), output: m.head(m.rest(h)) } }
 *
 * @param children layers and blocks by name
 * @param forward takes the children as functions, the block's input, and `add`; returns its output.
 *   Of a network with named inputs the outermost block gets these by name
 * @throws SpikewasmError when a child is no layer or block, or its name holds a dot
 */
export function block<
  const C extends Record<string, Module>,
  X extends Value | NamedValues = Value,
>(
  children: C,
  forward: (children: { [K in keyof C]: Apply }, x: X, ops: Ops) => Value | Exits,
  ...more: []
): Block {
  checkArguments('block', more)
  useValues()
  if (typeof children !== 'object' || children === null)
    fail(`block needs an object of children and a forward function, got ${describe(children)}`)
  if (typeof forward !== 'function')
    fail(`block's second argument must be its forward function, got ${describe(forward)}`)
  return make('block', children, forward as unknown as Composite['forward'])
}

/**
 * A layer of your own, with parameters that are learnt: products, sums, texts and normalisations of
 * its input and of them. Derivatives follow; files keep what the forward function did, so that
 * loading needs no function:
 *
 *     const scaled = (channels) =>
 *       layer({
 *         parameters: { scale: { shape: [channels, 1, 1], start: 1 } },
 *         forward: ({ mul }, x, { scale }) => mul(x, scale),
 *       })
 *
 * A parameter is a value that is the same for each image and at each step: `<path of the
 * layer>.scale` in state dicts, in PyTorch's order. Neurons, normalisations, convolutions are
 * `layers`. So are large weights: a parameter is written out for each image. Methods that learn at
 * each step learn a parameter from that step alone; only weights of `linear` and convolutions have
 * the traces of method 'ottt'.
 * @throws SpikewasmError when an option is wrong, and when the network is compiled for a parameter
 *   that nothing reads
 */
export function layer<
  const P extends Readonly<Record<string, OwnParameter>> = Record<never, never>,
  const C extends Readonly<Record<string, Module>> = Record<never, never>,
>(own: OwnLayer<P, C>, ...more: []): Block {
  checkArguments('layer', more)
  checkOptions('layer', own, ['name', 'parameters', 'layers', 'forward'])
  useValues()
  const { name: label = 'layer', parameters = {}, layers = {}, forward } = own
  if (typeof label !== 'string') fail(`layer.name must be a text, got ${describe(label)}`)
  const what = own.name === undefined ? label : `layer '${label}'`
  for (const [key, given] of Object.entries({ parameters, layers }))
    if (typeof given !== 'object' || given === null || Array.isArray(given))
      fail(`${what}: ${key} must be an object by names, got ${describe(given)}`)
  if (typeof forward !== 'function')
    fail(`${what}: forward must be a function (ops, x, p, m) => …, got ${describe(forward)}`)
  const children: Record<string, Module> = { ...layers }
  const learnt = Object.entries<OwnParameter>(parameters).map(([key, of]) => {
    if (Object.hasOwn(layers, key))
      fail(`${what}: ${key} names a parameter and a layer; rename one`)
    children[key] = parameter(`${what}: parameters.${key}`, of)
    return key
  })
  const block = make(what, children, (m, x, ops) => {
    const values = learnt.map((key) => [key, (m[key] as () => Value)()])
    return forward(ops, x, Object.fromEntries(values), m as never)
  })
  return { ...block, label: ` (${label})` }
}

/**
 * A block that returns main(x) + shortcut(x), two values of one shape. Its children are named
 * `main` and `shortcut`.
 * @param shortcut default: the identity
 * @throws SpikewasmError when one is no layer or block
 */
export function residual(
  main: Module,
  shortcut: Module = { kind: 'identity' },
  ...more: []
): Block {
  checkArguments('residual', more)
  useSums()
  return make('residual', { main, shortcut }, (m, x, { add }) => add(m.main(x), m.shortcut(x)))
}
