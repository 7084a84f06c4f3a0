/** What `bench` writes of its figures, and where it refuses to: test/bench/results.txt. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import { emptyReport, type Report } from '../../src/bench/report.js'
import { checkPaths, type ResultPaths, writeResults } from '../../src/bench/results.js'
import { run } from '../cli/in-process.js'
import { folderFor } from '../files/temporary.js'
import { expectSnapshot } from '../support/snapshot.js'

const report = (): Report => ({
  ...emptyReport(),
  tables: [{ title: 'T', notes: ['One.', 'Two.'], head: ['a', 'b'], rows: [['1', '2']] }],
  smallerIsBetter: [
    { name: 'a', unit: 'ms', value: 1.5 },
    { name: 'b', unit: 'ms', value: Number.NaN },
    { name: 'c', unit: 'MB', value: 2 },
  ],
  biggerIsBetter: [{ name: 'r', unit: '1/s', value: Number.POSITIVE_INFINITY }],
})

test('files of figures, and paths that are refused', async () => {
  const folder = folderFor(test)
  const written: string[] = []
  const told = async (name: string, call: () => Promise<void>): Promise<void> => {
    const { stdout, stderr } = await run([], {
      cwd: folder,
      program: () =>
        call().catch((error: Error) => written.push(`${name}: ${error.message}`)) as never,
    })
    written.push(`== ${name}`, stdout.trimEnd(), stderr.trimEnd())
  }
  await mkdir(join(folder, 'sub'))
  await writeFile(join(folder, 'file'), '')
  const paths: ResultPaths[] = [
    {},
    { json: true },
    { json: 'a.json' },
    { json: 'a.JSON', markdown: 'a.bigger.json' },
    { json: 'a.json', markdown: 'sub/../a.json' },
    { markdown: 'none/a.md' },
    { markdown: 'file/a.md' },
    { markdown: 'sub' },
    { markdown: '' },
    { saveBaseline: 'b.json', markdown: 'b.json' },
    { json: 'a.mjs' },
  ] as ResultPaths[]
  for (const one of paths) await told(`check ${JSON.stringify(one)}`, () => checkPaths(one))
  const print = (text: string): void => void written.push(`printed ${text}`)
  for (const [one, given] of [
    [{ json: true }, report()],
    [{ json: 'x.json', markdown: 'x.md' }, report()],
  ] as const)
    await told(`write ${JSON.stringify(one)}`, () =>
      writeResults(one, ['machine', 'load'], given, print),
    )
  for (const name of ['x.json', 'x.bigger.json', 'x.md'])
    written.push(`== ${name}`, await readFile(join(folder, name), 'utf8').catch(() => 'none'))
  expectSnapshot(
    'bench/results.txt',
    `${written.join('\n').replaceAll(folder, 'FOLDER')}\n`,
    'bench/results',
  )
})

test.run()
