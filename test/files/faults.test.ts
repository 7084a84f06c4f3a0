// runs: waits
/** Faults at every file operation of a run's folder: readers see one commit, whole. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RunFolder, readManifest, readRunFiles } from '../../src/files/folder/folder.js'
import { SpikewasmError } from '../../src/index.js'
import { type Fault, makeFaulty } from '../support/faulty-files.js'
import { isLong, ofLong } from '../support/long.js'
import { withFolder } from './temporary.js'

type Content = Readonly<Record<string, string>>

interface Commit {
  readonly files: Content
  readonly alone: boolean
  readonly without?: readonly string[]
}

/** What a run writes; the last is another run that takes the folder over. */
const commits: readonly Commit[] = [
  { files: { 'options.json': 'o1' }, alone: true },
  { files: { 'weights.safetensors': 'w2', 'history.jsonl': '', 'c.json': 'c2' }, alone: false },
  {
    files: { 'weights.safetensors': 'w3', 'history.jsonl': '', 'best.json': 'b3' },
    alone: false,
    without: ['c.json'],
  },
  { files: { 'options.json': 'o1', 'c.json': 'c4' }, alone: true },
]

const after = (before: Content, { files, alone, without = [] }: Commit): Content => {
  const stays = Object.entries(before).filter(([name]) => !alone && !without.includes(name))
  return { ...Object.fromEntries(stays), ...files }
}

const bytes = (files: Content): Record<string, Uint8Array> =>
  Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)]),
  )

/** As text, names in order. */
const show = (content: Content): string => JSON.stringify(Object.entries(content).sort())

async function found(folder: string): Promise<string> {
  const manifest = await readManifest(folder)
  if (!manifest) return show({})
  const files = await readRunFiles(folder, Object.keys(manifest.files))
  return show(
    Object.fromEntries(
      Object.entries(files).map(([name, data]) => [name, new TextDecoder().decode(data)]),
    ),
  )
}

const deadLock = (nonce: string): string =>
  JSON.stringify({ pid: process.pid, host: hostname(), started: '1', nonce })

/** A folder as a process leaves it that has died; this one still lives. */
async function bury(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (/^run\.lock(\.\w+\.old)?$/.test(name)) {
      const { nonce } = JSON.parse((await readFile(join(folder, name), 'utf8')) || '{}')
      await writeFile(join(folder, name), deadLock(nonce ?? 'x'))
    }
}

/** A run that goes on behind an error; what the folder may hold after it. */
async function write(folder: string, possible: Set<string>[], errors: unknown[]): Promise<void> {
  let run: RunFolder | undefined
  for (let tries = 0; !run && tries < 9; tries++) {
    if (tries > 0) await bury(folder)
    run = await RunFolder.open(folder).catch((error) => void errors.push(error))
  }
  if (!run) throw errors.at(-1)
  await run.taken(['options.json']).catch((error) => errors.push(error))
  let contents: Content[] = [{}]
  for (const commit of commits) {
    const next = contents.map((content) => after(content, commit))
    possible.push(new Set([...contents, ...next].map(show)))
    const rejected = await run
      .commit(bytes(commit.files), commit)
      .then(() => false)
      .catch((error) => errors.push(error) > 0)
    contents = rejected ? [...contents, ...next] : next
    possible.push(new Set(contents.map(show)))
  }
  await run.close()
}

/** The dead lock of another run lies there, and what that one was about to write. */
async function prepare(folder: string): Promise<void> {
  await mkdir(folder)
  await writeFile(join(folder, 'run.lock'), deadLock('beef'))
  await writeFile(join(folder, '.run.3.best.json'), 'left')
  await writeFile(join(folder, 'notes.json'), "a user's")
}

/** Another process opens the folder and commits. */
async function goOn(folder: string, before: string, name: string): Promise<void> {
  await bury(folder)
  const run = await RunFolder.open(folder)
  assert.is(await found(folder), before, `${name}: opened again`)
  const here = (names: readonly string[]): string[] =>
    [...names].filter((file) => !/^\.run\.lock\.\w+\.tmp$/.test(file)).sort()
  const expected = [...run.names, 'notes.json', 'run.lock']
  if (run.generation > 0) expected.push('manifest.json')
  assert.equal(here(await readdir(folder)), expected.sort(), `${name}: nothing is left`)
  await run.commit(bytes({ 'options.json': 'last' }), { alone: true })
  await run.close()
  assert.equal(
    here(await readdir(folder)),
    ['manifest.json', 'notes.json', 'options.json'],
    `${name}: a commit behind it`,
  )
}

async function scenario(
  parent: string,
  at: number,
  fault: Fault,
  span = 1,
): Promise<string | undefined> {
  const folder = join(parent, `${at} ${fault} ${span}`)
  await prepare(folder)
  const possible: Set<string>[] = [new Set([show({})])]
  const errors: unknown[] = []
  const faulty = makeFaulty({ folder, at, fault, span })
  try {
    await Promise.race([write(folder, possible, errors), faulty.ended])
  } finally {
    await faulty.stop()
  }
  const what = faulty.operations[at - 1]
  if (what === undefined) return undefined
  const name = `${fault} at ${at}, ${what}`
  for (const error of errors) {
    assert.instance(error, SpikewasmError, `${name}: ${error}`)
    assert.not.match((error as Error).message, '\n', name)
  }
  const before = await found(folder)
  assert.ok(possible.at(-1)!.has(before), `${name}: ${before}`)
  // Nothing fails any more; the disk is still not asked.
  const later = makeFaulty({ folder })
  try {
    await goOn(folder, before, name)
  } finally {
    await later.stop()
  }
  return what
}

const writes = /^write/
const reads = /^(readFile|readdir|stat|close|sync)/
/**
 * Where each is something of its own: an end behind one operation is one before the next, and before
 * one that changes nothing it leaves what it leaves before the next that does.
 */
const faults: Readonly<Record<Fault, (what: string) => boolean>> = {
  ENOSPC: (what) => !reads.test(what),
  EACCES: (what) => reads.test(what),
  'EIO behind': (what) => !reads.test(what),
  'ENOSPC amid': (what) => writes.test(what),
  end: (what) => !reads.test(what),
  'end amid': (what) => writes.test(what),
}

/** The file operations of a run without faults. */
async function operationsOf(parent: string): Promise<readonly string[]> {
  const folder = join(parent, 'whole')
  await prepare(folder)
  const faulty = makeFaulty({ folder })
  await write(folder, [], []).finally(() => faulty.stop())
  const kinds = new Set(faulty.operations.map((what) => what.split(' ')[0]))
  for (const kind of ['open', 'write', 'sync', 'close', 'rename', 'link', 'rm', 'readFile', 'stat'])
    assert.ok(kinds.has(kind), kind)
  return faulty.operations
}

/** The kind of an operation: its verb, and whether it is about a lock, the manifest, a folder or a file. */
const kindOf = (what: string): string =>
  `${what.split(' ')[0]} ${what.match(/run\.lock|manifest|$/)} ${what.endsWith(' ')}`

/**
 * Operations that a fault hits, counted from 0. But in a long run the errors before and behind an
 * operation take turns among those of a kind, behind the first one, which has both.
 */
function hit(operations: readonly string[], fault: Fault): number[] {
  const kinds = new Map<string, number>()
  return operations.flatMap((what, i) => {
    if (!faults[fault](what)) return []
    const n = kinds.get(kindOf(what)) ?? 0
    kinds.set(kindOf(what), n + 1)
    const takesTurns = fault === 'ENOSPC' || fault === 'EIO behind' || fault === 'EACCES'
    return isLong || !takesTurns || n === 0 || n % 2 === Number(fault === 'ENOSPC') ? [i] : []
  })
}

for (const fault of Object.keys(faults) as Fault[])
  test(`${fault} at each file operation: the folder holds one commit, and goes on`, () =>
    withFolder(async (parent) => {
      for (const i of hit(await operationsOf(parent), fault))
        assert.ok(await scenario(parent, i + 1, fault))
    }))

test('six operations in a row fail: cleaning up fails too, and the folder holds one commit', () =>
  withFolder(async (parent) => {
    const operations = await operationsOf(parent)
    for (let at = 1; at <= operations.length; at += ofLong(3, 1))
      assert.ok(await scenario(parent, at, 'ENOSPC', 6))
  }))

test.run()
