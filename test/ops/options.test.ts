/**
 * Every option, shape and setting of every op with many values: what is planned, and the messages
 * for what is not, against options.txt. The options to begin with are those of the examples.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../assembly/opcodes.js'
import { alif, leakyIntegrator, lif, recurrent } from '../../src/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { type AnyOp, examples } from '../support/op-examples.js'
import {
  compareLines,
  hashOf,
  type Line,
  lineOf,
  outcomeOf,
  plainLine,
  textOf,
} from '../support/outcomes.js'

type Options = Readonly<Record<string, unknown>>

const values: readonly unknown[] = [
  ...[undefined, null, true, 'x', Number.NaN, -1, 0, 0.5, 1, 1.5, 2, 255, 256, 2 ** 31, 2 ** 32],
  ...[
    1e39,
    [],
    [1, 2],
    [0, 0],
    [0.9, 0.99],
    {},
    { x: 1 },
    'steps',
    { affine: 'steps', still: true },
  ],
  ...[{ kernelSize: 2 }, { kernelSize: 2, padding: 1 }, { kernelSize: 9 }, { affine: 1 }],
  ...['counts', 'values', 'images', 'L1', 'NT', 'TN', 'online', 'time', 'official', 'erf', 'rows'],
  ...['lists', 'direct', 'blocks', 'winograd', 'patterns', 'narrow', ['spikes'], ['counts']],
  ...[
    ['output', 'counts'],
    ['potential'],
    ['loss', 'output'],
    ['potentials'],
    ['surrogates', 'xhat'],
  ],
  ...[
    ['output', 'output'],
    ['gradient'],
    lif({ tau: [2, 3] }),
    recurrent(alif()),
    leakyIntegrator(),
  ],
  ...[[{}], [{}, {}], [{ spikes: true }, { scale: 2 }], [{ kernelSize: 2 }], [{ still: true }, {}]],
  ...[[{ scale: Number.NaN }], [{ stride: 1 }], [{ channels: 2 }, { channels: 3 }]],
]

/** Shapes near another: each number changed, one more, one less. */
const shapesNear = (shape: readonly number[]): unknown[] => [
  ...shape.flatMap((n, i) => [0, 1, n + 1].map((value) => shape.with(i, value))),
  ...[shape.slice(1), shape.slice(0, -1), [...shape, 1], [1, ...shape], shape.with(0, 1.5)],
]

/** What is planned: all that a plan says, and its memory before the first run. */
function planned(op: AnyOp, options: Options): string {
  const plan = op.plan(options)
  const { algorithm, kernels, tensors, threads, bytes } = plan
  const { memory } = OpPlan.insides(plan as unknown as OpPlan)
  const text = Buffer.from(new Uint8Array(memory.buffer, 0, bytes)).toString('latin1')
  return textOf({ algorithm, kernels, tensors, threads, bytes, memory: hashOf(text) })
}

const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((n) => typeof n === 'number')

const known = (message: string): string[] => message.split('known are ')[1]?.split(', ') ?? []

const lines: Line[] = []
const seen = new Set<string>()
for (const { name, op, options: given } of examples)
  test(name, () => {
    const options = given as Options
    lines.push(
      plainLine(`${name}: ${op.opName} ${textOf(options)} ${hashOf(planned(op, options))}`),
    )
    const names = known(outcomeOf(() => planned(op, { ...options, '?': 1 })))
    assert.ok(names.length > 0)
    for (const option of names) {
      // What the op's first example has tried is tried again where another says something of it.
      if (option === 'threads' || (seen.has(op.opName) && !(option in options))) continue
      const usual = options[option]
      const more = isShape(usual) ? shapesNear(usual) : []
      const call = (value: unknown) => () => planned(op, { ...options, [option]: value })
      const outcomes = [...values, ...more].map((value) => [value, outcomeOf(call(value))] as const)
      const line = lineOf(option, outcomes)
      lines.push({ ...line, text: `  ${line.text}` })
    }
    const plan = op.plan(options)
    const settings = known(outcomeOf(() => plan.run({ '?': 1 })))
    const { memory } = OpPlan.insides(plan as unknown as OpPlan)
    const control = () => textOf([...new Uint8Array(memory.buffer, 0, Control.Bytes)])
    for (const setting of settings) {
      const outcomes = values.map((value): [unknown, string] => [
        value,
        outcomeOf(() => [plan.run({ [setting]: value }), control()][1], String),
      ])
      const line = lineOf(`run: ${setting}`, outcomes)
      lines.push({ ...line, text: `  ${line.text}` })
    }
    seen.add(op.opName)
    lines.push(
      plainLine(
        `  run: ${outcomeOf(
          () => plan.run(1, {}),
          () => 'taken',
        )}`,
      ),
    )
  })

test('options.txt', () => compareLines('ops/options.txt', lines))

test.run()
