/** What the commands are for: the page that lists them is written without loading any. */

/** With `operand`: what stands beside the options, and what it is. */
export interface About {
  readonly text: string
  readonly operand?: readonly [name: string, text: string]
}

export const about = {
  train: {
    text:
      'Train a network and test it after each epoch. Without options: the digits that ' +
      'come with the package.',
  },
  eval: {
    text:
      "Test trained weights: those of a run's folder, a safetensors file with the options that " +
      'rebuild its network, one that comes with the package, a NIR file, or an exported network.',
  },
  predict: {
    text:
      'Say which class a trained model sees in images and arrays: .npy, .json, .bin, .pgm, .ppm, ' +
      '.png, .jpg (by @jsquash/png, @jsquash/jpeg), and recordings: .bin, .bs2, .aedat, .aedat4, ' +
      '.npy, .npz. Sizes must be those of the network; bytes and recordings are read as in the ' +
      'run, whose --image-size resizes pictures.',
    operand: ['<file...>', 'samples; an array may hold several'],
  },
  export: {
    text:
      'Export a trained network as one WebAssembly module without imports, with a C header ' +
      'beside it.',
  },
  info: {
    text:
      'Show version, machine and what it supports; with --model, --run, --weights or --nir, the ' +
      'layers, parameters, memory and neurons of a network.',
  },
  report: {
    text:
      'Write the page about a run (report.html in its folder) once more: of a run that was ' +
      'killed, that was stopped, or that still goes on.',
    operand: ['<folder>', 'folder of a run'],
  },
  diagnose: {
    text:
      'Measure on a network what the paper claims: its assumptions while training with ' +
      'BPTT, rate gradients against those of BPTT, time and memory of each method over ' +
      'T, and firing rates. Prints tables and writes diagnose.json and diagnose.html.',
  },
  verify: {
    text:
      'Run an exported network on every host that is found, and compare its outputs bit by bit ' +
      "with the model's.",
    operand: ['<net.wasm>', 'file that export has written'],
  },
  show: {
    text:
      'Show a recording of an event camera: a still and the events over time in the terminal, ' +
      'and with --out a page that plays it. Or with --trace the potential, threshold and ' +
      'spikes of neurons of a trained model, and with --out a page of them.',
    operand: ['[file]', 'recording: N-MNIST .bin or .bs2, .aedat, .aedat4, .npy or .npz'],
  },
  bench: {
    text:
      'Measure kernels, training steps, inference and memory on this machine, beside what it can ' +
      'do at most, and compare builds. Exit code 0: no slow-down was found, or it could not be ' +
      'decided; 1: a slow-down; 2: anything else.',
  },
  sweep: {
    text:
      'Train many runs, which differ in some options, and compare them. Without --redis they run ' +
      'here, as many at a time as processors and memory allow; with it, on all machines where ' +
      '`spikewasm worker` runs. The same command again goes on where it was.',
    operand: ['<file>', 'the sweep: {"base": {…}, "grid": {"lr": [0.05, 0.1], "seed": [1, 2]}}'],
  },
  worker: {
    text:
      'Take jobs from Redis and do them: runs of `sweep --redis`, on as many machines as there ' +
      'are. Needs the packages bullmq and ioredis.',
  },
} satisfies Readonly<Record<string, About>>
