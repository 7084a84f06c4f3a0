/** Functions whose code is read when it is asked for. */

import type { Expression, Func, Label } from './ir.js'
import type { ValueType } from './types.js'

/** A function of the engine; a network uses a part of them. */
export class Decoded implements Func {
  readonly label: Label
  read: ((func: Func) => void) | undefined
  #locals: ValueType[] = []
  #body: readonly Expression[] = []

  constructor(
    public name: string,
    public params: ValueType[],
    public result: ValueType | undefined,
  ) {
    this.label = { kind: 'block', result }
  }

  get locals(): ValueType[] {
    this.#decode()
    return this.#locals
  }

  set locals(locals) {
    this.#locals = locals
  }

  get body(): readonly Expression[] {
    this.#decode()
    return this.#body
  }

  set body(body) {
    this.#body = body
  }

  #decode(): void {
    const { read } = this
    this.read = undefined
    read?.(this)
  }
}
