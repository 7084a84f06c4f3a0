// A neuron to which one lamp adds, and from which another takes away. Runs in Node when the site is
// built, and in the page.
import { stepsOf } from '../../kit/steps.js'

export { ready } from '../../kit/steps.js'

const [GREEN, RED] = [1.2, -0.9]

export function inOrder(first, tau) {
  const [at4, at7] = first === 'green' ? [GREEN, RED] : [RED, GREEN]
  return stepsOf(Array(16).fill(0).with(4, at4).with(7, at7), { tau })
}
