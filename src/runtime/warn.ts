/** Warnings: what works, but hardly as it was meant. */

import { printable } from '../errors.js'
import { platform, type WarningCode } from './platform.js'

export type { WarningCode }

export function warn(message: string, code: WarningCode): void {
  platform().warn(printable(message), code)
}
