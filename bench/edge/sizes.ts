/** How large exported networks are, beside the numbers that they hold. */

import type { Report, ResultTable } from '../../src/bench/report.js'
import type { NetInfo } from '../../src/edge/abi.js'
import { netInfo } from '../../src/edge/net.js'
import type { Build } from './builds.js'
import { codeOf, functionCount } from './code.js'

const PAGE = 65536

/**
 * Bytes of the network's own numbers: 4 for each parameter; in a file that learns also 4 for each
 * running statistic; with weights int8 what the file says.
 */
export function ownBytes({ weights, weightBytes, parameters, state }: NetInfo): number {
  if (weights === 'int8') return weightBytes
  if (!state) return 4 * parameters
  return 4 * state.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
}

const whole = (count: number): string => count.toLocaleString('en')

/** A row of the table and an entry for each file. */
export function reportSizes(
  name: string,
  builds: readonly Build[],
  rows: string[][],
  report: Report,
  machine: string,
): void {
  for (const { label, bytes } of builds) {
    const info = netInfo(bytes)
    const own = ownBytes(info)
    const pages = info.memoryBytes / PAGE
    const code = codeOf(bytes).length
    const count = functionCount(bytes)
    const numbers = [bytes.length, own, bytes.length - own, code, count, pages]
    rows.push([name, label, ...numbers.map(whole)])
    report.smallerIsBetter.push({
      name: `edge size | ${name} | ${label} | above its numbers`,
      unit: 'bytes',
      value: bytes.length - own,
      extra: `file ${bytes.length} bytes, code ${code} bytes, memory ${pages} pages, ${count} functions\n${machine}`,
    })
  }
}

export const sizeTable = (rows: string[][], notes: readonly string[]): ResultTable => ({
  title: 'Exported networks: sizes',
  notes: [
    'numbers: 4 bytes for each parameter, in files that learn for each running statistic too; ' +
      'with int8 what the file keeps of them. above: the rest of the file; most of it is code.',
    'functions: those in the file. pages: memory, 65,536 bytes each.',
    ...notes,
  ],
  head: ['network', 'file', 'bytes', 'numbers', 'above', 'code', 'functions', 'pages'],
  rows,
})
