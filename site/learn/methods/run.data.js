// What the figures of this lesson show, by runs in Node when the site is built.
import { framesOf, record } from '../time/camera.js'
import { compare, cost, learn, methods } from './methods.js'

export default {
  async load() {
    const [runs, digits, kept, times, compared] = [{}, {}, {}, {}, {}]
    for (const method of methods) {
      runs[method] = await learn('bars', method)
      digits[method] = (await learn('digits', method)).accuracy
      for (const T of [1, 8, 32]) {
        const name = `${method}, T = ${T}`
        ;({ kept: kept[name], milliseconds: times[name] } = await cost(method, T))
      }
    }
    for (const method of ['rate', 'ottt'])
      for (const task of ['digits', 'bars'])
        compared[`${task} ${method}`] = await compare(task, method, 10)
    const pixels = framesOf(record('right'), 8).map((frame) => frame.filter(Boolean).length / 64)
    const shares = [pixels, ...runs.bptt.shares]
    return { runs, digits, kept, times, compared, shares }
  },
}
