/** Which figures the epochs of a training have. */

import { expect } from '../../errors.js'
import type { Monitor } from '../../optimizer/index.js'
import type { FitStart } from '../callback.js'

/** Beside rates and times. */
export const figuresOf = ({ validated, values }: FitStart): readonly string[] => {
  const of = values ? 'MeanAbsoluteError' : 'Accuracy'
  return [
    ...['trainLoss', ...(values ? [] : ['trainAccuracy'])],
    ...(validated ? ['testLoss', `test${of}`] : []),
  ]
}

/**
 * @param name of the option
 * @throws SpikewasmError for a figure that no epoch can have
 */
export function expectFigure(name: string, monitor: Monitor, start: FitStart): void {
  const known = figuresOf(start)
  if (known.includes(monitor)) return
  const needsData = figuresOf({ ...start, validated: true }).includes(monitor)
  const instead = monitor.replace('test', 'train')
  const why = needsData
    ? 'which needs validation data; give fit.validation, or monitor ' +
      `'${known.includes(instead) ? instead : 'trainLoss'}'`
    : `which a loss of ${start.values ? 'targets' : 'labels'} has not; monitor ${known.join(', ')}`
  expect(false, () => `${name} must be a figure that epochs have, got ${monitor}, ${why}`)
}
