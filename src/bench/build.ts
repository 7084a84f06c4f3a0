/** The build that runs now, as benchmarks see one. */
import { VERSION } from '../version.js'
import type { Build } from './benchmark.js'

let loaded: Promise<Build> | undefined

/** This build; loaded when it is first asked for. */
export function thisBuild(): Promise<Build> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<Build> {
  const [sw, ops] = await Promise.all([import('../index.js'), import('../ops/index.js')])
  return { name: 'this', version: VERSION, sw, ops }
}
