/** What the official code does with CIFAR10-DVS. */

import type { EventDatasetOptions } from './options.js'

/**
 * The official code's way with CIFAR10-DVS (Yu et al., NeurIPS 2024): 10 frames by number, 48 × 48,
 * flipped and rolled by up to 5 pixels in training.
 */
export const cifar10DvsOfficial: EventDatasetOptions = {
  ...{ timeSteps: 10, splitBy: 'number', size: 48, resize: 'official' },
  augment: { flip: true, roll: 5 },
}
