/** The flags of `train` that say how it learns. */

import { type Command, Option } from 'commander'
import { expect } from '../errors.js'
import { lossNames } from '../loss/index.js'
import { optimizerNames } from '../optimizer/index.js'
import { methodNames } from '../plan/methods.js'
import { describeDefault } from './datasets.js'
import { counting, named, numbers, numeric } from './options.js'
import { decays, lossesOf, scheduleNames } from './training-options.js'

/** Adds the flags to a command. */
export function addTrainingFlags(command: Command): Command {
  return command
    .addOption(named('--optimizer <name>', 'rule of the steps', optimizerNames, 'sgd'))
    .addOption(
      numeric(
        '--lr <rate>',
        `learning rate (default: ${describeDefault('lr')}; 0.001 for adam and adamW)`,
      ),
    )
    .addOption(
      named(
        '--lr-for <method>',
        'the method that --lr was chosen for: with rate, the learning rate of another is ' +
          'multiplied by T, with sltt by T/K, and --weight-decay and --clip-norm are divided by ' +
          'it, so that steps are as large',
        methodNames,
      ),
    )
    .addOption(numeric('--momentum <share>', 'sgd: momentum (default: 0.9)'))
    .addOption(new Option('--nesterov', 'sgd: steps look ahead along the momentum'))
    .addOption(
      numbers(
        '--betas <list>',
        'adam, adamW: share of the means of gradients and of their squares that is kept ' +
          '(default: 0.9,0.999)',
      ),
    )
    .addOption(
      numeric(
        '--weight-decay <rate>',
        `weight decay (default: ${describeDefault('weightDecay')}; 0 for adam, 0.01 for adamW)`,
      ),
    )
    .addOption(
      named(
        '--decay <what>',
        'what decays: weights of convolutions and linear layers, or all parameters (default: ' +
          'weights)',
        decays,
      ),
    )
    .addOption(
      named(
        '--schedule <name>',
        'learning rate over the epochs; stepDecay: a tenth after each third, plateau: a tenth ' +
          'when the test loss has not improved for 10 epochs',
        scheduleNames,
        'cosine',
      ),
    )
    .addOption(
      counting('--warmup <n>', 'epochs of a linear warm-up before the schedule (default: none)'),
    )
    .addOption(named('--loss <name>', 'what training makes small', lossNames, 'crossEntropy'))
    .addOption(
      named(
        '--loss-of <what>',
        'crossEntropy, mse: of the mean over time of the outputs, or of their sum (default: rates)',
        lossesOf,
      ),
    )
    .addOption(
      numeric(
        '--label-smoothing <share>',
        'crossEntropy: share of the target that is spread over all classes (default: 0)',
      ),
    )
    .addOption(
      numeric('--alpha <weight>', 'selfDistillation: weight of the cross entropies (default: 1)'),
    )
    .addOption(
      numeric('--beta <weight>', 'selfDistillation: weight of the divergences (default: 0.3)'),
    )
    .addOption(
      numeric('--temperature <t>', 'selfDistillation: temperature of the softmax (default: 3)'),
    )
    .addOption(
      numeric(
        '--rate-penalty <weight>',
        'rate, bptt: adds weight times the mean of (rate - target)² of each layer of neurons to ' +
          'the loss (default: none)',
      ),
    )
    .addOption(
      numeric('--rate-target <rate>', 'with --rate-penalty: the wanted rate, 0…1 (default: 0)'),
    )
    .addOption(
      numeric('--clip-norm <norm>', 'scale gradients down to this norm at most (default: never)'),
    )
    .addOption(
      counting(
        '--accumulate <n>',
        'batches whose gradients are averaged for one step of the optimizer (default: 1)',
      ),
    )
    .addOption(
      numeric(
        '--ema <share>',
        'keep a moving average of the parameters, which is tested and saved (default: none)',
      ),
    )
    .addOption(
      new Option(
        '--freeze <list>',
        'parameters or layers that stay as they are, by name, separated by commas',
      ).argParser(nameList),
    )
    .addOption(
      counting(
        '--early-stopping <n>',
        'end when --monitor (default: testLoss) has not improved for n epochs (default: never)',
      ),
    )
    .addOption(
      numeric(
        '--validation-split <share>',
        'test each epoch on this share of the training data, its last samples, instead of the ' +
          'test data (default: none)',
      ),
    )
}

function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  expect(
    names.every((name) => name !== ''),
    () => `--freeze must be names, separated by commas, got ${JSON.stringify(text)}`,
  )
  return names
}
