/** Warnings: what works, but hardly as it was meant. */

import { platform, type WarningCode } from './platform.js'

export type { WarningCode }

export function warn(message: string, code: WarningCode): void {
  platform().warn(message, code)
}
