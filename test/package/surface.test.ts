/**
 * What users rely on stays: exports, types, members of a model, options, commands, fields of
 * `--json`, files of a run. surface.json lists it.
 *
 * A test fails when something listed is missing, and when something public is not listed.
 * `npm test -- package/surface --update` adds what is new, and `npm run format` breaks its lines.
 * Nothing is taken out.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import * as scale from '../../src/scale/index.js'
import { parseLines, run, tiny } from '../cli/in-process.js'
import { messageOf, withFolder } from '../files/temporary.js'

type Section = Record<string, readonly string[]>

const listFile = new URL('../../../test/package/surface.json', import.meta.url)
const list = JSON.parse(await readFile(listFile, 'utf8')) as Record<string, Section>

const update = Boolean(process.env.UPDATE_SNAPSHOTS)

/** `part: name` for each name of `section` that `other` lacks. */
const lacking = (section: Section, other: Section): string[] =>
  Object.entries(section).flatMap(([part, names]) =>
    names.filter((name) => !other[part]?.includes(name)).map((name) => `${part}: ${name}`),
  )

/** Fails when the section lacks something that is listed, or has something that is not. */
function checkSection(name: string, found: Section): void {
  const missing = lacking(list[name], found)
  assert.equal(
    missing,
    [],
    `users may rely on this, but it is gone: ${missing.join('; ')}. Bring it back; take it out of test/package/surface.json only if users are to be told`,
  )
  if (update) {
    for (const [part, names] of Object.entries(found))
      list[name][part] = [...new Set([...(list[name][part] ?? []), ...names])]
    return
  }
  const unlisted = lacking(found, list[name])
  assert.equal(
    unlisted,
    [],
    `users see this, but test/package/surface.json does not list it: ${unlisted.join('; ')}. If it is meant to stay, add it with "npm test -- package/surface --update" and "npm run format"; if not, do not make it public`,
  )
}

test.after(async () => {
  if (update) await writeFile(listFile, `${JSON.stringify(list, undefined, 2)}\n`)
})

/** Names of the types that the package's entry exports, by the compiler. */
function typesOf(entry: string): string[] {
  const program = ts.createProgram([entry], { noLib: true, types: [] })
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(entry)
  const module = file && checker.getSymbolAtLocation(file)
  assert.ok(module, entry)
  return checker
    .getExportsOfModule(module)
    .filter((symbol) => {
      const { flags } =
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      return flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)
    })
    .map(({ name }) => name)
    .sort()
}

/** Names with the types of their values, such as `loss: number`. */
const typed = (value: object): string[] =>
  Object.entries(value).map(([key, v]) => `${key}: ${typeof v}`)

/** A small model with what it needs to run. */
async function withModel(body: (model: api.Model, data: api.Dataset) => Promise<void>) {
  const net = api.sequential(api.flatten(), api.linear(4, 3), api.lif(), api.linear(3, 2))
  const model = await net.compile({ input: [1, 2, 2], batchSize: 2, timeSteps: 2 })
  const data = api.fromArrays({
    name: 'two',
    images: Float32Array.of(0, 1, 2, 3, 3, 2, 1, 0),
    labels: [0, 1],
    shape: [1, 2, 2],
    classes: 2,
  })
  try {
    await body(model, data)
  } finally {
    await model.dispose()
  }
}

test('exports', () => {
  checkSection('exports', {
    ...{ index: typed(api), datasets: typed(api.datasets) },
    scale: typed(scale),
  })
})

test('types', () => {
  const entry = fileURLToPath(new URL('../../src/index.d.ts', import.meta.url))
  checkSection('types', { index: typesOf(entry) })
})

test('a model: members, and what its operations give', () =>
  withModel(async (model, data) => {
    // `session` and `prepare` are marked @internal.
    const found = [...Object.keys(model), ...Object.getOwnPropertyNames(api.Model.prototype)]
      .filter((name) => !['constructor', 'session', 'prepare'].includes(name))
      .map((name) => `${name}: ${typeof model[name as keyof api.Model]}`)
    const steps: object[] = []
    const { epochs, ...history } = await model.fit(data, {
      epochs: 1,
      validation: data,
      onStep: (info) => steps.push(info),
    })
    checkSection('model', {
      members: found,
      memoryUse: typed(model.memoryUse),
      fit: typed({ epochs, ...history }),
      'fit epoch': typed(epochs[0]),
      'fit onStep': typed(steps[0]),
      trainStep: typed(await model.trainStep(new Float32Array(8), [0, 1])),
      predict: typed(await model.predict(new Float32Array(4))),
      evaluate: typed(await model.evaluate(data)),
      profile: typed((await model.profile(1))[0]),
      'tensor of stateDict': typed(model.stateDict()['1.weight']),
    })
  }))

test('a stream: what a step gives', async () => {
  const net = api.sequential(api.flatten(), api.linear(4, 3), api.lif(), api.linear(3, 2))
  const model = await net.compile({ input: [1, 2, 2], batchSize: 1, purpose: 'stream' })
  checkSection('stream', { step: typed(await model.step(new Float32Array(4))) })
  await model.dispose()
})

test('options that functions take', () =>
  withModel(async (model, data) => {
    // An unknown option is refused with a list of those that are known.
    const wrong = { unknown: 1 } as object
    const net = api.sequential(api.flatten(), api.linear(4, 2))
    const calls: Record<string, () => unknown> = {
      compile: () => net.compile({ input: [1, 2, 2], ...wrong }),
      fit: () => model.fit(data, wrong),
      evaluate: () => model.evaluate(data, wrong),
      trainStep: () => model.trainStep(new Float32Array(8), [0, 1], wrong),
      Batches: () => new api.Batches(data, { batchSize: 1, ...wrong }),
      conv2d: () => api.conv2d(1, 1, 1, wrong),
      linear: () => api.linear(1, 1, wrong),
      batchNorm2d: () => api.batchNorm2d(1, wrong),
      avgPool2d: () => api.avgPool2d(2, wrong),
      maxPool2d: () => api.maxPool2d(2, wrong),
    }
    // The others take options alone.
    for (const name of Object.keys(list.options))
      calls[name] ??= () => Reflect.get(api, name)(wrong)
    const found: Record<string, readonly string[]> = {}
    for (const [name, call] of Object.entries(calls))
      found[name] = (await messageOf(call)).match(/known are (.*)$/)?.[1].split(', ') ?? []
    checkSection('options', found)
  }))

/** Flags in a command's help, and the names that an option takes. */
function flagsIn(help: string): string[] {
  // One block for each option: its line, and the lines that go on with its description.
  const [, ...blocks] = help.split(/\n {2}(?=-)/)
  return blocks.flatMap((text) => {
    const block = text.split('\n\n')[0].replace(/\s+/g, ' ')
    const [flag] = block.match(/--[a-z-]+/) ?? ['']
    const choices = block.match(/\(choices: (.*?)(?:, default|\))/)?.[1] ?? ''
    return [flag, ...[...choices.matchAll(/"([^"]+)"/g)].map(([, name]) => `${flag} ${name}`)]
  })
}

test('commands, their options and the names that these take', async () => {
  const helpOf = async (...command: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run([...command, '--help', 'all'])
    assert.equal([code, stderr], [0, ''])
    return stdout
  }
  const help = await helpOf()
  const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name)
  const found: Record<string, readonly string[]> = { commands, spikewasm: flagsIn(help) }
  for (const command of commands)
    if (command !== 'help') found[command] = flagsIn(await helpOf(command))
  checkSection('command', found)
})

test('--json of train, eval, info and diagnose, and the files that they write', () =>
  withFolder(async (folder) => {
    const json = async (...args: string[]): Promise<Record<string, unknown>[]> => {
      const { code, stdout, stderr } = await run([...args, '--json'])
      assert.is(code, 0, stderr)
      return parseLines(stdout)
    }
    const read = async (...path: string[]): Promise<object> =>
      JSON.parse(await readFile(join(folder, ...path), 'utf8'))
    const few = tiny.slice(0, 4)
    const quick = '--methods rate-m --time-steps 2 --steps 1 --batch-size 16 --threads 1'.split(' ')
    const [epoch, final] = await json('train', ...tiny, '--out', join(folder, 'run'))
    const [test] = await json('eval', '--run', join(folder, 'run'))
    const [train] = await json('eval', '--run', join(folder, 'run'), '--split', 'train')
    const [info] = await json('info', '--model', 'cnn')
    const [diagnosis] = await json('diagnose', ...few, ...quick, '--out', join(folder, 'found'))
    assert.equal([final.final, test.final], [true, true])
    const lines = await readFile(join(folder, 'run', 'history.jsonl'), 'utf8')
    const record = JSON.parse(lines.split('\n')[0]) as object
    const { training, costs, setup } = diagnosis as Record<string, object[]>
    checkSection('json', {
      'train epoch': typed(epoch),
      'train final': typed(final),
      eval: typed(test),
      'eval --split train': typed(train),
      info: typed(info),
      'info model': typed(info.model as object),
      'info memoryBytes': typed((info.model as { memoryBytes: object }).memoryBytes),
      diagnose: typed(diagnosis),
      'diagnose setup': typed(setup),
      'diagnose training': typed(training[0]),
      'diagnose cost': typed(costs[0]),
      'options.json': typed(await read('run', 'options.json')),
      'history.jsonl': typed(record),
      'manifest.json': typed(await read('run', 'manifest.json')),
    })
    checkSection('files', {
      run: await readdir(join(folder, 'run')),
      diagnosis: await readdir(join(folder, 'found')),
    })
  }))

test.run()
