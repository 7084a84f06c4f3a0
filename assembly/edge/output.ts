/** Outputs of exported streams. */

import { Control } from '../opcodes'

/**
 * A step of a stream has run: counts it, and out[c] = raw[c] · total / steps so far. raw float32
 * [count]: the sum over the steps of outputs / total.
 */
export function edgeMean(raw: usize, out: usize, count: i32, total: i32): void {
  const steps = load<i32>(Control.FirstStep) + 1
  store<i32>(Control.FirstStep, steps)
  const scale = <f64>total / <f64>steps
  for (let end = raw + ((<usize>count) << 2); raw < end; raw += 4) {
    store<f32>(out, <f32>(<f64>load<f32>(raw) * scale))
    out += 4
  }
}
