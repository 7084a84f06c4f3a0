/** Spikes of all steps, where the network runs in calls of a few. */

import { RecordSpikesRecord } from '../generated/records'

/**
 * Bit t + s of Out = bit s of In, for the T steps s of the call from t on; bits of later steps are
 * cleared with the first of a byte. Unit = bytesPerUnit bytes of a plane. Scratch: none.
 */
export function recordSpikes(rec: RecordSpikesRecord, unit: i32, t: i32, scratch: usize): void {
  const bytes = rec.planeBytes
  const per = rec.bytesPerUnit
  const first = <usize>unit * per
  const count = min(per, bytes - first)
  const T = rec.steps
  for (let s = 0; s < T; s++) {
    const step = t + s
    recordStep(
      rec.out + <usize>(step >> 3) * bytes + first,
      rec.in + <usize>(s >> 3) * bytes + first,
      count,
      step & 7,
      s & 7,
    )
  }
}

/** Bit `to` of out = bit `from` of masks; the first bit clears the others. `bytes`: quads. */
export function recordStep(out: usize, masks: usize, bytes: usize, to: i32, from: i32): void {
  const keep: u32 = to == 0 ? 0 : 0xffffffff
  for (let i: usize = 0; i < bytes; i += 4) {
    const bit = (load<u32>(masks + i) >> from) & 0x01010101
    store<u32>(out + i, (load<u32>(out + i) & keep) | (bit << to))
  }
}
