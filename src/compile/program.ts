/** A program while it is planned: records that read and write buffers, in sections that repeat. */

import { Rec } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'
import type { KernelSet } from '../kernels/equations/kernel-set.js'
import * as schemas from '../kernels/records/schema.js'
import type { Buffer, MemoryKind, Reference, Words } from '../kernels/records/words.js'

/**
 * Entries of all tables, most of which are terms of sums and gradients that come together: tens of
 * times those of the largest networks of ours. Each takes kilobytes while a plan is made.
 */
const MOST_ENTRIES = 80_000

/** Part of a training step: the forward pass, the backward pass, or the optimizer's update. */
export type Phase = 'forward' | 'backward' | 'update'

/** Always, in calls of the step mask, in all calls but the first, or when a u32 is not 0. */
export type Condition = 'always' | 'stepMask' | 'later' | Reference

export interface PlannedRecord extends schemas.RecordKind, Omit<At, 'section'> {
  readonly units: number
  /**
   * Equal parts of the units, each of which runs through the images (or whatever the units are):
   * workers have their share of each.
   */
  readonly groups: number
  readonly words: Words
  /** What the words are made of, by the schema's names. */
  readonly fields: schemas.AnyFields
  readonly phase: Phase
  /** Worker scratch of one unit. */
  readonly scratch: number
}

export interface Section {
  readonly records: PlannedRecord[]
  /** Calls, the first step of the first one, and the steps of each. */
  readonly repeats: number
  readonly from: number
  readonly steps: number
  /** Index of its first record in the program that it is cut from; absent: it is counted. */
  readonly index?: number
}

function newSection(repeats = 1, from = 0, steps = 1): Section {
  return { records: [], repeats, from, steps }
}

/** Where records go that are emitted, and what they have in common. */
interface At {
  readonly section: Section
  readonly condition: Condition
  /** Index into the graph's nodes, or `Rec.NoLayer`. */
  readonly layer: number
}

/** One program: what the engine runs for one message. */
export interface PlannedProgram {
  readonly name: string
  readonly sections: Section[]
}

/**
 * Collects buffers and programs; records' lifetimes follow from the order in which they are
 * emitted.
 */
export class ProgramBuilder {
  readonly buffers: Buffer[] = []
  /** In the order in which they were begun. */
  readonly programs: PlannedProgram[] = []
  /** What `prepare` has emitted. */
  prepared: PlannedProgram | undefined
  /** Functions that records call through the engine's table; undefined: none. */
  kernels?: KernelSet
  private clock = 0
  private entries = 0
  /** Where records to come go, on which condition, and their layer and phase. */
  private at: At = { section: newSection(), condition: 'always', layer: Rec.NoLayer }
  phase: Phase = 'forward'
  /** The memory that records to come mean by a place, where that may be another one. */
  placeOf?: (place: Reference, use: schemas.Access['use']) => Reference

  buffer(
    name: string,
    bytes: number,
    purpose: MemoryKind = 'scratch',
    persistent = purpose !== 'scratch' && purpose !== 'kept',
  ): Buffer {
    const buffer: Buffer = {
      name,
      bytes: Math.max(64, roundUp(bytes, 64)),
      purpose,
      persistent,
      first: Number.POSITIVE_INFINITY,
      last: -1,
      address: 0,
    }
    this.buffers.push(buffer)
    return buffer
  }

  /** @param steps of its first section */
  program(name: string, steps = 1): PlannedProgram {
    this.phase = 'forward'
    const program = { name, sections: [] }
    this.programs.push(program)
    this.startSection(1, 0, steps)
    return program
  }

  /** @param steps of each of the calls, which begin at step `from`. */
  startSection(repeats: number, from = 0, steps = 1): void {
    const section = newSection(repeats, from, steps)
    this.at = { ...this.at, section, condition: 'always' }
    this.programs[this.programs.length - 1].sections.push(section)
  }

  /** From here on records of the section run on this condition. */
  setCondition(condition: Condition): void {
    this.at = { ...this.at, condition }
  }

  /** Emits elsewhere, or otherwise. */
  private within(where: Partial<At>, emit: () => void): void {
    const before = this.at
    this.at = { ...before, ...where }
    emit()
    this.at = before
  }

  /** Emits what runs on a condition of its own, where the section has none. */
  when(condition: 'later' | Reference, emit: () => void): void {
    if (this.at.condition !== 'always') throw new Error('a record has one condition')
    this.within({ condition }, emit)
  }

  /**
   * Persistent memory of the current layer that is made once: `carried` has what there is. The name
   * is one of the layer's own.
   */
  carried(carried: Map<string, Buffer>, name: string, bytes: number, purpose: MemoryKind): Buffer {
    const key = `${this.at.layer} ${name}`
    const buffer = carried.get(key) ?? this.buffer(name, bytes, purpose, true)
    carried.set(key, buffer)
    return buffer
  }

  /**
   * Emits records into a program of their own, which runs once before all others; of a layer only
   * the first time.
   */
  prepare(emit: () => void): void {
    this.prepared ??= { name: 'prepare', sections: [newSection()] }
    const [section] = this.prepared.sections
    if (section.records.some(({ layer }) => layer === this.at.layer)) return
    this.within({ section, condition: 'always' }, emit)
  }

  /** Position in time, to mark where the forward pass ends. */
  get now(): number {
    return this.clock
  }

  /** Runs `emit` for a layer: its records carry the layer's index. */
  inLayer(layer: number, emit: () => void): void {
    this.within({ layer }, emit)
  }

  /** What emits for the layer of now whenever it is called, on no condition. */
  later(emit: () => void): () => void {
    const { layer } = this.at
    return () => this.within({ layer, condition: 'always' }, emit)
  }

  /**
   * Adds a record. `scratch`: bytes for each worker, where its fields do not say; `groups`: see
   * `PlannedRecord`.
   */
  emit<S extends schemas.Schema>(
    kind: schemas.RecordKind<S>,
    units: number,
    given: schemas.Fields<S>,
    {
      scratch = kind.scratchOf?.(given) ?? 0,
      groups = 1,
    }: { scratch?: number; groups?: number } = {},
  ): void {
    if (units % groups !== 0 || groups >= 2 ** (32 - Rec.GroupShift))
      throw new Error(`${kind.name}: ${units} units cannot be ${groups} equal groups`)
    const { placeOf } = this
    const { name, op, work, schema } = kind
    const fields = placeOf ? schemas.withPlaces(schema, given, placeOf) : given
    const words = schemas.wordsOf(schema, fields, (buffer) => this.touch(buffer))
    this.countEntries(words)
    const { phase } = this
    const { section, layer, condition } = this.at
    if (typeof condition === 'object') this.touch(condition.buffer)
    this.clock++
    const made = { name, op, work, schema, fields, words, units, groups, scratch }
    section.records.push(Object.assign(made, { layer, phase, condition }))
  }

  private countEntries(words: Words): void {
    for (const value of Object.values(words))
      if (typeof value === 'object' && 'table' in value) this.entries += value.table.length
    if (this.entries > MOST_ENTRIES)
      fail(
        `the network is too large to plan: its layers read sums and joins of more than ` +
          `${MOST_ENTRIES} values in all; use sums and joins of fewer values, or fewer of them`,
      )
  }

  /** Extends a buffer's life to now. */
  touch(buffer: Buffer): void {
    buffer.first = Math.min(buffer.first, this.clock)
    buffer.last = Math.max(buffer.last, this.clock)
  }
}

/** Planning stops behind each part: a thread that must stay free does something else meanwhile. */
export type Parts<T> = Generator<undefined, T>

/** All of it at once. */
export function atOnce<T>(parts: Parts<T>): T {
  for (;;) {
    const { done, value } = parts.next()
    if (done) return value
  }
}
