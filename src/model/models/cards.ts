/** Cards of trained networks: what people are told beside the figures. No program loads them. */

import type { PretrainedName } from './table.js'

/** What people are told of a network, beside its figures. */
export interface Card {
  readonly about: string
  readonly network: string
  readonly input: string
  readonly data: string
  readonly recipe: string
  /** What accuracy is of. */
  readonly tested: string
  /** Makes the folder whose weights these are. */
  readonly make: string
  /** Says the accuracy again. */
  readonly judge: string
  readonly licence: string
  readonly limits: string
}

const own = 'MIT, as the package'
const evaluate = (name: string, data: string): string =>
  `npx spikewasm eval --pretrained ${name} --data ${data}`
const convolution = '3×3 convolution, batch normalisation, LIF, 2×2 average pooling'

export const cards = {
  cartpole: {
    about:
      'A spiking actor that balances a pole: a push at each step, to the left or to the right.',
    network: 'linear 4 → 64, LIF, linear 64 → 2',
    input: 'what CartPole-v1 gives: place and speed of the cart, angle and turn of the pole',
    data: 'none: episodes of CartPole-v1, by the equations of Gymnasium',
    recipe: 'PPO with a critic on the same neurons; BPTT, Adam, learning rate 0.01',
    tested: '200 episodes from other starts, with the likelier push each time',
    make: 'node examples/models/actor.mjs --seed 0 --out actor',
    judge: 'node examples/models/actor.mjs --judge data/models/cartpole.safetensors',
    licence: own,
    limits:
      'It knows the starts, masses and lengths of CartPole-v1, and no episode of more than 500 ' +
      'steps. Its probabilities are those that it explored with.',
  },
  'cifar10-cnn': {
    about: 'The network of the [recipe for CIFAR-10](cifar10.md).',
    network:
      'six 3×3 convolutions of 64 to 512 channels, each with batch normalisation and two LIF ' +
      'neurons a channel, whose spikes are added; mean over the picture, linear 512 → 10',
    input: 'a picture of 3×32×32, normalised as `datasets.cifar10` does',
    data: 'CIFAR-10, 50,000 training pictures',
    recipe: 'rate-based backpropagation; 27 epochs in three parts, see the recipe',
    tested: 'the 10,000 test pictures',
    make: 'node examples/cifar10/train.mjs --data DATA --seed 0 --out cifar10',
    judge: 'npx spikewasm eval --weights cifar10-cnn.safetensors --dataset cifar10 --data DATA',
    licence: `${own}; of the data, none is stated`,
    limits:
      'Ten classes of small pictures; everything else gets one of them all the same. Test ' +
      'pictures were looked at while recipes were compared.',
  },
  'digit-rows': {
    about: 'A recurrent network that reads a digit from top to bottom, a row at each time step.',
    network: 'linear 8 → 96, recurrent LIF, linear 96 → 10, leaky integrator',
    input: '8 rows of 8 pixels, one for each step, normalised as `datasets.digits` does',
    data: 'the digits of the package, 1,442 for training',
    recipe: 'BPTT; Adam, learning rate 0.005, cosine, batch 32, 40 epochs',
    tested: 'the 355 test digits',
    make: 'node examples/models/digit-rows.mjs --seed 0 --out rows',
    judge: 'node examples/models/digit-rows.mjs --judge data/models/digit-rows.safetensors',
    licence: `${own}; of the data, CC BY 4.0`,
    limits:
      'It knows the hands of 13 people, who wrote the test digits too, at 8×8 pixels. A digit ' +
      'that is moved by a pixel is another one to it. One test digit is 0.3 %.',
  },
  'fashion-mnist-cnn': {
    about: 'A small convolutional network that names clothes.',
    network: `\`cnn\`: twice ${convolution} (16, 32 channels); linear 1568 → 10`,
    input: 'a grey picture of 28×28, as (byte / 255 − 0.2860) / 0.3530',
    data: 'Fashion-MNIST, 60,000 training pictures, no augmentation',
    recipe: 'rate-based backpropagation; SGD, learning rate 0.1, cosine, batch 64, 15 epochs',
    tested: 'the 10,000 test pictures; first 1,000 test images: 92.8 %',
    make:
      'npx spikewasm train --dataset fashion-mnist --data DATA --model cnn --epochs 15 --seed 0 ' +
      '--out fashion',
    judge: evaluate('fashion-mnist-cnn', 'DATA'),
    licence: `${own}; of the data, MIT (Zalando Research)`,
    limits:
      'Ten kinds of clothes, upright in the middle of black; everything else gets one of them. ' +
      'Shirts are most often mistaken: `--per-class` shows it.',
  },
  nmnist: {
    about: 'A network for an event camera that looks at digits.',
    network: `\`eventCnn\`: three times ${convolution} (16, 32, 64 channels); linear 1024 → 10`,
    input: '10 frames of 2×34×34, counts of OFF and ON events, as `datasets.nmnist` cuts them',
    data: 'N-MNIST, the 1,000 training recordings of `NMNISTsmall`, moved by up to 2 pixels',
    recipe: 'rate-based backpropagation; SGD, learning rate 0.2, cosine, batch 20, 40 epochs',
    tested: 'the 100 test recordings; one of them is 1 %',
    make: 'npx spikewasm train --dataset nmnist --data N-MNIST --seed 1 --out nm',
    judge: evaluate('nmnist', 'N-MNIST'),
    licence: `${own}; of the data, CC BY-SA 4.0`,
    limits:
      'It has seen a sixtieth of N-MNIST; its accuracy is known to ± 4 %. Other sensors, speeds ' +
      'and lengths are unknown to it, and so are frames cut by time.',
  },
} as const satisfies Readonly<Record<PretrainedName, Card>>
