/** What programs leave in memory for the host, and how a run leaves no trace in it. */

import type { Plan, Program, ProgramName } from '../plan/plan.js'
import type { Buffer } from '../plan/words.js'
import type { Session } from './session.js'

/** How soon the host wants a buffer when it has changed. */
type Wanted = 'prompt' | 'later'

/** Buffers that the host reads. Counts of activity are not among them: they are asked for. */
export function readByHost({ named, programs, options }: Plan): Map<Buffer, Wanted> {
  const wanted = new Map<Buffer, Wanted>()
  const put = (when: Wanted, ...buffers: readonly (Buffer | undefined)[]): void => {
    for (const buffer of buffers)
      if (buffer && wanted.get(buffer) !== 'prompt') wanted.set(buffer, when)
  }
  const { training } = named
  put('later', named.parameters, named.statistics, training?.gradients)
  put('later', ...Object.values(training?.states ?? {}))
  put('prompt', named.output, named.outputSoFar, named.predictions, training?.numbers)
  for (const [name, program] of Object.entries(programs) as [ProgramName, Program][]) {
    const trains = name === 'train' || name === 'gradients'
    for (const { partials, recorded, counts, masks, eligibility } of program.rates) {
      put('prompt', partials)
      // `monitor` reads them behind each batch.
      put(trains ? 'later' : 'prompt', recorded?.masks)
      if (options.inspect) put('later', counts, masks, eligibility)
    }
    for (const { buffer } of program.states ?? []) put(trains ? 'later' : 'prompt', buffer)
    for (const { partials } of program.penalties ?? []) put('prompt', partials)
    for (const probe of program.probes.neurons)
      put('later', probe.spikeGradient, probe.currentGradient, probe.eligibility)
    for (const { gradient } of program.probes.weights) put('later', gradient)
  }
  return wanted
}

/** Runs programs, and puts back all that can be read of the model or that training goes on with. */
export async function withoutTrace<T>(session: Session, run: () => Promise<T>): Promise<T> {
  await session.refresh('all')
  const bytesOf = ({ address, bytes }: Buffer): Uint8Array =>
    new Uint8Array(session.memory.buffer, address, bytes)
  const before = [...readByHost(session.plan).keys()]
    .filter(({ persistent }) => persistent)
    .map((buffer) => [buffer, bytesOf(buffer).slice()] as const)
  try {
    return await run()
  } finally {
    for (const [buffer, bytes] of before) {
      bytesOf(buffer).set(bytes)
      session.wrote(buffer.address, buffer.bytes)
    }
  }
}
