/** When an operation runs on a model, and with which arguments: as they are when it is called. */

import { copyOf } from '../copy.js'
import type * as host from '../host.js'
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

/**
 * Runs an operation that changes the model, or refuses before it has touched anything.
 *
 * @param args of the operation; it gets copies where it cannot begin at once
 * @param nested whether `fit` allows it in its `onEpoch`
 */
export async function alone<const A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
  nested = true,
): Promise<T> {
  session.checkAlive()
  const { begin, later } = turnOf(session, args, operation)
  return session.lock.hold(begin, nested, later)
}

/** Runs an operation that leaves the model as it is, in its turn. The signal ends the waiting. */
export async function inTurn<const A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
  signal?: host.AbortSignal,
): Promise<T> {
  session.checkAlive()
  const { begin, later } = turnOf(session, args, operation)
  const run = (): Promise<T> => {
    session.checkAlive()
    return begin()
  }
  return session.lock.inTurn(run, signal, later)
}

/** The beginning of an operation, and what is to be called before it has to wait. */
function turnOf<A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
) {
  let own = args
  const later = (): void => {
    own = copyOf(args)
  }
  const begin = (): Promise<T> => {
    const { beginning } = session
    if (!beginning) return operation(...own)
    later()
    return beginning.then(() => operation(...own))
  }
  return { begin, later }
}
