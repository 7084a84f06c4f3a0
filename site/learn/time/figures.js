// Figures of this lesson: what each shows for what its controls say.
import { potentialOf, spikesOf, tau, thresholdAt } from '../../kit/plots.js'
import { data } from './run.data.js'

export const order = {
  load: () => import('./lamps.js'),
  label: 'Potential and spikes of a neuron, for green first and for red first.',
  controls: { tau },
  draw({ tau }, live) {
    const levels = [thresholdAt(1), { at: 0 }]
    const plots = ['green', 'red'].map((first) => {
      const steps = live?.inOrder(first, tau) ?? data.order[first]
      const shown = { lines: [potentialOf(steps)], strokes: spikesOf(steps) }
      return { name: `${first} first`, y: [-1, 1.3], height: 130, levels, ...shown }
    })
    const isBlind = plots[1].strokes.length > 0
    return {
      x: [1, 16],
      axes: [['step 1', 16]],
      plots,
      says: isBlind
        ? 'It fires for both orders: it cannot tell.'
        : 'It fires for green first alone.',
    }
  },
}

const way = { label: 'Which way the bar moves', options: data.ways, start: 'right' }

export const camera = {
  label: 'Events of a bar: their columns and rows, over time.',
  controls: { way },
  draw({ way }) {
    const { x, y, t } = data.recordings[way]
    const plotOf = (name, places) => ({
      ...{ name, y: [7.5, -0.5], height: 100, chosen: places.map((at, i) => [t[i] / 1000, at]) },
    })
    return {
      x: [0, 80],
      axes: [['0 ms', 20, 40, 60, '80 ms']],
      plots: [plotOf('column', x), plotOf('row', y)],
      says: `The bar moves ${way}.`,
    }
  },
}

export const cut = {
  load: () => import('./camera.js'),
  label: 'The same events as frames.',
  controls: { count: { label: 'Frames', from: 1, to: 16, start: 8 }, way },
  draw({ count, way }, live) {
    const frames = live?.framesOf(live.record(way), count) ?? data.frames
    return {
      look: 'frames',
      parts: frames.map((shades, t) => ({ is: 'Digit', shades, label: `Frame ${t + 1}` })),
      says: `The bar moves ${way}. A frame has the events of ${+(80 / count).toFixed(1)} ms.`,
    }
  },
}
