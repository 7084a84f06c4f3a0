// A network of your own, for `npx spikewasm train --model ./my-net.mjs`. The default export is a
// network, or a function that is given what the data are and gives one.

import {
  batchNorm2d,
  conv2d,
  dropout,
  flatten,
  lif,
  linear,
  maxPool2d,
  sequential,
} from 'spikewasm'

/** input: [C, H, W] of a sample; classes: how many there are; tau: what --tau says */
export default function myNet({ input: [channels, height, width], classes, tau }) {
  return sequential(
    conv2d(channels, 12, 3, { padding: 1 }),
    batchNorm2d(12),
    lif({ tau }),
    maxPool2d(2),
    flatten(),
    dropout(0.1),
    linear(12 * (height >> 1) * (width >> 1), classes),
  )
}
