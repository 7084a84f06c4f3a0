// What the figures of this lesson show, by runs in Node when the site is built.
import { learn } from '../methods/methods.js'
import { framesOf, record, ways } from './camera.js'
import { inOrder, ready } from './lamps.js'

const firesFor = (first, tau) => inOrder(first, tau).some(({ spike }) => spike)
const plain = ({ x, y, t }) => ({ x: [...x], y: [...y], t: [...t] })

export default {
  async load() {
    await ready()
    const recordings = Object.fromEntries(ways.map((way) => [way, plain(record(way))]))
    return {
      ...{ recordings, ways, events: recordings.right.t.length },
      runs: {
        'it forgets: τ = 1.001': await learn('bars', 'bptt', 1.001),
        'it remembers: τ = 4': await learn('bars', 'bptt', 4),
      },
      frames: framesOf(record('right'), 8),
      // The largest τ, in tenths, at which it fires for red first, too.
      blind: [...Array(40).keys()].findLast((n) => n > 10 && firesFor('red', n / 10)) / 10,
      order: { green: inOrder('green', 4), red: inOrder('red', 4) },
    }
  },
}
