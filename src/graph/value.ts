/** What forward functions take and give. */

import type { Value } from '../nn/value.js'

export const isValue = (value: unknown): value is Value =>
  typeof value === 'object' &&
  value !== null &&
  'node' in value &&
  typeof value.node === 'number' &&
  'shape' in value
