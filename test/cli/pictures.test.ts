import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'
import { parseLines, refuse, run, succeed } from './in-process.js'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/pictures/${name}`, import.meta.url))

/** A folder for each of two classes: four pictures to train with, two to test, of 23 × 19. */
async function writePictures(folder: string): Promise<string> {
  const names = ['rgb.jpg', 'rgb.png', 'grey.jpg', 'palette.png', 'grey.png', 'alpha.png']
  for (const [i, name] of names.entries()) {
    const below = join(folder, 'pictures', i < 4 ? 'train' : 'val', i % 2 === 0 ? 'cat' : 'dog')
    await mkdir(below, { recursive: true })
    await cp(fixture(name), join(below, `${i}${name.slice(-4)}`))
  }
  return join(folder, 'pictures')
}

test('train, eval and predict with a folder of pictures', () =>
  withFolder(async (folder) => {
    const data = await writePictures(folder)
    const [out, cache] = ['run', 'cache'].map((name) => join(folder, name))
    const train = ['train', '--dataset', 'images', '--data', data, '--model', 'mlp', '--json']
    const how = ['--image-size', '8', '--epochs', '2', '--batch-size', '2', '--threads', '1']
    const { code, stdout, stderr } = await run([...train, ...how, '--cache', cache, '--out', out])
    assert.is(code, 0, stderr)
    const final = parseLines(stdout).at(-1)!
    assert.equal([final.dataset, final.parameters], ['images', 3 * 64 * 256 + 256 + 256 * 2 + 2])
    assert.ok((await readdir(cache)).length >= 2)

    const tested = await succeed(['eval', '--run', out, '--threads', '1', '--json'])
    const [line] = parseLines(tested.stdout)
    assert.equal([line.samples, line.testLoss], [2, final.testLoss])

    await refuse(
      ['predict', '--run', out, fixture('rgb.png')],
      /rgb\.png: must be an image of 8 × 8 pixels, got 23 × 19; resize it first/,
    )

    const none = await run([...train, '--cache', cache, '--image-size', '0'])
    assert.match(none.stderr, /--image-size must be an integer ≥ 1, got "0"/)
    const differ = await run(['train', '--dataset', 'images', '--data', join(folder, 'run')])
    assert.is(differ.code, 1)
    assert.is(differ.stderr.trimEnd().split('\n').length, 1, differ.stderr)
  }))

test('a folder of classes alone: all to train with, or a share', () =>
  withFolder(async (folder) => {
    const data = await writePictures(folder)
    const classes = join(data, 'train')
    const common = ['--dataset', 'images', '--data', classes, '--model', 'mlp', '--threads', '1']
    const how = ['--image-size', '8', '--epochs', '1', '--batch-size', '1', '--json']
    const train = ['train', ...common, ...how]
    await refuse(train, /no test part; give trainShare, .* --train-share 0\.9/)
    await succeed([...train, '--validation-split', '0.5'])
    const out = join(folder, 'run')
    await succeed([...train, '--train-share', '0.5', '--out', out])
    const tested = await succeed(['eval', '--run', out, '--threads', '1', '--json'])
    assert.equal(parseLines(tested.stdout)[0].samples, 2)
    const wrong = await run([...train, '--train-share', '2'])
    assert.match(wrong.stderr, /--train-share must lie in 0…1 \(0 excluded\), got 2/)
    const other = await run(['train', '--train-share', '0.5'])
    assert.match(other.stderr, /--train-share must be left out with --dataset digits/)
  }))

test.run()
