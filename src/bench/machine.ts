/** On what something was measured. */
import { availableParallelism, cpus, loadavg } from 'node:os'

import { VERSION } from '../version.js'

/** How many processors this process may use. */
function processorsText(): string {
  const count = availableParallelism()
  return `${count} ${count === 1 ? 'processor' : 'processors'}`
}

/** Lines for the head of a report: date, versions, processor, load. */
export function describeMachine(): string[] {
  const load = loadavg()[0]
  const lines = [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, spikewasm ` +
      `${VERSION}, Node ${process.versions.node}, V8 ${process.versions.v8}`,
    `${process.platform} ${process.arch}, ` +
      `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${processorsText()}, ` +
      `load ${load.toFixed(2)} at the start`,
  ]
  if (load > 0.5)
    lines.push(
      'The machine was not idle: expect wider spreads and lower figures than it can reach.',
    )
  return lines
}

/** The same in one line, for entries. */
export function machineLabel(): string {
  const processor = cpus()[0]?.model.trim() ?? process.arch
  return `Node ${process.versions.node}, ${processor}, ${processorsText()}`
}
