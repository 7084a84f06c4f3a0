/** Makes activations again that are not kept; in a page `checkpoints.page.ts` stands for it. */

import type { ProgramBuilder } from './program.js'
import { type Choices, noChoices, Remade } from './recompute.js'

export const remake = (b: ProgramBuilder, choices: Choices = noChoices): Remade =>
  new Remade(b, choices)
