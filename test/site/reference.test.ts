/**
 * The generated pages of the reference: each command, option, function and op is on them, with its
 * text, and defaults that comments tell are those of what is made.
 */
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { commands } from '../../src/cli/program.js'
import * as api from '../../src/index.js'
import { examples } from '../support/op-examples.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const load = (name: string) => import(pathToFileURL(join(root, 'site/reference', name)).href)
const { functionPages }: { functionPages(): Record<string, string> } = await load('functions.js')
const { commandSections } = (await load('commands.js')) as { commandSections(): Promise<string> }
const { neuronSections } = (await load('neurons.js')) as { neuronSections(): Promise<string> }
const { prose } = (await load('markdown.js')) as { prose(text: string): string }
const { splitDefault }: { splitDefault(text: string): string[] } = await load('declarations.js')

const pages = Object.entries(functionPages())
const textOf = (ofOps: boolean): string =>
  pages.flatMap(([name, text]) => (name.startsWith('ops/') === ofOps ? text : [])).join('')
const functions = textOf(false)

/** The section of a heading. */
const sectionOf = (text: string, name: string): string =>
  text.split(/^##+ /m).find((part) => part.startsWith(`${name}\n`)) ?? ''

test('the command line lists each option of each command, its names and what a run prints', async () => {
  const text = await commandSections()
  let options = 0
  for (const [name, load] of Object.entries(commands)) {
    const section = sectionOf(text, name)
    for (const option of (await load())(new Command(name)).options) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${option.flags}\` |`))
      assert.is(row !== undefined, !option.hidden, `${name} ${option.flags}`)
      for (const choice of row ? (option.argChoices ?? []) : [])
        assert.ok(row?.includes(`\`${choice}\``), `${name}: ${row}`)
      options++
    }
  }
  assert.ok(options > 200, `${options}`)
  assert.match(sectionOf(text, 'train'), /"final": true,.*"testAccuracy": [\d.]+/s)
  assert.match(sectionOf(text, 'train'), /`--epochs <n>` \| passes .* \| \[by data set\]/)
  assert.match(sectionOf(text, 'Data sets'), /\| `mnist` \| the folder.* \| 3 \| 64 \|/)
  assert.is(text.match(/cifar-10-binary/g)?.length, 1)
  assert.match(sectionOf(text, 'verify'), /"exact": true/)
  assert.not.match(text, /`--no-\w+` .*`true`/)
})

test('each op has its arguments in the order in which a run takes them', () => {
  const text = textOf(true)
  for (const { name, op, plan } of examples) {
    const [, rows = ''] = sectionOf(text, op.opName).match(/^\| argument \|(.*?)\n\n/ms) ?? []
    const told = [...rows.matchAll(/^\| `(\w+)`/gm)].map(([, one]) => one)
    const made = Object.keys(plan().tensors)
    const both = told.filter((one) => made.includes(one))
    assert.equal(
      both,
      made.filter((one) => told.includes(one)),
      name,
    )
  }
})

/** Cells of a row, without the marks of code, and without types. */
const cellsOf = (row: string): string[] =>
  row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.replaceAll(/<br>.*|^ | $|`/g, ''))

/** What functions make of their arguments alone. */
const made: Readonly<Record<string, object>> = {
  linear: api.linear(1, 1),
  batchNorm2d: api.batchNorm2d(1),
  groupNorm: api.groupNorm(1, 1),
  dropout: api.dropout(),
  maxPool2d: api.maxPool2d(2),
  stabilizedLif: api.stabilizedLif(),
  recurrent: api.recurrent(api.lif()).recurrence ?? {},
  crossEntropy: api.crossEntropy(),
  mse: api.mse(),
  tet: api.tet(),
  selfDistillation: api.selfDistillation(),
  sgd: api.sgd(),
  adamW: api.adamW(),
}

test('defaults that comments tell are those that are made', () => {
  let compared = 0
  for (const [name, thing] of Object.entries(made)) {
    const rows = (sectionOf(functions, name).match(/^\| .*\|$/gm) ?? []).map((row) => cellsOf(row))
    const column = rows[0]?.indexOf('default')
    for (const row of rows.slice(2)) {
      const value = (thing as Readonly<Record<string, unknown>>)[row[0]]
      const told = row[column].replaceAll("'", '')
      if (!['number', 'boolean', 'string'].includes(typeof value) || /^$|needed/.test(told))
        continue
      const first = told.split(/[,:] /)[0].replace('−', '-')
      const isSame = first === `${value}` || Number(first) === value
      assert.ok(isSame, `${name}.${row[0]}: ${told}, not ${value}`)
      compared++
    }
  }
  assert.ok(compared > 20, `${compared}`)
})

test('each function that the package exports is on one page', () => {
  const values = ['pretrainedNames', 'cifarAugmentation', 'cifar10DvsOfficial', 'SpikewasmError']
  for (const name of ['compile', 'model.fit', 'conv2d', 'adam', 'fromArrays', ...values])
    assert.is(functions.match(new RegExp(`^##+ ${name}$`, 'gm'))?.length, 1, name)
})

test('calls are written as they are made', () => {
  for (const call of [
    'sequential(...layers)',
    'datasets.mnist(path)',
    'datasets.cifar10(path, options?)',
    'events.downsample(recording, size)',
  ])
    assert.ok(functions.includes(`\n${call}\n`), call)
})

test('each built-in neuron is drawn, with its lines, options and as many spikes as its trace', async () => {
  const text = await neuronSections()
  for (const [name, { text: lines }] of Object.entries(api.neurons.list())) {
    const section = sectionOf(text, name)
    assert.ok(section.includes(lines), name)
    const [, spikes] = section.match(/<Figure .*'strokes':\[([^\]]*)\].*'name':'input'/) ?? []
    const [, count = '0'] = section.match(/; (\d+) spikes? in/) ?? []
    assert.is(spikes === '' ? 0 : spikes.split(',').length, Number(count), name)
    if (lines.includes('spike =')) assert.ok(Number(count) > 1, `${name} spikes ${count} times`)
  }
  assert.match(sectionOf(text, 'alif'), /options of \[`lif`\]/)
})

test('what several functions take is told by one of them, and others name what they take', () => {
  const said = (name: string): string => sectionOf(functions, name)
  assert.match(said('model.fit'), /takes `method`, `stepMode`, .*`truncate` of \[`compile`\]/)
  assert.match(said('loadNir'), /the options of \[`compile`\]\(.*\) too, all but `input`\.\n/)
  assert.match(said('datasets.dvsGesture'), /of \[`datasets.nmnist`\]\(.*#datasetsnmnist\) too/)
  assert.is(functions.match(/^\| `timeWindow`.* `rest` says/gm)?.length, 1)
})

test('each way to call a function has its text and table, and constants have their values', () => {
  const ways = sectionOf(functions, 'custom').split(/^(?=```ts\ncustom\()/m)
  assert.match(ways[1], /^```ts\ncustom\(evaluate, .*\n\nA loss of one's own.*`of`<br>/s)
  assert.match(ways[2], /\n\nA loss that is a text.*`text`<br>.*`parameters`<br>.*const huber/s)
  assert.match(sectionOf(functions, 'cifarAugmentation'), /\{ "crop": 4, "flip": true, .*\}/)
  assert.not.match(functions, /batches\.rangeOf|docs\/\w+\.md/)
})

test('a comment gives its default apart, and no tag of HTML', () => {
  assert.equal(splitDefault('Learning rate, ≥ 0; default 0.1.'), ['0.1', 'Learning rate, ≥ 0.'])
  assert.equal(splitDefault('T; default 10; needed with x.'), ['10', 'T; needed with x.'])
  assert.equal(splitDefault("Default: a's; else b. More."), ["a's; else b", 'More.'])
  assert.equal(splitDefault("'a', the default: b."), ["'a'", "'a', the default: b."])
  assert.equal(splitDefault('What it is.'), ['', 'What it is.'])
  assert.is(prose('a <b> `<c>` d*e'), 'a &lt;b> `<c>` d\\*e')
})

test.run()
