import type { Session } from './session.js'

/**
 * The session, when nothing runs.
 *
 * @throws SpikewasmError while the model runs, and after `dispose`
 */
export function idle(session: Session): Session {
  session.checkAlive()
  session.lock.checkIdle()
  return session
}
