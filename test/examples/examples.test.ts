/** Every program in examples/ runs, is short, and prints what its comments promise. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CustomLoss, checkGradient } from '../../src/index.js'
import { run } from '../cli/command.js'
import { outcomesOf } from '../support/programs.js'
import type { Outcome } from '../support/programs-child.js'

const folder = fileURLToPath(new URL('../../../examples/', import.meta.url))

const textOf = (name: string): string =>
  readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n')
const [byHand, lesson] = [textOf('by-hand.mjs'), textOf('../site/learn/by-hand.md')]

/** The numbers in front of a percent sign. */
const percentages = (text: string): number[] =>
  [...text.matchAll(/([\d.]+) %/g)].map(([, number]) => Number(number))

const tests: Record<string, (text: string) => void | Promise<void>> = {
  'own-data.mjs'(text) {
    assert.ok(percentages(text)[0] > 95, text)
    assert.match(text, /image 7 shows vertical stripes; the network says vertical/)
  },

  async 'my-net.mjs'(text) {
    assert.is(text, '')
    const model = join(folder, 'my-net.mjs')
    const { code, stdout, stderr } = await run(['train', '--model', model, '--epochs', '3'])
    assert.is(code, 0, stderr)
    assert.match(stdout, /^my-net\.mjs: 2,074 parameters/m)
    assert.ok(percentages(stdout).at(-1)! > 85, stdout)
  },

  'nmnist.mjs'(text) {
    assert.ok(percentages(text)[0] > 90, text)
  },

  'resume.mjs'(text) {
    assert.match(text, /^stopped in epoch 2\nresumed, 4 epochs in all\nthe same bits: true$/m)
  },

  'residual-block.mjs'(text) {
    for (const name of ['block2.conv1.weight', 'block2.shortcut.1.running_var'])
      assert.ok(text.split('\n').includes(name), name)
    assert.match(text, /^11950 parameters/m)
    assert.ok(percentages(text)[0] > 92, text)
  },

  'compare-methods.mjs'(text) {
    const rows = text
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}|(?<=[a-z]) +(?=\d)/))
    assert.equal(
      rows.map(([method, T]) => `${method} ${T}`),
      ['rate 4', 'rate 16', 'bptt 4', 'bptt 16', 'ottt 4', 'ottt 16', 'sltt 4', 'sltt 16'],
    )
    for (const accuracy of percentages(text)) assert.ok(accuracy > 94, text)
    const kept = (row: string[]): number => Number.parseFloat(row[4])
    assert.is(kept(rows[0]), kept(rows[1]), text)
    // Online methods run T = 4 in one call. With more calls a little is carried from one to the next.
    for (const i of [4, 6]) assert.ok(kept(rows[i + 1]) <= 1.3 * kept(rows[i]), text)
    assert.ok(kept(rows[3]) > kept(rows[2]), 'BPTT keeps more for more steps')
  },

  'spike-raster.mjs'(text) {
    assert.ok(percentages(text)[0] > 92, text)
    const rates = [...text.matchAll(/^\w+\.1 +(0\.\d+) #+$/gm)].map(([, rate]) => Number(rate))
    assert.is(rates.length, 2, text)
    for (const rate of rates) assert.ok(rate > 0.05 && rate < 0.7, text)
    const raster = text.split('\n').filter((line) => /^[.|]{16}$/.test(line))
    assert.is(raster.length, 24, text)
    const spikes = raster.join('').replaceAll('.', '').length
    assert.ok(spikes > 20 && spikes < 24 * 16 - 20, `${spikes} spikes`)
  },

  'server.mjs'(text) {
    assert.match(text, /^50 clients, 355 answers, 9\d\.\d % right\n$/)
  },

  'by-hand.mjs'(text) {
    assert.ok((percentages(text).at(-1) ?? 0) > 95, text)
    assert.ok(lesson.includes(byHand), 'the page shows another program')
  },

  'cartpole.mjs'(text) {
    const means = [...text.matchAll(/^seed \d: ([\d.]+) steps an episode/gm)].map(([, n]) => +n)
    assert.is(means.length, 5, text)
    for (const mean of means) assert.ok(mean > 195, text)
  },

  'autodiff-loss.mjs'(text) {
    assert.match(text, /^the gradient is that of the loss: true$/m)
    assert.ok(percentages(text)[0] > 92, text)
  },

  'pytorch-weights.mjs'(text) {
    assert.match(text, /^spikewasm: 345 of 355 test digits are right$/m)
    assert.match(text, /^PyTorch: {3}345 of 355 test digits are right$/m)
    assert.ok(Number(text.match(/differ by at most (.+)$/m)?.[1]) < 1e-5, text)
  },

  'delayed-xor.mjs'(text) {
    const [before, after] = percentages(text)
    assert.ok(before > 40 && before < 60 && after >= 99, text)
  },

  'sine.mjs'(text) {
    const errors = [...text.matchAll(/root mean square error (.+)$/gm)].map(([, e]) => Number(e))
    assert.is(errors.length, 4, text)
    for (const error of errors) assert.ok(error > 0 && error < 0.1, text)
    const picture = text.split('\n').filter((line) => /^[o. ]+$/.test(line))
    assert.is(picture.length, 13, text)
    assert.is(picture.join('').replaceAll(/[^o]/g, '').length, 100, 'an output at each step')
  },

  'triplet.mjs'(text) {
    const [pixels, before, after] = percentages(text).map((share) => Math.round(3.55 * share))
    assert.is(pixels, 350, text)
    assert.ok(before < 0.85 * 355 && after > 0.97 * 355, text)
  },

  'fgsm.mjs'(text) {
    const [clean, noisy, attacked, ...trained] = percentages(text)
    assert.ok(Math.min(clean, noisy, ...trained.slice(0, 2)) > 92, text)
    assert.ok(attacked < 50 && trained[2] > attacked + 25, text)
  },

  'autoencoder.mjs'(text) {
    const [mean, before, after] = [...text.matchAll(/: (\d\.\d+)$/gm)].map(([, e]) => Number(e))
    assert.ok(before > mean && after < 0.4 * mean, text)
    const [digits, again] = text.split('digits:\n')[1].split('drawn again:\n')
    assert.is.not(digits, again)
    for (const picture of [digits, again]) {
      assert.is(picture.trimEnd().split('\n').length, 8, text)
      assert.match(picture, /@/)
    }
  },

  'own-layer.mjs'(text) {
    assert.ok(percentages(text)[0] > 92, text)
    assert.match(text, /^gated\.value \[ 64, 128 \]$/m)
  },

  'siamese.mjs'(text) {
    const [before, after] = percentages(text)
    assert.ok(before > 40 && before < 60 && after > 90, text)
    assert.match(text, /^17698 parameters, those of the twins once$/m)
    assert.match(text, /turned round have the same outputs: true$/m)
  },

  async 'early-stop.mjs'(text) {
    assert.match(text, /^stopped early: true, after \d+ steps$/m)
    const accuracies = percentages(text)
    assert.ok(accuracies.length > 1 && accuracies.length < 50, text)
    assert.ok(accuracies[accuracies.length - 1] >= 95, text)
    const path = text.match(/^weights saved in (.+)$/m)?.[1] ?? ''
    assert.ok(existsSync(path), path)
    await rm(path)
  },
}

const names = Object.keys(tests)
let outcomes: readonly Outcome[] = []
test('the programs run in one process, which ends', async () => {
  outcomes = await outcomesOf(names.map((name) => join(folder, name)))
})
for (const [i, name] of names.entries())
  test(`${name} runs and prints what it promises`, async () => {
    const { stdout, stderr } = outcomes[i] ?? { stdout: '', stderr: 'it did not run' }
    assert.is(stderr, '')
    await tests[name](stdout)
  })

test('by-hand.mjs with other settings gives what its lesson answers', async () => {
  const changes = [
    ['[4, 32,', '[1, 32,'],
    ['[4, 32,', '[8, 32,'],
    ['timeSteps: T }', "timeSteps: T, surrogate: 'atan' }"],
  ]
  // Below the root, where programs find the package by its name.
  const place = await mkdtemp(join(folder, '../build/by-hand-'))
  const files = changes.map((_, i) => join(place, `${i}.mjs`))
  for (const [i, [from, to]] of changes.entries()) {
    assert.ok(byHand.includes(from), from)
    await writeFile(files[i], byHand.replace(from, to))
  }
  const texts = (await outcomesOf(files)).map(({ stdout }) => stdout)
  await rm(place, { recursive: true })
  const answers = percentages(lesson.slice(lesson.indexOf('::: details Answers')))
  assert.equal(
    texts.map((text) => percentages(text).at(-1)),
    answers,
  )
})

test('a program runs alone, as its first lines say', async () => {
  const { code, stdout, stderr } = await run([join(folder, names[0])], { node: true })
  assert.equal([code, stderr], [0, ''])
  assert.is(stdout, outcomes[0].stdout)
})

test('pytorch-weights.mjs takes the path of a file, and says what is wrong with it', async () => {
  const { code, stderr } = await run([join(folder, 'pytorch-weights.mjs'), 'no-such-file'], {
    node: true,
  })
  assert.is.not(code, 0)
  assert.match(stderr, /no-such-file/)
})

/** What `cartpole.mjs` gives to its page. */
interface CartPole {
  readonly ppo: CustomLoss<number>
  push(cart: readonly number[], toRight: number): number[]
  ends(cart: readonly number[]): boolean
}

test('cartpole.mjs: the gradient of PPO is that of its loss, clipped or not', async () => {
  const { ppo } = (await import(pathToFileURL(join(folder, 'cartpole.mjs')).href)) as CartPole
  const outputs = Float32Array.of(0.3, 1, -1.2, 0.2, 2, -1, -0.4, 0, 0.1, 0.5)
  // Action, its chance before, advantage, goal: within the bounds, and clipped for good and ill.
  const targets = [
    [1, 0.55, 0.8, 1.5],
    [0, 0.75, -0.6, 0],
    [1, 0.5, 2, -1.5],
    [0, 0.9, -2, 0.3],
    [1, 0.3, -1, 0.6],
  ]
  const { error } = await checkGradient(ppo, outputs, Float32Array.from(targets.flat()), {
    shape: [5, 2],
  })
  assert.ok(error < 1e-3, `${error}`)
})

test('cartpole.mjs: a cart moves as in Gymnasium, and an episode ends as there', async () => {
  const { push, ends } = (await import(
    pathToFileURL(join(folder, 'cartpole.mjs')).href
  )) as CartPole
  // From rest: F / 1.1 = 9.0909, twist −9.0909 / (0.5 (4/3 − 0.1/1.1)) = −14.6341.
  const first = push([0, 0, 0, 0, 0], 1)
  for (const [i, value] of [0, 0.195122, 0, -0.292683, 1].entries())
    assert.ok(Math.abs(first[i] - value) < 1e-6, `${first}`)
  assert.equal(
    [push([2.39, 1, 0, 0, 3], 0), push([0, 0, 0.2, 1, 3], 1), push([0, 0, 0, 0, 499], 1)].map(ends),
    [true, true, true],
  )
  assert.not(ends(first))
})

/** Lines that a program may have, where it takes more than 40. */
const most: Record<string, number> = {
  'by-hand.mjs': 60,
  'cartpole.mjs': 80,
  'delayed-xor.mjs': 80,
  'sine.mjs': 80,
  'triplet.mjs': 80,
  'fgsm.mjs': 80,
  'autoencoder.mjs': 80,
  'own-layer.mjs': 80,
  'siamese.mjs': 80,
}
test('the folder holds these programs, each of at most 40 lines unless more are allowed it', () => {
  const programs = readdirSync(folder).filter((name) => name.endsWith('.mjs'))
  assert.equal(programs.sort(), Object.keys(tests).sort())
  for (const name of programs) {
    const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').length
    assert.ok(lines <= (most[name] ?? 40), `${name} has ${lines} lines`)
  }
})

test.run()
