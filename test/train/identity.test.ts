// runs: alone
/** The same data are the same, wherever they lie and whatever they are called. */
import { cp, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkpoint, datasets, flatten, linear, type Model, sequential } from '../../src/index.js'
import { fingerprint } from '../../src/train/fingerprint.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { type FolderKind, writeData } from '../support/data-folders.js'

const cut = { timeSteps: 2, size: 8 }
const open = {
  images: (path: string) => datasets.imageFolder(path, { size: [8, 8] }),
  'images without parts': (path: string) =>
    datasets.imageFolder(path, { size: [8, 8], trainShare: 0.7 }),
  'cifar10 as pictures': (path: string) => datasets.cifar10(path),
  events: (path: string) => datasets.eventFolder(path, cut),
  'events without parts': (path: string) => datasets.eventFolder(path, cut),
  nmnist: (path: string) => datasets.nmnist(path, cut),
}

for (const [kind, read] of Object.entries(open))
  test(`${kind}: moved and copied data have the same hash, changed ones another`, () =>
    withFolder(async (folder) => {
      const first = join(folder, 'one')
      await writeData(first, kind as FolderKind)
      const hashOf = async (path: string): Promise<string> => fingerprint((await read(path)).train)
      const wanted = await hashOf(first)
      const copy = join(folder, 'deep', 'er', 'two')
      await cp(first, copy, { recursive: true })
      assert.is(await hashOf(copy), wanted)
      await rename(first, join(folder, 'renamed'))
      assert.is(await hashOf(join(folder, 'renamed')), wanted)
      const names = (await readdir(copy, { recursive: true })).filter((name) =>
        /^((train|Train).)?[^/\\]+.0\.(png|bin)$/.test(name),
      )
      const path = join(copy, names[0])
      const bytes = await readFile(path)
      bytes[bytes.length >> 1] ^= 1
      await writeFile(path, bytes)
      assert.is.not(await hashOf(copy), wanted)
    }))

test('a program goes on with moved data amid an epoch, in the folder of its run', () =>
  withFolder(async (folder) => {
    const [one, two] = ['one', 'two'].map((name) => join(folder, name))
    await writeData(one, 'images')
    const compile = () =>
      sequential(flatten(), linear(192, 2)).compile({ input: [3, 8, 8], batchSize: 5, threads: 1 })
    const losses: number[] = []
    const fit = async (model: Model, data: string, dir: string, stopAt?: number) => {
      const stop = new AbortController()
      await model.fit((await open.images(data)).train, {
        epochs: 2,
        resume: dir,
        signal: stop.signal,
        callbacks: [checkpoint({ dir, every: 1, report: false })],
        onStep: ({ loss }) => void (losses.push(loss) === stopAt && stop.abort()),
      })
      await model.dispose()
      return losses.splice(0)
    }
    const whole = await fit(await compile(), one, join(folder, 'whole'))
    const begun = await fit(await compile(), one, join(folder, 'run'), 3)
    await rename(one, two)
    const rest = await fit(await compile(), two, join(folder, 'run'))
    assert.equal([...begun, ...rest], whole)
    await writeData(join(folder, 'other'), 'images', 2)
    const message = await messageOf(async () =>
      fit(await compile(), join(folder, 'other'), join(folder, 'run')),
    )
    assert.match(message, /^fit\.resume: the data must have the samples .*data\.samples/)
  }))

test('the next fit goes on amid an epoch with moved data, with others at its beginning', () =>
  withFolder(async (folder) => {
    const [here, there, other] = ['here', 'there', 'other'].map((name) => join(folder, name))
    await writeData(here, 'images')
    await cp(here, there, { recursive: true })
    await writeData(other, 'images', 2)
    for (const [next, first] of [
      [there, 1],
      [other, 0],
    ] as const) {
      const input = [3, 8, 8] as const
      const model = await sequential(flatten(), linear(192, 2)).compile({ input, batchSize: 5 })
      const steps: number[] = []
      for (const data of [here, next]) {
        const stop = new AbortController()
        await model.fit((await open.images(data)).train, {
          signal: stop.signal,
          onStep: ({ step }) => {
            steps.push(step)
            stop.abort()
          },
        })
      }
      assert.equal(steps, [0, first], next)
      await model.dispose()
    }
  }))

test.run()
