/** What runs have left, for tests that compare two of them. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** SHA-256 of the weights in a run's folder. */
export async function weightsHash(folder: string): Promise<string> {
  const bytes = await readFile(join(folder, 'weights.safetensors'))
  return createHash('sha256').update(bytes).digest('hex')
}

/** What of a run's records is no time. */
export const withoutTimes = (records: readonly object[]): object[] =>
  records.map((record) => {
    const { stepMs, dataWaitMs, samplesPerSecond, ...rest } = record as Record<string, unknown>
    return rest
  })
