/**
 * Programs of five networks as text, against test/compile/snapshots. A change of a plan shows here
 * record by record; one that is meant is taken over with `--update`.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Method, makePlan, type Plan, type StepMode } from '../../src/compile/plan.js'
import { print, programJson, programNames } from '../../src/compile/print.js'
import { type ModelName, models } from '../../src/model/models/registry.js'
import { planOptions } from '../support/plans.js'
import { expectSnapshot } from '../support/snapshot.js'

interface Case {
  readonly model: ModelName
  readonly method: Method
  readonly stepMode: StepMode
  readonly input?: readonly [number, number, number]
  /** All of the plan's where it is not given. */
  readonly program?: string
}

const cases: readonly Case[] = [
  { model: 'mlp', method: 'ottt', stepMode: 's', input: [1, 28, 28] },
  { model: 'cnn', method: 'bptt', stepMode: 's' },
  { model: 'vggsnn', method: 'rate', stepMode: 's', program: 'train' },
  { model: 'resnet18', method: 'rate', stepMode: 'm', program: 'train' },
  { model: 'sewResnet34', method: 'sltt', stepMode: 's', program: 'gradients' },
]

const planOf = ({ model, method, stepMode, input = [3, 32, 32] }: Case): Plan =>
  makePlan(planOptions(models[model](input, 10, { tau: 1.25 }), input, { method, stepMode }), 2)

/** Records of the third block of a stage and of those behind it, which are like the second's. */
const repeated = /^ +\d+ +\w+ +layer\d\.[2-9].*\n(?: {7}.*\n)*/gm

for (const c of cases) {
  const name = `${c.model}-${c.method}-${c.stepMode}${c.program ? `-${c.program}` : ''}.txt`
  test(`${name} is as planned`, () => {
    expectSnapshot(
      `compile/snapshots/${name}`,
      `${print(planOf(c), c.program)}\n`.replaceAll(repeated, ''),
      'compile/snapshots',
    )
  })
}

test('text and data say the same of a program', () => {
  const plan = planOf(cases[0])
  assert.equal(programNames(plan), ['train', 'gradients', 'evaluate', 'single'])
  for (const name of programNames(plan)) {
    const text = print(plan, name)
    const { sections } = programJson(plan, name)
    const records = sections.flatMap((section) => section.records)
    assert.is(records.length, plan.programs[name as 'train']?.records.length)
    assert.match(text, new RegExp(`^program ${name}: ${records.length} records\n`))
    for (const { repeats } of sections.filter((section) => section.records.length > 0))
      assert.match(text, ` ${repeats} time`)
    for (const { operation, buffers } of records) {
      assert.match(text, ` ${operation} `)
      for (const { field, name: buffer, life } of buffers) {
        assert.match(text, ` ${field} `)
        assert.match(text, ` ${buffer} `)
        if (life !== 'persistent') assert.match(text, `${life[0]}–${life[1]}\n`)
      }
    }
  }
  assert.throws(() => programJson(plan, 'trian'), /no program trian, it has train, gradients/)
})

test.run()
