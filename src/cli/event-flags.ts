/** The flags of recordings and encoders. */

import { type Command, Option } from 'commander'
import { encoderNames } from '../data/encoders.js'
import { eventSplits } from '../data/events/split-names.js'
import { expect } from '../errors.js'
import { counting, named, numbers, numeric } from './options.js'

/** Width and height of a sensor. */
const sensor = (): Option => {
  const option = numbers(
    '--sensor <list>',
    'recordings: width,height of the sensor in pixels (default: as the files or the data set say)',
  )
  const parse = option.parseArg!
  return option.argParser((text) => {
    const sizes = parse(text, undefined) as unknown as number[]
    expect(
      sizes.length === 2 && sizes.every((size) => Number.isInteger(size) && size >= 1),
      () => `--sensor must be width,height in pixels, as in 128,128, got ${JSON.stringify(text)}`,
    )
    return sizes
  })
}

/** Adds the flags that say what a sample is; with `training` those of random changes too. */
export function addEventFlags(
  command: Command,
  { training = false, encoder = true } = {},
): Command {
  const cut = command
    .addOption(
      named(
        '--split-by <way>',
        'recordings: how they are cut into --time-steps frames; number, time as SpikingJelly, ' +
          'timeBins, eventBins as Tonic (default: number)',
        eventSplits,
      ),
    )
    .addOption(numeric('--time-window <µs>', 'recordings: µs of a frame; needs --time-steps'))
    .addOption(counting('--event-count <n>', 'recordings: events of a frame; needs --time-steps'))
    .addOption(numeric('--overlap <n>', "recordings: Tonic's overlap of frames (default: 0)"))
    .addOption(
      numeric(
        '--start-time <µs>',
        'with --time-window: where the first frame begins (default: at the first event; nmnist 0)',
      ),
    )
    .addOption(
      named(
        '--rest <way>',
        'with --time-window or --event-count: drop events behind the frames, or add them to the ' +
          'last (default: drop; nmnist with --time-window last)',
        ['drop', 'last'],
      ),
    )
    .addOption(new Option('--binary', 'recordings: 1 where there was an event, not their number'))
    .addOption(counting('--event-size <n>', "recordings: side of a frame (default: the sensor's)"))
    .addOption(
      named(
        '--event-resize <way>',
        'with --event-size: move events (sum), or as the official code of CIFAR10-DVS (official) ' +
          '(default: sum)',
        ['sum', 'official'],
      ),
    )
    .addOption(
      numeric('--denoise <µs>', 'recordings: drop events without a neighbour in this time'),
    )
    .addOption(sensor())
  if (encoder)
    cut.addOption(
      named(
        '--encoder <name>',
        'still data: turn inputs into frames of spikes (default: the input itself at each step)',
        encoderNames.filter((name) => name !== 'delta'),
      ),
    )
  if (!training) return cut
  return cut
    .addOption(new Option('--flip', 'recordings: mirror in training'))
    .addOption(numeric('--roll <n>', 'recordings: roll by up to n pixels in training (default: 0)'))
    .addOption(
      numeric(
        '--shift <n>',
        'recordings: move by up to n pixels in training (default: nmnist 2, others 0)',
      ),
    )
    .addOption(
      numeric('--time-jitter <µs>', 'recordings: deviation of times in training (default: 0)'),
    )
    .addOption(numeric('--drop-event <share>', 'recordings: drop events in training (default: 0)'))
    .addOption(new Option('--event-drop', 'recordings: EventDrop in training'))
}
