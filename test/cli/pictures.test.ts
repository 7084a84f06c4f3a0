import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { png } from '../support/data-folders.js'
import { inFolder, parseLines } from './in-process.js'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/pictures/${name}`, import.meta.url))

/** A folder for each of two classes: four pictures to train with, two to test, of 23 × 19. */
async function writePictures(folder: string): Promise<void> {
  const names = ['rgb.jpg', 'rgb.png', 'grey.jpg', 'palette.png', 'grey.png', 'alpha.png']
  for (const [i, name] of names.entries()) {
    const below = join(folder, 'pictures', i < 4 ? 'train' : 'val', i % 2 === 0 ? 'cat' : 'dog')
    await mkdir(below, { recursive: true })
    await cp(fixture(name), join(below, `${i}${name.slice(-4)}`))
  }
}

const train = (data: string): string =>
  `train --dataset images --data ${data} --model mlp --image-size 8 --threads 1`

test('train, eval and predict with a folder of pictures', () =>
  inFolder(async (folder, { lastOf, refuse, succeed }) => {
    await writePictures(folder)
    const how = '--epochs 2 --batch-size 2 --cache cache --out run'
    const final = await lastOf(`${train('pictures')} ${how}`)
    assert.equal([final.dataset, final.parameters], ['images', 3 * 64 * 256 + 256 + 256 * 2 + 2])
    assert.ok((await readdir(join(folder, 'cache'))).length >= 2)
    const { samples, testLoss } = await lastOf('eval --run run --threads 1')
    assert.equal([samples, testLoss], [2, final.testLoss])
    // Pictures of any size become what they are in training: the loss of these two is the test's.
    const line = 'predict --run run --json pictures/val/cat/4.png pictures/val/dog/5.png'
    const losses = parseLines((await succeed(line)).stdout).map(({ logits }, label) => {
      const [mine, other] = [label, 1 - label].map((i) => (logits as number[])[i])
      return Math.log1p(Math.exp(other - mine))
    })
    const loss = (losses[0] + losses[1]) / 2
    assert.ok(Math.abs(loss - Number(testLoss)) < 1e-6, `${loss}, not ${testLoss}`)
    // Without the run nobody says how.
    await refuse(
      ['predict', '--weights', 'run/weights.safetensors', fixture('rgb.png')],
      /rgb\.png: must be an image of 8 × 8 pixels, got 23 × 19; resize it first/,
    )
  }))

test('a folder of classes alone: all to train with, or a share', () =>
  inFolder(async (folder, { lastOf, succeed, refuse }) => {
    await writePictures(folder)
    const alone = `${train('pictures/train')} --epochs 1 --batch-size 1`
    await refuse(alone, /no test part; give trainShare, .* --train-share 0\.9/)
    await refuse(train('nofolder'), /must be a folder with train.*, got "nofolder", which does not/)
    await succeed(`${alone} --validation-split 0.5`)
    await succeed(`${alone} --train-share 0.5 --out run`)
    assert.is((await lastOf('eval --run run --threads 1')).samples, 2)
    await writeFile(join(folder, 'pictures/train/cat/small.png'), png(5, Math.random))
    await refuse(train('pictures').replace('image-size 8', 'json'), /pixels, .* line --image-size/)
  }))

test.run()
