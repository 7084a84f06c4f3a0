/** Names and texts of others never reach a terminal as anything but text. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { printable } from '../../src/base/errors.js'
import { complain } from '../../src/cli/mistakes.js'
import { codeStream, guardTerminal } from '../../src/cli/terminal.js'
import {
  compile,
  flatten,
  lif,
  linear,
  progress,
  SpikewasmError,
  sequential,
} from '../../src/index.js'
import { envelopeOf } from '../../src/scale/store.js'
import { withFolder } from '../files/temporary.js'
import { redisSuite } from '../support/redis-suite.js'
import { toy, toyClasses, toyShape } from '../support/toy.js'
import { run as runProcess } from './command.js'
import { parseLines, run, small, succeed } from './in-process.js'

const { test, withRedis, at, openQueue } = redisSuite('terminal')

/** Codes in seven and in eight bits, a bell, a return, deletion, turned and hidden text. */
const evil = 'a\u001b[31m\u0007\u009b2J\u001b]0;x\u009c\r\u007f\u202e\u2066\u200b\u{e0041}b'

/** What a terminal obeys, or hides; ends of lines and tabs are text. */
const codes =
  /[^\P{Cc}\n\t]|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0020}-\u{e007f}]/u

function expectText(text: string, about: string): void {
  const [found] = codes.exec(text) ?? []
  assert.is(found, undefined, `${about}: ${JSON.stringify(found)} in ${JSON.stringify(text)}`)
}

/** Runs a command; what it prints must be text, and have the evil name, escaped. */
async function expectEscaped(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(args)
  const printed = stdout + stderr
  const about = args.map((arg) => JSON.stringify(arg)).join(' ')
  expectText(printed, about)
  assert.match(printed, '\\u001b', `${about}: ${printed}`)
  return stdout
}

test('printable: lines and tabs stay, JSON keeps its meaning', () => {
  assert.is(printable('a\tb\nc ü ▁ 😀'), 'a\tb\nc ü ▁ 😀')
  const all = Array.from({ length: 0x3000 }, (_, i) => String.fromCharCode(i)).join('')
  expectText(printable(all), 'all')
  expectText(printable(evil), 'evil')
  assert.is(JSON.parse(printable(JSON.stringify(all))), all)
  assert.is(printable(printable(evil)), printable(evil))
  // Node prints these by itself.
  expectText(new SpikewasmError(evil).message, 'an error')
})

test('what is given to commands: names, paths and options', () =>
  withFolder(async (folder) => {
    const sweeps = [
      { base: { method: evil }, grid: { lr: [1] } },
      { grid: { [evil]: [1] } },
      { [evil]: 1 },
    ]
    for (const [i, spec] of sweeps.entries()) {
      const path = join(folder, `${i}.json`)
      await writeFile(path, JSON.stringify(spec))
      await expectEscaped('sweep', path, '--dry-run')
    }
    const out = join(folder, 'EVIL', 'EVIL')
    for (const line of [
      'noEVIL',
      ...['', 'model=', 'lr=', 'dataset=', 'load=', 'resume='].map((flag) => `train --${flag}EVIL`),
      'info --weights EVIL',
      'info --model EVIL',
      'eval --run EVIL',
      'eval --on EVIL',
      'predict --run EVIL EVIL',
      `export --weights EVIL --out ${out}`,
      `export --model mlp --out ${out}`,
      'report EVIL',
      'diagnose --model EVIL',
      'verify EVIL',
      'show EVIL',
      'bench --filter EVIL',
      'bench --baseline EVIL',
      'sweep EVIL --dry-run',
      'sweep status EVIL',
      'worker --redis redis://127.0.0.1:1 --kinds EVIL',
      'worker --redis EVIL',
    ])
      await expectEscaped(...line.split(' ').map((word) => word.replaceAll('EVIL', evil)))
  }))

test('an end of a line in a name or an option begins no line of a message', async () => {
  const forged = 'x\nspikewasm: all is well'
  for (const line of [
    'FORGED',
    '--FORGED',
    'train --lr=FORGED',
    'train --model=FORGED',
    'train --epoch=FORGED',
    'train --epochsFORGED',
    'info --weights FORGED',
    'eval --run FORGED',
    'report FORGED',
    'verify FORGED',
    'show FORGED',
    'sweep FORGED --dry-run',
    'sweep status FORGED',
    'bench --baseline FORGED',
    'export --weights FORGED --out FORGED',
  ]) {
    const words = line.split(' ').map((word) => word.replace('FORGED', forged))
    const { code, stderr } = await run(words)
    assert.is(code, words[0] === 'bench' ? 2 : 1)
    assert.match(stderr, /^spikewasm: [^\n]*x\\n[^\n]*\n$/, line)
  }
  const { message } = new SpikewasmError(`a${forged}\tb`)
  assert.is(message, 'ax\\nspikewasm: all is well\tb')
})

/** A model's file whose header says something else. */
async function altered(path: string, from: string, to: string): Promise<string> {
  const bytes = await readFile(path)
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
  const metadata = JSON.stringify(header.__metadata__)
  const quoted = (text: string): string => JSON.stringify(text).slice(1, -1)
  assert.ok(metadata.includes(quoted(from)), from)
  header.__metadata__ = JSON.parse(metadata.replaceAll(quoted(from), quoted(to)))
  const text = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  const out = `${path}-altered.safetensors`
  await writeFile(out, Buffer.concat([size, text, bytes.subarray(8 + length)]))
  return out
}

test('what a model’s file holds: names of layers, and options', () =>
  withFolder(async (folder) => {
    const network = sequential({
      [`f${evil}`]: flatten(),
      [`l${evil}`]: linear(64, 20),
      [`n${evil}`]: lif({ surrogate: 'atan' }),
      [`o${evil}`]: linear(20, 10),
    })
    const model = await compile(network, { input: [1, 8, 8] })
    expectText(model.summary(), 'the summary')
    const file = join(folder, 'model.safetensors')
    await model.save(file)
    await model.dispose()
    const name = JSON.stringify(`n${evil}`).slice(1, -1)
    for (const args of [
      ['info', '--weights', file],
      ['info', '--weights', file, '--program', 'evaluate'],
      ['eval', '--weights', file],
    ])
      await expectEscaped(...args)
    // What a program reads has the name as it is.
    const json = await expectEscaped('eval', '--weights', file, '--json')
    assert.ok(JSON.stringify(parseLines(json)[0]).includes(name))
    const [kind, surrogate] = ['"cell"', '"atan"']
    for (const from of [kind, surrogate]) {
      const path = await altered(file, from, JSON.stringify(evil))
      await expectEscaped('info', '--weights', path)
      await expectEscaped('eval', '--weights', path)
    }
  }))

test('what a sweep’s folder holds', () =>
  withFolder(async (folder) => {
    const chosen = { [evil]: evil, lr: 0.1 }
    const result = { epochs: 1, testAccuracy: 0.5, testLoss: 1, trainLoss: 1, weightsSha256: evil }
    const known = { options: chosen, chosen, epoch: 1, epochs: 1, share: 1, tasks: [] }
    const status = {
      format: 1,
      title: evil,
      pid: null,
      varied: [evil, 'lr'],
      rows: [
        { id: evil, ...known, state: 'finished', testAccuracy: 0.5, result },
        { id: 'b', ...known, state: 'failed', testAccuracy: null, error: evil },
      ],
    }
    await writeFile(join(folder, 'status.json'), JSON.stringify(status))
    await expectEscaped('sweep', 'status', folder)
    for (const how of [[], ['--csv'], ['--json']])
      await expectEscaped('sweep', 'results', folder, ...how)
  }))

test('names of classes are those of folders', () =>
  withFolder(async (folder) => {
    const picture = (name: string): string =>
      fileURLToPath(new URL(`../../../test/fixtures/pictures/${name}`, import.meta.url))
    for (const part of ['train', 'val'])
      for (const [i, name] of ['rgb.png', 'grey.png'].entries()) {
        const below = join(folder, part, `${i}${evil}`)
        await mkdir(below, { recursive: true })
        await cp(picture(name), join(below, name))
      }
    const out = join(folder, 'run')
    const how = '--image-size 8 --epochs 1 --batch-size 1 --threads 1'
    const data = `--dataset images --data ${folder} --model mlp`
    const trained = await succeed(`train ${data} ${how} --out ${out}`)
    expectText(trained.stdout + trained.stderr, 'train')
    await writeFile(join(folder, `x${evil}.bin`), new Float32Array(3 * 64))
    await expectEscaped('predict', '--run', out, join(folder, `x${evil}.bin`))
    await expectEscaped('eval', '--run', out, '--per-class', '--threads', '1')
    const page = await readFile(join(out, 'report.html'), 'utf8')
    assert.not.match(page, '\u001b')
  }))

test('faults of the program end as text', async () => {
  const { stderr } = await run([], {
    program: async () => {
      guardTerminal()
      complain(new TypeError(evil), undefined)
    },
  })
  expectText(stderr, 'a fault')
  assert.match(stderr, '\\u001b[31m')
})

/** Codes of ours: colours, and what a bar does. */
const ESCAPE = '\u001b'
const own = new RegExp(
  `${ESCAPE}(?:\\[(?:2|22|32|33|39|0)m|\\[\\?(?:25|7)[hl]|\\[\\d*[GKJABCD]|7|8)`,
  'g',
)

test('our own colours and bars go on working, and what they show is text', async () => {
  const { FORCE_COLOR } = process.env
  process.env.FORCE_COLOR = '1'
  try {
    const { stdout } = await succeed(`train ${small} --model mlp`)
    assert.match(stdout, '\u001b[2mlr ')
    expectText(stdout.replace(own, ''), 'train')
  } finally {
    if (FORCE_COLOR === undefined) delete process.env.FORCE_COLOR
    else process.env.FORCE_COLOR = FORCE_COLOR
  }
  let written = ''
  const write = (text: string): void => {
    written += text
  }
  const stream = { isTTY: true, columns: 80, write }
  const network = sequential({
    f: flatten(),
    [`n${evil}`]: sequential({ l: linear(60, 20), s: lif() }),
    o: linear(20, toyClasses),
  })
  const model = await compile(network, { input: toyShape, batchSize: 4 })
  const callbacks = [progress({ stream: stream as never })]
  await model.fit(toy(64, 1).data, { epochs: 1, callbacks })
  await model.dispose()
  assert.match(written, '\u001b[?25l', 'a bar')
  assert.match(written, '\\u001b[31m')
  expectText(written.replace(own, ''), 'progress')
})

test('codes go past what escapes, others do not', async () => {
  const { stdout } = await run([], {
    program: async () => {
      guardTerminal()
      guardTerminal()
      process.stdout.write(Buffer.from(`${evil}\n`))
      codeStream(process.stdout).write('\u001b[K')
      process.stdout.write('\u001b[K')
    },
  })
  assert.is(stdout, `${printable(evil)}\n\u001b[K\\u001b[K`)
})

withRedis('ids and texts of jobs', async () => {
  const queue = openQueue('runs')
  const { client } = at.place
  await queue.add('job', envelopeOf('runs', {}), { jobId: evil })
  await client.hset(queue.toKey(evil), 'data', evil)
  await queue.add('job', envelopeOf('runs', { given: evil }), { jobId: `c${evil}` })
  const { stdout, stderr, code } = await runProcess(['worker', '--redis', at.redis.url, '--once'])
  assert.is(code, 0, stderr)
  expectText(stdout + stderr, 'worker')
  assert.is(stdout.match(/runs c?a\\u001b\[31m/g)?.length, 2, stdout)
})

test.run()
