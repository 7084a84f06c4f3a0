// What the figures of this lesson show, by runs in Node when the site is built.
import { framesOf, record } from '../time/camera.js'
import { compare, cost, learn, methods, percent } from './methods.js'

export default {
  async load() {
    const [runs, digits, accuracy, kept, times, compared] = [{}, {}, {}, {}, {}, {}]
    for (const method of methods) {
      runs[method] = await learn('bars', method)
      accuracy[method] = percent(runs[method])
      digits[method] = percent(await learn('digits', method))
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
    return { runs, digits, accuracy, kept, times, compared, shares }
  },
}
