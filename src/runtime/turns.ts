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
  let own = args
  const run = (): Promise<T> => begin(session, own, operation)
  return session.lock.hold(run, nested, () => {
    own = copyOf(args)
  })
}

/** Runs an operation that leaves the model as it is, in its turn. The signal ends the waiting. */
export async function inTurn<const A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
  signal?: host.AbortSignal,
): Promise<T> {
  session.checkAlive()
  let own = args
  const run = (): Promise<T> => {
    session.checkAlive()
    return begin(session, own, operation)
  }
  return session.lock.inTurn(run, signal, () => {
    own = copyOf(args)
  })
}

function begin<A extends readonly unknown[], T>(
  session: Session,
  args: A,
  operation: (...args: A) => Promise<T>,
): Promise<T> {
  const { beginning } = session
  if (!beginning) return operation(...args)
  const own = copyOf(args)
  return beginning.then(() => operation(...own))
}
