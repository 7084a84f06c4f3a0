/** Warnings: what works, but hardly as it was meant. */

/** Under which codes they come; `process.on('warning', …)` can tell them apart (Node). */
export type WarningCode =
  | 'SPIKEWASM_THREADS'
  | 'SPIKEWASM_VERSION'
  | 'SPIKEWASM_SILENT'
  | 'SPIKEWASM_CACHE'
  | 'SPIKEWASM_PICTURES'
  | 'SPIKEWASM_REPORT'

export function warn(message: string, code: WarningCode): void {
  if (typeof process !== 'undefined' && process.emitWarning !== undefined)
    process.emitWarning(message, { type: 'SpikewasmWarning', code })
  else console.warn(message)
}
