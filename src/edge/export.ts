/** `exportWasm`: a trained network becomes one WebAssembly module without imports. */

import { describe, fail } from '../base/errors.js'
import { copyOf } from '../base/objects.js'
import type { PlanPurpose } from '../compile/context.js'
import { checkSteps } from '../compile/methods.js'
import { ruleOf } from '../compile/optimizer-kind.js'
import type { PlanOptions } from '../compile/plan.js'
import { standardTraining } from '../compile/training.js'
import { engineBytes, givenEngine } from '../engine/load.js'
import { stateDict } from '../engine/memory/state.js'
import type { Session } from '../engine/session.js'
import { Model } from '../model/model.js'
import type { ExportOptions, NetMode, NetTarget } from './abi.js'
import { loadBuild } from './build-later.js'
import { checkLearning, type Learning } from './learning.js'
import { checkExportOptions, type ExportSettings } from './options.js'
import { prepare } from './prepare.js'

/** What a file of each mode is planned for. */
const planPurposes = {
  infer: 'inference',
  step: 'stream',
  both: 'both',
  train: 'learning',
} as const satisfies Record<NetMode, PlanPurpose>

/** Both files of one network. */
export interface BothTargets {
  /** For engines with SIMD. */
  readonly simd: Uint8Array
  /** For all others. */
  readonly scalar: Uint8Array
}

/**
 * A trained network as one WebAssembly module, with the network's parameters inside. It imports
 * nothing and runs in any engine. Its outputs have the same bits as `model.predict`.
 *
 * The bytes hold functions, a custom section and a C struct: docs/exported-file.md
 * describes them. Every layer can be exported.
 * @throws SpikewasmError for options that do not match the model, and for a network that needs more
 *   than 2 GiB
 */
export function exportWasm(
  model: Model,
  options?: ExportOptions & { target?: NetTarget },
): Promise<Uint8Array>
export function exportWasm(
  model: Model,
  options: ExportOptions & { target: 'both' },
): Promise<BothTargets>
export function exportWasm(model: Model, options?: ExportOptions): Promise<Uint8Array | BothTargets>
export async function exportWasm(
  model: Model,
  options: ExportOptions = {},
): Promise<Uint8Array | BothTargets> {
  if (!(model instanceof Model))
    fail(`exportWasm: the model must be what compile() gives, got ${describe(model)}`)
  const { session } = model
  const use = "a model loaded with fewer, and mode 'step': its stream has no end"
  checkSteps('exportWasm', 'exportWasm: timeSteps of the model', session.timeSteps, use)
  const { mode = 'infer', inputType = 'f32' } = options ?? {}
  const isOdd = inputType === 'u8' || (session.frames && (mode === 'step' || mode === 'both'))
  if (session.inputs && isOdd)
    fail(
      `exportWasm: named inputs (${Object.keys(session.inputs).join(', ')}) are exported as ` +
        "float32 in mode 'infer' or 'train', or 'step' and 'both' without frames, got mode " +
        `'${mode}' and inputType '${inputType}'`,
    )
  const { weights } = session.settings
  const { classes } = session
  const labels = session.labels?.names
  const facts = { channels: session.input[0], classes, weights, labels }
  const settings = copyOf(checkExportOptions(options, facts))
  const { target, onProgress, wasm } = settings
  const rounds = settings.weights !== weights
  onProgress(0)
  const { planOptions, learning, state } = await session.lock.look(() => read(session, settings))
  const given = wasm === undefined ? undefined : await givenEngine('exportWasm.wasm', wasm)
  const engine = given?.bytes ?? (await engineBytes())
  const prepared = await prepare(planOptions, state, { learning, rounds, engine: given?.module })
  onProgress(0.3)
  const { buildNet } = await loadBuild()
  const build = (of: NetTarget): Uint8Array => buildNet(prepared, engine, settings, of)
  const first = build(target === 'both' ? 'simd' : target)
  if (target === 'both') onProgress(0.6)
  const made = target === 'both' ? { simd: first, scalar: build('scalar') } : first
  onProgress(1)
  return made
}

/** What a file is made of, of a model that rests. */
function read(session: Session, { mode, batchSize, weights }: ExportSettings) {
  const { optimizer, seed, steps, plan, clipNorm, loss } = session
  let planOptions: PlanOptions = {
    ...plan.options,
    training: standardTraining,
    inspect: false,
    record: [],
    states: {},
    batchSize,
    purpose: planPurposes[mode],
    fixed: mode !== 'train',
    weights,
  }
  let learning: Learning | undefined
  if (mode === 'train') {
    const { backwardSteps, timeSteps } = plan.options
    const what = `exportWasm: timeSteps with backwardSteps ${backwardSteps}, in a file that learns,`
    if (backwardSteps < timeSteps)
      checkSteps('exportedChoice', what, timeSteps, 'all backwardSteps')
    checkLearning(optimizer, plan.options.training ?? standardTraining, clipNorm)
    const training = { ...standardTraining, loss, rule: ruleOf(optimizer) }
    planOptions = { ...planOptions, training }
    learning = { optimizer, seed, steps }
  }
  return { planOptions, learning, state: stateDict(session) }
}
