// What the figures of this lesson show, by runs in Node when the site is built.
import { learn, percent } from '../methods/methods.js'
import { framesOf, record, ways } from './camera.js'
import { inOrder, ready } from './lamps.js'

const plain = ({ x, y, t }) => ({ x: [...x], y: [...y], t: [...t] })

export default {
  async load() {
    await ready()
    const recordings = Object.fromEntries(ways.map((way) => [way, plain(record(way))]))
    const [none, memory] = [await learn('bars', 'bptt', 1.001), await learn('bars', 'bptt', 4)]
    return {
      ...{ recordings, ways, events: recordings.right.t.length },
      runs: { 'it forgets: τ = 1.001': none, 'it remembers: τ = 4': memory },
      frames: framesOf(record('right'), 8),
      order: { green: inOrder('green', 4), red: inOrder('red', 4) },
      accuracy: { none: percent(none), memory: percent(memory) },
    }
  },
}
