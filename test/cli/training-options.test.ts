/** Flags of `train` that say how it learns: what they mean, options.json, and what is refused. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { trainingSchema, trainingSpecs, trainSpecs } from '../../src/cli/commands/training-flags.js'
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
import { messageOf, withFolder } from '../files/temporary.js'
import { parseLines, refuse, run, succeed, tiny } from './in-process.js'

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
  ['--loss-of counts', { loss: crossEntropy({ of: 'counts' }) }],
  ['--loss mse --loss-of counts', { loss: mse({ of: 'counts' }) }],
  ['--label-smoothing 0.1', { loss: crossEntropy({ labelSmoothing: 0.1 }) }],
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

test('a line for people', () => {
  const line = (text: string): string => describeTraining(setup(text))
  assert.is(line(''), 'sgd, learning rate 0.2, weight decay 0.0005, cosine')
  assert.is(
    line('--rate-penalty 3 --rate-target 0.1'),
    'sgd, learning rate 0.2, weight decay 0.0005, cosine, penalty 3 towards rate 0.1',
  )
  assert.is(
    line('--lr-for bptt --warmup 2 --ema 0.9 --loss mse'),
    'sgd, learning rate 0.8 (0.2 for bptt), weight decay 0.000125, cosine after 2 epochs of ' +
      'warm-up, loss mse, averages 0.9',
  )
  assert.is(
    line('--optimizer adamW --betas 0.8,0.9 --decay all --loss-of counts'),
    'adamW, learning rate 0.001, betas 0.8 and 0.9, weight decay 0.01 of all, cosine, loss ' +
      'crossEntropy of counts',
  )
  assert.is(
    line('--lr-for bptt --clip-norm 2'),
    'sgd, learning rate 0.8 (0.2 for bptt), weight decay 0.000125, cosine, gradients of norm ' +
      '0.5 (2 for bptt) at most',
  )
})

test('comparableLr', () => {
  assert.is(comparableLr(0.1, { from: 'bptt', to: 'rate', timeSteps: 8 }), 0.8)
  assert.is(comparableLr(0.8, { from: 'rate', to: 'sltt', timeSteps: 8 }), 0.1)
  assert.is(comparableLr(0.1, { from: 'rate', to: 'rate', timeSteps: 8 }), 0.1)
  const some = { timeSteps: 8, backwardSteps: 2 }
  assert.is(comparableLr(0.1, { from: 'bptt', to: 'sltt', ...some }), 0.4)
  assert.is(comparableLr(0.1, { from: 'sltt', to: 'rate', ...some }), 0.2)
  assert.throws(
    () => comparableLr(0.1, { from: 'bptt', to: 'rate', ...some }),
    /^comparableLr\.backwardSteps must be left out without sltt, got 2 from bptt to rate$/,
  )
  assert.throws(
    () => comparableLr(0.1, { from: 'bptt', to: 'sltt', timeSteps: 2, backwardSteps: 3 }),
    /^comparableLr\.backwardSteps must be an integer from 1 to 2, got 3$/,
  )
  const wrong = { from: 'bptt', to: 'rtae' as 'rate', timeSteps: 8 } as const
  assert.throws(() => comparableLr(0.1, wrong), /^comparableLr\.to must be one of rate, .*"rtae"$/)
  assert.throws(
    () => comparableLr(-1, { ...wrong, to: 'rate' }),
    /^comparableLr: lr must be .* -1$/,
  )
  assert.throws(
    () => comparableLr(1, { ...wrong, to: 'rate', timeSteps: 0 }),
    /^comparableLr\.timeSteps must be an integer from 1 to 255, got 0$/,
  )
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

/** Options that would do nothing beside another one. */
const refusals: [string, RegExp][] = [
  ...(
    [
      ['--optimizer adam --momentum 0.9', 'optimizer adam, got 0.9; it is for sgd, rmsprop'],
      ['--optimizer adam --nesterov', 'optimizer adam, got true; it is for sgd'],
      ['--optimizer adamW --lr-for bptt', 'optimizer adamW, got bptt; it is for sgd'],
      ['--betas 0.8,0.9', 'optimizer sgd, got 0.8,0.9; it is for adam, adamW'],
      ['--loss mse --alpha 1', 'loss mse, got 1; it is for selfDistillation'],
      ['--beta 0.5', 'loss crossEntropy, got 0.5; it is for selfDistillation'],
      ['--temperature 2', 'loss crossEntropy, got 2; it is for selfDistillation'],
      ['--loss tet --loss-of rates', 'loss tet, got rates; it is for crossEntropy, mse'],
      ['--loss mse --label-smoothing 0.1', 'loss mse, got 0.1; it is for crossEntropy'],
    ] as const
  ).map(([text, why]): [string, RegExp] => [
    text,
    new RegExp(`^${/(--[a-z-]+)[^-]*$/.exec(text)?.[1]} must be left out with --${why}$`),
  ]),
  ['--loss selfDistillation --alpha -1', /^selfDistillation\.alpha must be ≥ 0, got -1$/],
  ['--optimizer adam --betas 0.8', /^--betas must be two numbers, separated by .*got "0\.8"$/],
  ['--optimizer adam --decay all', /^--decay must be left out with a --weight-decay of 0; give /],
  ['--nesterov --momentum 0', /^sgd\.nesterov needs a momentum > 0$/],
  ['--schedule oneCycle --warmup 1', /^--warmup must be left out with --schedule oneCycle, .* 1$/],
  ['--warmup 9', /^--warmup must be less than the number of epochs, 9, got 9$/],
  ['--warmup 0', /^--warmup must be an integer ≥ 1, got "0"$/],
  ['--early-stopping 0', /^--early-stopping must be an integer ≥ 1, got "0"$/],
  ['--accumulate 1.5', /^--accumulate must be an integer ≥ 1, got "1\.5"$/],
  ['--freeze a,,b', /^--freeze must be names, separated by commas, got "a,,b"$/],
  ['--lr-for sgd', /^--lr-for must be one of rate, bptt, ottt, sltt, os, got "sgd"$/],
  ['--rate-target 0.1', /^--rate-target needs --rate-penalty, got 0\.1 without it; give both$/],
  ['--rate-penalty -1', /^--rate-penalty must be a number ≥ 0, got "-1"$/],
  ['--rate-penalty 1 --rate-target 1.5', /^--rate-target must be a number in 0…1, got "1\.5"$/],
  ['--clip-norm 0', /^--clip-norm must be a number > 0, got "0"; leave it out to clip nothing$/],
  ['--lr-for bptt --clip-norm -1', /^--clip-norm must be a number > 0, got "-1";/],
]
for (const [text, expected] of refusals)
  test(`refuses ${text}`, async () => assert.match(await messageOf(() => setup(text)), expected))

/** Other options of `train`: what shows that they do something, or where they are refused. */
const elsewhere: Readonly<Record<string, string>> = {
  'the network': '--model --tau',
  'the computation': '--method --step-mode --time-steps --epochs --batch-size --seed --load',
  'the data': '--dataset --encoder --limit-train --limit-test --sensor --train-share',
  'speed alone': '--threads --num-workers --no-revectorize',
  'what is written': '--out --json --dashboard --no-report --resume',
  'refused with digits': '--data --image-size --cache --augment',
  'recordings; refused with digits':
    '--split-by --time-window --event-count --overlap --start-time --rest --binary --event-size ' +
    '--event-resize --denoise --flip --roll --shift --time-jitter --drop-event --event-drop',
  'refused with other methods': '--update --backward-steps --gradient-checkpoint',
  'rounds of replicas; refused where it has nothing to work on':
    '--replicas --sync-every --outer-lr --outer-momentum --compress --inner-state --redis ' +
    '--namespace --shared --replace-after',
  'refused without --out': '--overwrite --checkpoint-every --monitor',
}

test('each option of train does something or is refused', async () => {
  const flags = addOptions(new Command(), trainSpecs).options.map(({ long }) => long as string)
  const tested = [...Object.values(elsewhere), ...changing, ...refusals.map(([text]) => text)]
  const known = tested.flatMap((text) => text.split(' ').filter((word) => word.startsWith('--')))
  assert.equal([...new Set(known)].sort(), [...flags].sort())
  for (const [text, expected] of [
    ['--update afterwards', /--update is an option of method ottt, sltt, got it with rate/],
    ['--backward-steps 4', /--backward-steps is an option of method sltt, got it with rate/],
    ['--gradient-checkpoint none', /--gradient-checkpoint is an option of method bptt, got it/],
    ['--overwrite', /--checkpoint-every, --monitor and --overwrite need --out, .* got none/],
    ['--image-size 8', /--image-size must be left out with --dataset digits/],
    ['--replicas 2', /--replicas needs --sync-every, .* got none/],
    ...['--sync-every 5', '--outer-lr 0.5', '--outer-momentum 0.5', '--compress int8']
      .concat('--inner-state reset', '--redis redis://127.0.0.1:1')
      .map((text) => [text, new RegExp(`${text.split(' ')[0]} needs --replicas, `)] as const),
    ...['--namespace other', '--shared folder', '--replace-after 5'].map(
      (text) => [text, new RegExp(`${text.split(' ')[0]} needs --redis, `)] as const,
    ),
    ...['--split-by time', '--time-window 5', '--event-count 5', '--overlap 0', '--start-time 0']
      .concat('--rest last', '--binary', '--event-size 8', '--event-resize sum', '--denoise 5')
      .concat('--flip', '--roll 1', '--shift 1', '--time-jitter 1', '--drop-event 0.1')
      .concat('--event-drop')
      .map((text) => [text, new RegExp(`${text.split(' ')[0]} must be left out for `)] as const),
  ] as [string, RegExp][]) {
    await refuse(['train', ...tiny, ...text.split(' ')], expected)
  }
})

test('train --rate-penalty: the run has it, its id is another, and fewer spikes are left', () =>
  withFolder(async (folder) => {
    const train = async (name: string, ...flags: string[]) => {
      const out = join(folder, name)
      const { stdout } = await succeed(['train', ...tiny, ...flags, '--json', '--out', out])
      const saved = JSON.parse(await readFile(join(out, 'options.json'), 'utf8'))
      const { id, firingRates, ...first } = parseLines(stdout)[0]
      const options = first.options as Record<string, unknown>
      assert.equal([options.ratePenalty, options.rateTarget], [saved.ratePenalty, saved.rateTarget])
      const rates = Object.values(firingRates as Record<string, number>)
      return { id, saved, rate: rates.reduce((a, b) => a + b, 0) }
    }
    const plain = await train('plain')
    const some = await train('some', '--rate-penalty', '3', '--rate-target', '0')
    assert.equal([plain.saved.ratePenalty, plain.saved.rateTarget], [undefined, undefined])
    assert.equal([some.saved.ratePenalty, some.saved.rateTarget], [3, 0])
    assert.is.not(some.id, plain.id)
    assert.ok(some.rate < plain.rate, `${some.rate}, without ${plain.rate}`)
    await refuse(
      ['train', ...tiny, '--method', 'ottt', '--rate-penalty', '1'],
      /penalties need all steps before their gradient.*'ottt'/,
    )
  }))

test('train --early-stopping: ends, says why, and is finished for --resume', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    const flags = ['--epochs', '6', '--lr', '0', '--early-stopping', '1', '--json', '--out', out]
    const { code, stdout, stderr } = await run(['train', ...tiny, ...flags])
    assert.is(code, 0, stderr)
    const lines = parseLines(stdout)
    const { stopped, aborted, options } = lines.at(-1)!
    assert.is(aborted, false)
    assert.match(String(stopped), /^earlyStopping: testLoss has not improved for 1 epoch; best /)
    assert.is((options as { earlyStopping: number }).earlyStopping, 1)
    assert.ok(lines.length < 6, stdout)
    const again = await succeed(['train', '--resume', out, '--json'])
    assert.equal([parseLines(again.stdout).at(-1)!.stopped], [stopped])
    assert.match(again.stderr, `; the run was finished and nothing was written; it is in ${out}`)
  }))

test.run()
