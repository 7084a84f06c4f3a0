/**
 * Flags of `train` that say how it learns: what they mean, and options.json. What is refused is in
 * printed.test.ts.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trainingSchema, trainingSpecs } from '../../src/cli/commands/training-flags.js'
import {
  describeTraining,
  type TrainingContext,
  type TrainingSetup,
  trainingOf,
} from '../../src/cli/commands/training-options.js'
import { addOptions } from '../../src/cli/spec.js'
import * as v from '../../src/engine/vendor/valibot/index.js'
import {
  adam,
  adamW,
  comparableLr,
  crossEntropy,
  custom,
  type EpochFigures,
  fromArrays,
  linear,
  type Method,
  mse,
  ratePenalty,
  type ScheduleAt,
  sequential,
  sgd,
  tet,
} from '../../src/index.js'
import { inFolder, parseLines, small } from './in-process.js'

const context: TrainingContext = {
  method: 'rate',
  timeSteps: 4,
  epochs: 9,
  defaults: { lr: 0.2, weightDecay: 5e-4 },
}

const setup = (text: string, of: Partial<TrainingContext> = {}): TrainingSetup => {
  const command = addOptions(new Command(), trainingSpecs)
  command.exitOverride().parse(text.split(' ').filter(Boolean), { from: 'user' })
  return trainingOf(command.opts(), { ...context, ...of })
}

/** The factors of the epochs. */
const factors = ({ schedule }: TrainingSetup, records: EpochFigures[] = []): number[] =>
  [...Array(9).keys()].map((epoch) => {
    const at: ScheduleAt = { epoch, epochs: 9, step: epoch, steps: 9, records }
    return Number(schedule(epoch, 9, at).toFixed(4))
  })

test('without flags: the paper’s recipe, cross entropy, a cosine', () => {
  const { optimizer, fit, callbacks, schedule } = setup('')
  assert.equal(optimizer, sgd({ lr: 0.2, weightDecay: 5e-4 }))
  assert.equal([fit, callbacks], [{ loss: crossEntropy() }, []])
  assert.is(schedule.kind, 'cosine')
})

const optimizers: [string, Partial<TrainingContext>, object][] = [
  ['--lr 0.3 --momentum 0 --weight-decay 0', {}, sgd({ lr: 0.3, momentum: 0 })],
  ['--optimizer adam', {}, adam()],
  ['--optimizer adamW --lr 0.01', {}, adamW({ lr: 0.01 })],
  ['--optimizer adam --weight-decay 0.1', {}, adam({ weightDecay: 0.1 })],
  ['--nesterov', {}, sgd({ lr: 0.2, weightDecay: 5e-4, nesterov: true })],
  ['--optimizer adam --betas 0.8,0.9', {}, adam({ betas: [0.8, 0.9] })],
  ['--decay all', {}, sgd({ lr: 0.2, weightDecay: 5e-4, decay: 'all' })],
  ['--optimizer adamW --decay all', {}, adamW({ decay: 'all' })],
  ['--lr-for bptt', {}, sgd({ lr: 0.8, weightDecay: 1.25e-4 })],
  ['--lr-for ottt --lr 0.1', {}, sgd({ lr: 0.4, weightDecay: 1.25e-4 })],
  ['--lr-for rate', { method: 'bptt' }, sgd({ lr: 0.05, weightDecay: 2e-3 })],
  ['--lr-for bptt', { method: 'sltt' }, sgd({ lr: 0.2, weightDecay: 5e-4 })],
  ['--lr-for bptt', { method: 'sltt', backwardSteps: 2 }, sgd({ lr: 0.4, weightDecay: 2.5e-4 })],
  ['--lr-for sltt', { method: 'sltt', backwardSteps: 2 }, sgd({ lr: 0.2, weightDecay: 5e-4 })],
]
for (const [text, of, wanted] of optimizers)
  test(`optimizer of "${text}" ${JSON.stringify(of)}`, () =>
    assert.equal(setup(text, of).optimizer, wanted))

const fits: [string, object][] = [
  ['--loss mse', { loss: mse() }],
  ['--loss tet', { loss: tet() }],
  ['--loss (y-target)^2', { loss: custom('(y-target)^2') }],
  ['--loss-of counts', { loss: crossEntropy({ of: 'counts' }) }],
  ['--loss mse --loss-of counts', { loss: mse({ of: 'counts' }) }],
  ['--label-smoothing 0.1', { loss: crossEntropy({ labelSmoothing: 0.1 }) }],
  ['--class-weights 1,2,0.5', { loss: crossEntropy({ classWeights: [1, 2, 0.5] }) }],
  ['--rate-penalty 2', { loss: crossEntropy(), penalties: [ratePenalty({ weight: 2 })] }],
  [
    '--rate-penalty 2 --rate-target 0.1',
    { loss: crossEntropy(), penalties: [ratePenalty({ weight: 2, target: 0.1 })] },
  ],
  ['--clip-norm 1.5', { loss: crossEntropy(), clipNorm: 1.5 }],
  ['--lr-for bptt --clip-norm 1.5', { loss: crossEntropy(), clipNorm: 0.375 }],
  ['--accumulate 4', { loss: crossEntropy(), accumulate: 4 }],
  ['--ema 0.99', { loss: crossEntropy(), ema: 0.99 }],
  ['--freeze 0.weight,conv*', { loss: crossEntropy(), freeze: ['0.weight', 'conv*'] }],
  ['--validation-split 0.1', { loss: crossEntropy(), validationSplit: 0.1 }],
]
for (const [text, wanted] of fits)
  test(`fit's options of "${text}"`, () => assert.equal(setup(text).fit, wanted))

test('schedules', () => {
  assert.equal(factors(setup('--schedule constant')), Array(9).fill(1))
  assert.equal(factors(setup('--schedule stepDecay')), [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])
  assert.equal(
    factors(setup('--schedule constant --warmup 4')),
    [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1],
  )
  const [first, , third] = factors(setup('--warmup 2'))
  assert.equal([first, third], [0.5, 1])
  assert.is(setup('--schedule oneCycle').schedule.by, 'step')
  const { schedule } = setup('--schedule plateau --warmup 1')
  assert.equal([schedule.monitor, schedule.kind], ['testLoss', 'linearWarmup'])
})

test('early stopping, by the figure of --monitor', () => {
  const [callback] = setup('--early-stopping 3').callbacks
  assert.is(callback.name, 'earlyStopping')
  const record = { earlyStopping: 3, monitor: 'testAccuracy' } as const
  assert.equal(trainingOf(record, context).record.monitor, 'testAccuracy')
})

const changing = [
  ...optimizers.slice(0, 10).map(([text]) => text),
  ...fits.map(([text]) => text),
  '--schedule plateau',
  '--warmup 2',
  '--early-stopping 3',
]

test('options.json: each flag is in it, and gives the same training again', () => {
  const plain = JSON.stringify(setup('').record)
  for (const text of changing) {
    const whole = setup(text)
    const json = JSON.stringify(whole.record)
    assert.is.not(json, plain, text)
    const read = v.parse(v.object(trainingSchema), JSON.parse(json))
    const again = trainingOf(read, context)
    assert.equal(again.record, whole.record, text)
    assert.equal([again.optimizer, again.fit], [whole.optimizer, whole.fit], text)
    assert.equal(factors(again), factors(whole), text)
    assert.equal(again.callbacks.length, whole.callbacks.length, text)
  }
})

const sgdLine = 'sgd, learning rate 0.2, weight decay 0.0005, cosine'
const scaledLine = 'sgd, learning rate 0.8 (0.2 for bptt), weight decay 0.000125, cosine'
const told: [string, string][] = [
  ['', sgdLine],
  ['--rate-penalty 3 --rate-target 0.1', `${sgdLine}, penalty 3 towards rate 0.1`],
  [
    '--lr-for bptt --warmup 2 --ema 0.9 --loss mse',
    `${scaledLine} after 2 epochs of warm-up, loss mse, averages 0.9`,
  ],
  ['--loss abs(y-target)', `${sgdLine}, loss abs(y-target)`],
  [
    '--optimizer adamW --betas 0.8,0.9 --decay all --loss-of counts',
    'adamW, learning rate 0.001, betas 0.8 and 0.9, weight decay 0.01 of all, cosine, loss ' +
      'crossEntropy of counts',
  ],
  ['--lr-for bptt --clip-norm 2', `${scaledLine}, gradients of norm 0.5 (2 for bptt) at most`],
]
for (const [text, line] of told)
  test(`a line for people of "${text}"`, () => assert.is(describeTraining(setup(text)), line))

test('comparableLr', () => {
  const [of, some] = [{ timeSteps: 8 }, { timeSteps: 8, backwardSteps: 2 }]
  const scaled: [number, Parameters<typeof comparableLr>[1], number][] = [
    [0.1, { from: 'bptt', to: 'rate', ...of }, 0.8],
    [0.8, { from: 'rate', to: 'sltt', ...of }, 0.1],
    [0.1, { from: 'rate', to: 'rate', ...of }, 0.1],
    [0.1, { from: 'bptt', to: 'sltt', ...some }, 0.4],
    [0.1, { from: 'sltt', to: 'rate', ...some }, 0.2],
  ]
  for (const [lr, options, wanted] of scaled) assert.is(comparableLr(lr, options), wanted)
  const toRate = { from: 'bptt', to: 'rate', ...of } as const
  const refused: [number, Parameters<typeof comparableLr>[1], RegExp][] = [
    [
      1,
      { ...toRate, ...some },
      /\.backwardSteps must be left out without sltt, got 2 from bptt to /,
    ],
    [
      1,
      { ...toRate, to: 'sltt', timeSteps: 2, backwardSteps: 3 },
      /\.backwardSteps must be an integer from 1 to 2, got 3$/,
    ],
    [1, { ...toRate, to: 'rtae' as 'rate' }, /\.to must be one of rate, .*, got "rtae"$/],
    [-1, toRate, /: lr must be .* -1$/],
    [1, { ...toRate, timeSteps: 0 }, /\.timeSteps must be an integer from 1 to 4096, got 0$/],
  ]
  for (const [lr, options, message] of refused)
    assert.throws(() => comparableLr(lr, options), new RegExp(`^comparableLr${message.source}`))
})

test('--lr-for: the same curve with every method, clipped and decayed', async () => {
  // One layer, whose output is the same at each step: gradients differ in their factor alone.
  const data = fromArrays({
    inputs: Float32Array.from({ length: 64 * 6 }, (_, i) => Math.sin(i * i)),
    labels: Array.from({ length: 64 }, (_, i) => i % 3),
    shape: [6],
    classes: 3,
  })
  const curve = async (method: Method, backwardSteps?: number): Promise<number[]> => {
    const mseWeight = method === 'sltt' || method === 'ottt' ? 0 : undefined
    const options = { method, backwardSteps, mseWeight, timeSteps: 8, batchSize: 16 }
    const model = await sequential(linear(6, 3)).compile({ input: [6], ...options })
    const text = '--lr-for bptt --lr 2 --weight-decay 0.01 --clip-norm 0.05 --schedule constant'
    const { optimizer, fit } = setup(text, { method, timeSteps: 8, backwardSteps })
    const { epochs } = await model.fit(data, { ...fit, optimizer, epochs: 3 })
    await model.dispose()
    return epochs.map(({ trainLoss }) => trainLoss)
  }
  const wanted = await curve('bptt')
  for (const [method, steps] of [['rate'], ['ottt'], ['sltt'], ['sltt', 1], ['sltt', 2]] as const)
    for (const [i, loss] of (await curve(method, steps)).entries())
      assert.ok(Math.abs(loss - wanted[i]) < 1e-5, `${method} ${steps}: ${loss}, ${wanted[i]}`)
})

test('train --rate-penalty: the run has it, its id is another, and fewer spikes are left', () =>
  inFolder(async (folder, { succeed }) => {
    const train = async (name: string, flags: string) => {
      const { stdout } = await succeed(`train ${small}${flags} --json --out ${name}`)
      const saved = JSON.parse(await readFile(join(folder, name, 'options.json'), 'utf8'))
      const { id, firingRates, options } = parseLines(stdout)[0]
      const { ratePenalty, rateTarget } = options as Record<string, unknown>
      assert.equal([ratePenalty, rateTarget], [saved.ratePenalty, saved.rateTarget])
      const rates = Object.values(firingRates as Record<string, number>)
      return { id, given: [ratePenalty, rateTarget], rate: rates.reduce((a, b) => a + b, 0) }
    }
    const plain = await train('plain', '')
    const some = await train('some', ' --rate-penalty 3 --rate-target 0')
    assert.equal(
      [plain.given, some.given],
      [
        [undefined, undefined],
        [3, 0],
      ],
    )
    assert.is.not(some.id, plain.id)
    assert.ok(some.rate < plain.rate, `${some.rate}, without ${plain.rate}`)
  }))

test('train --early-stopping: ends, says why, and is finished for --resume', () =>
  inFolder(async (folder, { succeed }) => {
    const flags = '--epochs 6 --lr 0 --early-stopping 1 --json --out run'
    const lines = parseLines((await succeed(`train ${small} ${flags}`)).stdout)
    const { stopped, aborted, options } = lines.at(-1)!
    assert.is(aborted, false)
    assert.match(String(stopped), /^earlyStopping: testLoss has not improved for 1 epoch; best /)
    assert.is((options as { earlyStopping: number }).earlyStopping, 1)
    assert.ok(lines.length < 6, `${lines.length} lines`)
    const again = await succeed('train --resume run --json')
    assert.is(parseLines(again.stdout).at(-1)!.stopped, stopped)
    const where = join(folder, 'run')
    assert.match(again.stderr, `; the run was finished and nothing was written; it is in ${where}`)
  }))

test.run()
