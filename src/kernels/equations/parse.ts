/** Text → lines `name = expression`. Every part knows its place, for messages to point at it. */

import { fail, printable, SpikewasmError } from '../../base/errors.js'

/** Comparisons as they are written. */
const comparisons = {
  '>=': 'ge',
  '>': 'gt',
  '<=': 'le',
  '<': 'lt',
  '==': 'eq',
  '!=': 'ne',
} as const
const sums = { '+': 'add', '-': 'sub' } as const
const products = { '*': 'mul', '/': 'div' } as const

export type Comparison = (typeof comparisons)[keyof typeof comparisons]
export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'pow'

/** An expression; `at`: where its operator, name or number begins in the text. */
export type Tree = { readonly at: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'neg' | 'not'; readonly of: Tree }
  | {
      readonly kind: Arithmetic | Comparison | 'and' | 'or'
      readonly left: Tree
      readonly right: Tree
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Tree[] }
)

export interface Line {
  /** What is assigned; undefined where the line is an expression alone. */
  readonly name: string | undefined
  /** `dv/dt = …`: the expression is the rate at which `name` changes. */
  readonly isRate: boolean
  readonly tree: Tree
  readonly at: number
}

/** A text, and what messages call it. */
export interface Source {
  readonly what: string
  readonly text: string
}

/** Characters of a line that messages show. */
const SHOWN = 100
/** Characters of a text at most. */
export const MOST_TEXT = 8192
const MOST_LINES = 100
const LINE_END = /\r\n?|\n/
/** The most parentheses and signs; operators in a row. */
const [MOST_DEPTH, MOST_ROW] = [40, 500]

/** A mistake in a text of equations: the message has line, column, and a caret below the place. */
export class EquationError extends SpikewasmError {
  constructor({ what, text }: Source, at: number, problem: string) {
    const before = text.slice(0, at).split(LINE_END)
    const column = before[before.length - 1].length
    super(`${what}: line ${before.length}, column ${column + 1}: ${problem}`)
    const line = text.split(LINE_END)[before.length - 1]
    const from = Math.max(0, column - SHOWN + 20)
    const shown = (part: string): string => printable(part.replaceAll('\t', ' '))
    const head = shown(line.slice(from, column))
    const tail = shown(line.slice(column, from + SHOWN))
    this.message += `\n  ${head}${tail}\n  ${' '.repeat(head.length)}^`
  }
}

interface Token {
  readonly kind: 'number' | 'name' | 'sign' | 'end'
  readonly text: string
  readonly at: number
}

const BLANK = /[ \t]*(?:#[^\r\n]*)?/y
const TOKEN =
  /((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|[<>=!]=|\r\n?|[-+*/^()<>,=;\n]/uy

function tokensOf(source: Source, most: number): Token[] {
  const { what, text } = source
  if (text.length > most)
    fail(`${what} must be a text of at most ${most} characters, got ${text.length}`)
  const tokens: Token[] = []
  let open = 0
  for (let at = 0; ; ) {
    BLANK.lastIndex = at
    at += BLANK.exec(text)?.[0].length ?? 0
    if (at === text.length) break
    TOKEN.lastIndex = at
    const found = TOKEN.exec(text)
    if (!found)
      throw new EquationError(source, at, `unexpected ${characterAt(text, at)}${hint(text, at)}`)
    const [all, number, name] = found
    const token = LINE_END.test(all) ? '\n' : all
    if (token === '(') open++
    if (token === ')') open--
    // Within parentheses a line goes on.
    if (token !== '\n' || open <= 0)
      tokens.push({ kind: number ? 'number' : name ? 'name' : 'sign', text: token, at })
    at += all.length
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length })
  return tokens
}

const characterAt = (text: string, at: number): string =>
  printable(String.fromCodePoint(text.codePointAt(at) as number))

/** What writers of other languages may have meant. */
function hint(text: string, at: number): string {
  if ('&|!'.includes(text[at])) return '; write and, or, not'
  return text[at] === '%' ? '; there is no remainder' : ''
}

const isSeparator = ({ text }: Token): boolean => text === '\n' || text === ';'

class Parser {
  private next = 0
  private depth = 0

  constructor(
    private readonly source: Source,
    private readonly tokens: readonly Token[],
  ) {}

  lines(): Line[] {
    const lines: Line[] = []
    for (;;) {
      while (isSeparator(this.token())) this.next++
      if (this.token().kind === 'end') return lines
      if (lines.length === MOST_LINES) throw this.error(`more than ${MOST_LINES} lines`)
      lines.push(this.line())
      if (!isSeparator(this.token()) && this.token().kind !== 'end')
        throw this.error(
          `unexpected ${this.token().text}; an operator or the end of the line belongs here`,
        )
    }
  }

  private token(): Token {
    return this.tokens[this.next]
  }

  private error(problem: string, at = this.token().at): EquationError {
    return new EquationError(this.source, at, problem)
  }

  /** Takes the token where it is this sign. */
  private takes(sign: string): boolean {
    if (this.token().text !== sign) return false
    this.next++
    return true
  }

  private line(): Line {
    const { at } = this.token()
    const [first, ...ahead] = this.tokens.slice(this.next, this.next + 4)
    const [second, ...more] = ahead.map(({ text }) => text)
    if (first.kind === 'name' && second === '=') {
      this.next += 2
      return { name: first.text, isRate: false, tree: this.or(), at }
    }
    if (/^d./u.test(first.text) && second === '/' && more.join('') === 'dt=') {
      this.next += 4
      return { name: first.text.slice(1), isRate: true, tree: this.or(), at }
    }
    const tree = this.or()
    if (this.token().text === '=') throw this.error('only a name can stand before =; compare by ==')
    return { name: undefined, isRate: false, tree, at }
  }

  /** Reads what is one level deeper. */
  private deeper(read: () => Tree): Tree {
    if (++this.depth > MOST_DEPTH) throw this.error(`more than ${MOST_DEPTH} levels`)
    const tree = read()
    this.depth--
    return tree
  }

  private chain(kinds: Readonly<Record<string, Tree['kind']>>, operand: () => Tree): Tree {
    let left = operand()
    for (let row = 0; ; row++) {
      const { text, at } = this.token()
      if (!Object.hasOwn(kinds, text)) return left
      if (row === MOST_ROW) throw this.error(`more than ${MOST_ROW} operators in a row`)
      this.next++
      left = { kind: kinds[text], left, right: operand(), at } as Tree
    }
  }

  private or(): Tree {
    return this.deeper(() => this.chain({ or: 'or' }, () => this.and()))
  }

  private and(): Tree {
    return this.chain({ and: 'and' }, () => this.not())
  }

  private not(): Tree {
    const { at } = this.token()
    if (!this.takes('not')) return this.comparison()
    return { kind: 'not', of: this.deeper(() => this.not()), at }
  }

  /** One comparison, or a < b < c, which is a < b and b < c. */
  private comparison(): Tree {
    const first = this.sum()
    const all: Tree[] = []
    for (let left = first; ; ) {
      const { text, at } = this.token()
      if (!Object.hasOwn(comparisons, text)) break
      if (all.length === MOST_ROW) throw this.error(`more than ${MOST_ROW} operators in a row`)
      this.next++
      const right = this.sum()
      all.push({ kind: comparisons[text as keyof typeof comparisons], left, right, at })
      left = right
    }
    if (all.length === 0) return first
    return all.reduce((left, right) => ({ kind: 'and', left, right, at: right.at }))
  }

  private sum(): Tree {
    return this.chain(sums, () => this.chain(products, () => this.signed()))
  }

  /** A sign binds less than a power: −x² is −(x²). */
  private signed(): Tree {
    const { at } = this.token()
    if (this.takes('-')) return { kind: 'neg', of: this.deeper(() => this.signed()), at }
    if (this.takes('+')) return this.deeper(() => this.signed())
    const base = this.primary()
    const power = this.token()
    if (!this.takes('^')) return base
    return { kind: 'pow', left: base, right: this.deeper(() => this.signed()), at: power.at }
  }

  private primary(): Tree {
    const { kind, text, at } = this.token()
    this.next++
    if (kind === 'number') {
      const value = Math.fround(Number(text))
      if (Number.isFinite(value)) return { kind: 'number', value: Number(text), at }
      throw this.error('the number is beyond the range of a float32', at)
    }
    if (kind === 'name' && !['and', 'or', 'not'].includes(text)) {
      if (!this.takes('(')) return { kind: 'name', name: text, at }
      return { kind: 'call', name: text, args: this.args(), at }
    }
    if (kind === 'sign' && text === '(') {
      const tree = this.or()
      this.close(at)
      return tree
    }
    this.next--
    const found = kind === 'end' || text === '\n' ? 'the line ends' : `unexpected ${text}`
    throw this.error(`${found} where a number, a name or ( belongs`)
  }

  private args(): Tree[] {
    const { at } = this.tokens[this.next - 1]
    const args: Tree[] = []
    if (this.takes(')')) return args
    do args.push(this.or())
    while (this.takes(','))
    this.close(at)
    return args
  }

  private close(opened: number): void {
    if (this.takes(')')) return
    if (this.token().kind === 'end' || isSeparator(this.token()))
      throw this.error('the parenthesis is not closed', opened)
    throw this.error(`unexpected ${this.token().text}; an operator, a comma or ) belongs here`)
  }
}

/**
 * Lines `name = expression`, `dv/dt = expression`, or an expression alone, one below the other or
 * parted by `;`. From # on a line is a comment.
 * @param most characters
 * @throws EquationError for what is none of them
 */
export const parse = (source: Source, most = MOST_TEXT): Line[] =>
  new Parser(source, tokensOf(source, most)).lines()

/** The trees that one holds. */
export function branches(tree: Tree): readonly Tree[] {
  switch (tree.kind) {
    case 'number':
    case 'name':
      return []
    case 'neg':
    case 'not':
      return [tree.of]
    case 'call':
      return tree.args
    default:
      return [tree.left, tree.right]
  }
}

/** Names that an expression reads, each at its first place. */
export function namesIn(tree: Tree, found = new Map<string, number>()): Map<string, number> {
  if (tree.kind === 'name' && !found.has(tree.name)) found.set(tree.name, tree.at)
  for (const branch of branches(tree)) namesIn(branch, found)
  return found
}
