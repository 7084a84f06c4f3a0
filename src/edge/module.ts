/** The code of an exported network: the engine, as far as its programs use it. */

import { Control, ProgramWord, Rec, SectionWord } from '../../assembly/opcodes.js'
import type { Plan, Program } from '../compile/plan.js'
import { type Expression, type Func, i32, operation, typeOf } from '../kernels/wasm/ir.js'
import { interpreted, type Range } from './contents.js'
import type { Prepared } from './prepare.js'
import { analyse, rewrite } from './specialise/analyse.js'
import type { Constants, Entry } from './specialise/fold.js'
import { usesOf } from './specialise/locals.js'
import { tidy } from './specialise/tidy.js'

/** A function that a host calls. */
export interface Driver {
  readonly name: string
  readonly result: 'i32' | 'f32' | undefined
  readonly body: readonly Expression[]
}

/** A call of a function of the engine. */
export function callOf(
  engine: ReadonlyMap<string, Func>,
  name: string,
  args: readonly Expression[],
): Expression {
  const callee = engine.get(name)
  if (!callee) throw new Error(`the engine has no function ${name}`)
  return { kind: 'call', callee, args }
}

/** The same as a statement, with arguments that are constant. */
export const call = (
  engine: ReadonlyMap<string, Func>,
  name: string,
  ...args: readonly number[]
): Expression => {
  const e = callOf(engine, name, args.map(i32))
  return typeOf(e) ? { kind: 'drop', value: e } : e
}

/** A function that gives a word. */
export const word = (name: string, value: Expression): Driver => ({
  name,
  result: 'i32',
  body: [value],
})

export const store = (address: number, value: Expression): Expression =>
  operation('i32.store', [i32(address), value], { align: 2 })

export const loadWord = (address: number): Expression =>
  operation('i32.load', [i32(address)], { align: 2 })

/**
 * The drivers and what they call, with the records of the programs put in.
 * @param changing control words that are not constant
 */
export function specialise(
  engine: ReadonlyMap<string, Func>,
  { plan, memory }: Prepared,
  programs: readonly Program[],
  drivers: readonly Driver[],
  changing: readonly Control[],
) {
  const functions = drivers.map(({ name, result, body }): Func => {
    const label = { kind: 'block', result } as const
    return { name, params: [], result, locals: [], label, body }
  })
  const view = new DataView(memory.buffer)
  const constants = constantMemory(view, plan.encodedAt, plan.encoded.bytes.length, changing)
  const execute = engine.get('execute')
  if (!execute) throw new Error('the engine has no function execute')
  const records = programs.flatMap((program) =>
    recordsOf(view, program, program === plan.programs.stream),
  )
  const entries: Entry[] = [
    ...functions.map((func) => ({ func, args: [], interprets: true })),
    ...records.map(({ address, units, first }) => ({
      func: execute,
      args: [address, units === 1 ? 0 : undefined, first, plan.workerScratchAt],
      interprets: false,
    })),
  ]
  const facts = analyse(entries, constants, new Set([execute]))
  const read: Range[] = []
  // Terms of sums point to it from tables, where the analysis does not look.
  const words = new Set<number>([Control.Input])
  for (const [op, addresses] of facts.read)
    if (facts.of.get(op)?.value === undefined) for (const at of addresses) words.add(at & ~3)
  for (const at of words) read.push({ from: at, to: at + 4 })
  for (const range of neededAnyway(view, plan, records)) read.push(range)
  for (const at of facts.escaped) {
    const record = records.find(({ address }) => at >= address && at < address + Rec.Bytes)
    if (record) read.push({ from: record.address, to: record.address + Rec.Bytes })
  }
  rewrite(facts)
  const called = reachable(functions)
  tidy(called, new Set(functions))
  return {
    /** All functions that are called, the drivers first. */
    functions: reachable(functions),
    drivers: new Map(functions.map((f) => [f.name, f])),
    /** Bytes of constant memory that the code still reads. */
    read,
  }
}

/** Programs are constant, and so are the control words that no one changes. */
function constantMemory(
  view: DataView,
  from: number,
  bytes: number,
  changing: readonly Control[],
): Constants {
  const fixed = [
    Control.Input,
    Control.Target,
    Control.Valid,
    Control.StepMask,
    Control.StepMasks,
    Control.FirstStep,
    Control.FirstImage,
  ].filter((word) => !changing.includes(word))
  return {
    view,
    has: (address, count) =>
      (address >= from && address + count <= from + bytes) ||
      (count === 4 && fixed.includes(address)),
  }
}

type PlacedRecord = ReturnType<typeof recordsOf>[number]

/** Records of a program where they lie in memory. */
function recordsOf(view: DataView, program: Program, looped = false) {
  const word = (at: number, index: number): number => view.getUint32(at + index * 4, true)
  return program.sections.flatMap(({ records, repeats, from }, i) => {
    const section = program.address + ProgramWord.Bytes + i * SectionWord.Bytes
    const first = word(section, SectionWord.Records)
    return records.map(({ units }, j) => ({
      address: first + j * Rec.Bytes,
      units,
      /** The step at which it runs, if there is only one. */
      first: looped || repeats > 1 ? undefined : from,
    }))
  })
}

/**
 * All of the programs but the records: headers, tables. Of the records what the interpreter reads.
 */
function neededAnyway(
  view: DataView,
  { encodedAt, encoded, programs: all }: Plan,
  records: readonly PlacedRecord[],
): Range[] {
  const needed: Range[] = []
  let at = encodedAt
  const arrays = Object.values(all)
    .flatMap((program) => recordsOf(view, program))
    .map(({ address }) => address)
    .sort((a, b) => a - b)
  for (const address of arrays) {
    if (address > at) needed.push({ from: at, to: address })
    at = address + Rec.Bytes
  }
  needed.push({ from: at, to: encodedAt + encoded.bytes.length })
  for (const { address } of records)
    for (const word of interpreted)
      needed.push({ from: address + word * 4, to: address + word * 4 + 4 })
  return needed
}

/** The functions and all that they call. */
export function reachable(roots: readonly Func[]): Func[] {
  const found = new Set(roots)
  for (const func of found) for (const { callee } of usesOf(func.body).calls) found.add(callee)
  return [...found]
}
