/** Which layers of a network use a function of the engine. */

import type { GraphNode } from '../graph/trace.js'
import type { Plan, Program } from '../plan/plan.js'
import { kernelOf } from '../plan/records/schema.js'
import { decodeFunctions, decodeModule } from '../wasm/decode.js'
import { type Func, visit } from '../wasm/ir.js'

/**
 * The layers whose operations reach a function, as messages name them, for example `2, maxPool2d`.
 * Empty for what all of them use.
 */
export function usersOf(
  func: string,
  engine: Uint8Array,
  { kernels, options: { graph } }: Plan,
  programs: readonly Program[],
): string[] {
  // Read again: the code of a network has been changed in place.
  const functions = decodeModule(engine, kernels && decodeFunctions(kernels.bytes(false)))
  const users = new Set<GraphNode>()
  for (const { layer, ...kind } of programs.flatMap(({ records }) => records)) {
    const node = graph.nodes[layer]
    if (node && reaches(functions.get(kernelOf(kind)), func)) users.add(node)
  }
  return Array.from(users, ({ name, kind }) => `${name || 'network'}, ${kind}`)
}

function reaches(root: Func | undefined, name: string): boolean {
  const found = new Set(root ? [root] : [])
  for (const func of found) {
    if (func.name === name) return true
    visit(func.body, (e) => {
      if (e.kind === 'call') found.add(e.callee)
    })
  }
  return false
}
