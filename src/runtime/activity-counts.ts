/** What programs count of activity, as it stands in a model's memory. */

import type { Session } from './session.js'

/** Says whether runs count from now on; returns whether they did before. */
export function wantActivity(session: Session, value: number): number {
  const { memory, plan } = session
  const { activityWanted } = plan.named
  if (!activityWanted) return 0
  const view = new DataView(memory.buffer)
  const before = view.getUint32(activityWanted.address, true)
  view.setUint32(activityWanted.address, value, true)
  session.wrote(activityWanted.address, 4)
  return before
}

/** A number of 64 bits of an `ActivityCount`. */
export const activityNumber = (view: DataView, at: number): number =>
  view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true)
