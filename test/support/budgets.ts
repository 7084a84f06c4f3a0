/** Budgets by which a test plans, other than those of the package. */

import { budgets } from '../../src/compile/budgets.js'

export type Budgets = typeof budgets

/** What `make` gives, or promises, while it plans by these budgets. */
export function withBudgets<T>(others: Partial<Budgets>, make: () => T): T {
  const before = { ...budgets }
  const restore = (): void => void Object.assign(budgets, before)
  Object.assign(budgets, others)
  let made: T | undefined
  try {
    made = make()
  } finally {
    if (!(made instanceof Promise)) restore()
  }
  return made instanceof Promise ? (made.finally(restore) as T) : made
}
