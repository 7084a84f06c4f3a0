/** Parts of a program that run one by one, where the host does something between them. */

import type { Buffer } from '../kernels/records/words.js'
import type { Phase, PlannedProgram, Section } from './program.js'

/** Where a program leaves an output of the network, and where the host may put its gradient. */
export interface OutputProbe {
  /** The output's where there are several, else empty. */
  readonly name: string
  /** Its mean over time, float32 [images][stored], and what that is multiplied by to be it. */
  readonly mean: Buffer
  readonly meanScale: number
  /** Steps of the call. */
  readonly steps: number
  /** float32 [images][rows][stored], rows being 1 where it is the same at every step. */
  readonly logits: Buffer
  readonly rows: number
  readonly stored: number
  readonly classes: number
  /** Whether the gradient is that of each step's output, not of their mean. */
  readonly ofSteps: boolean
  /** In training: where its gradient goes, float32 [images][rows or 1][stored]. */
  readonly delta?: Buffer
  /** Factor of the gradient of a loss that is a sum over images and, by step, over all steps. */
  readonly gradientScale: number
}

/** Records of one phase. They lie in memory once, among those of their program. */
export interface Cut {
  /** 'rest': backward pass and update together. */
  readonly phase: Phase | 'rest'
  readonly sections: readonly Section[]
  /** The section that it is cut from; 0 of those that go through several. */
  readonly section: number
  /** Calls that the host makes of it, and the steps of each; 1 where its sections repeat. */
  readonly calls: Pick<Section, 'repeats' | 'steps'>
}

/**
 * Cuts a program where its phase changes.
 *
 * @param byCall whether the host also acts between the calls of a section; else sections of one
 *   phase that follow one another are one part
 */
export function cutsOf({ sections }: PlannedProgram, byCall: boolean): Cut[] {
  const cuts: Cut[] = []
  let before = 0
  for (const [s, section] of sections.entries()) {
    const { records, repeats, steps } = section
    const calls = { repeats, steps }
    for (let from = 0; from < records.length; ) {
      const { phase } = records[from]
      const next = records.findIndex((record, i) => i > from && record.phase !== phase)
      const to = next < 0 ? records.length : next
      const part = { ...section, records: records.slice(from, to), index: before + from }
      const last = cuts.at(-1)
      if (byCall) cuts.push({ phase, section: s, sections: [{ ...part, repeats: 1 }], calls })
      else if (last?.phase === phase)
        cuts[cuts.length - 1] = { ...last, sections: [...last.sections, part] }
      else cuts.push({ phase, section: 0, sections: [part], calls: { repeats: 1, steps } })
      from = to
    }
    before += records.length
  }
  if (byCall) return cuts
  const rest = cuts.filter(({ phase }) => phase !== 'forward').flatMap((cut) => cut.sections)
  return [...cuts, { phase: 'rest', section: 0, sections: rest, calls: cuts[0].calls }]
}

/** A call of the network, or what runs before or behind all of them. */
export interface Call<C> {
  readonly cuts: Readonly<Partial<Record<Cut['phase'], C>>>
  /** What its loops over t begin with, and its first step. */
  readonly offset: number
  readonly step: number
  /** Which size of call it is, in the order of a program's `outputs`; −1 where it is none. */
  readonly index: number
}

/** What runs one after the other. */
export function callsOf<C extends Cut>(cuts: readonly C[]): Call<C>[] {
  const bySection = new Map<number, Partial<Record<Cut['phase'], C>>>()
  for (const cut of cuts)
    bySection.set(cut.section, { ...bySection.get(cut.section), [cut.phase]: cut })
  let size = -1
  return [...bySection.values()].flatMap((section) => {
    const index = section.forward && section.backward ? ++size : -1
    const [{ calls, sections }] = Object.values(section)
    return Array.from({ length: calls.repeats }, (_, i): Call<C> => {
      const offset = i * calls.steps
      return { cuts: section, offset, step: sections[0].from + offset, index }
    })
  })
}
