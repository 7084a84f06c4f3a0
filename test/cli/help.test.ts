/** `--help`: a first page with what most people need, and all options with `--help all`. */

import { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { commands } from '../../src/cli/program.js'
import { run as runProcess } from './command.js'
import { run } from './in-process.js'

async function helpOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args)
  assert.equal([code, stderr], [0, ''], args.join(' '))
  return stdout
}

/** The flags that a page lists, in order. */
const flagsIn = (page: string): string[] =>
  [...page.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag)

const headingsIn = (page: string): string[] =>
  [...page.matchAll(/^([A-Z][a-z ]+):$/gm)].map(([, heading]) => heading)

for (const [name, load] of Object.entries(commands)) {
  test(`${name} --help all: each option once, with its names and default`, async () => {
    const page = await helpOf(name, '--help', 'all')
    const options = (await load())(new Command(name)).options.filter(({ hidden }) => !hidden)
    const declared = options.map(({ long }) => long as string)
    assert.equal(flagsIn(page).sort(), [...declared, '--help'].sort())
    const words = page.replace(/\s+/g, ' ')
    for (const choices of options.map(({ argChoices = [] }) => argChoices))
      assert.ok(words.includes(choices.map((choice) => `"${choice}"`).join(', ')))
    assert.not.match(page, /undefined|\(preset:|\(default:[^)]*\)\s+\(default:/)
  })

  test(`${name} --help: a short page, which says where the others are`, async () => {
    const [first, all] = [await helpOf(name, '--help'), await helpOf(name, '--help', 'all')]
    const flags = flagsIn(all)
    const line = `\n\nspikewasm ${name} --help all shows all ${flags.length} options.\n`
    if (flags.length <= 20) return assert.is(first, all)
    assert.ok(first.endsWith(line), first.slice(-80))
    assert.ok(first.split('\n').length < 60, `${first.split('\n').length} lines`)
    assert.ok(flagsIn(first).length < flags.length)
    for (const [part, of] of [[flagsIn, flags] as const, [headingsIn, headingsIn(all)] as const])
      assert.equal(
        part(first).filter((each) => !of.includes(each)),
        [],
      )
    assert.not.match(first, /undefined|\(default:[^)]*\)\s+\(default:/)
  })
}

test('train --help: at most 45 lines of 80 columns, with the options of a first run', async () => {
  const page = await helpOf('train', '--help')
  const lines = page.trimEnd().split('\n')
  assert.ok(lines.length <= 45, `${lines.length} lines`)
  assert.ok(lines.every((line) => line.length <= 80))
  const flags = flagsIn(page)
  for (const flag of [
    'dataset',
    'data',
    'model',
    'method',
    'epochs',
    'lr',
    'out',
    'resume',
    'json',
  ])
    assert.ok(flags.includes(`--${flag}`), flag)
  assert.not.match(page, 'train-images-idx3-ubyte.gz')
})

test('--help all stands anywhere, behind -h and behind help too', async () => {
  const [first, all] = [await helpOf('train', '--help'), await helpOf('train', '--help', 'all')]
  assert.ok(all.split('\n').length > 200)
  for (const [line, wanted] of [
    ['train -h all', all],
    ['train --epochs 3 --help all --seed 2', all],
    ['train --help all --json', all],
    ['help train all', all],
    ['train -h', first],
    ['train --help --json', first],
    ['train all --help', first],
    ['help train', first],
  ])
    assert.is(await helpOf(...line.split(' ')), wanted, line)
})

test('spikewasm --help: the commands, and with all the same', async () => {
  const { code, stdout } = await runProcess(['--help'])
  assert.is(code, 0)
  for (const command of Object.keys(commands)) assert.match(stdout, `\n  ${command} `)
  assert.is((await runProcess(['--help', 'all'])).stdout, stdout)
})

test.run()
