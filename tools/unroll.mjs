// A step of the compiler of assembly/: what V8 has to see unrolled is written as a loop, and kernels
// of several widths as one function. V8 keeps sums in registers where each is a local of its own.
//
//   @variants('sumRows', [32, 16])       sumRows32 and sumRows16 of a function sums(W, …): a value
//                                        for each of the first parameters; lists end the name
//   const n: unroll = W / 4              a number that is known while compiling
//   const s = locals<v128>(n, start)     n locals, s[0] …; s[i] is one of them
//   for (let i: unroll = 0; i < n; i++)  the body n times
//
// Where a condition is such a number, only what is chosen stays. Nodes keep their places in the
// source, for debuggers.
import { CommonFlags, Node, NodeKind, Token } from 'assemblyscript'

const operators = {
  [Token.Plus]: (a, b) => a + b,
  [Token.Minus]: (a, b) => a - b,
  [Token.Asterisk]: (a, b) => a * b,
  [Token.Slash]: (a, b) => Math.trunc(a / b),
  [Token.Percent]: (a, b) => a % b,
  [Token.LessThan_LessThan]: (a, b) => a << b,
  [Token.GreaterThan_GreaterThan]: (a, b) => a >> b,
  [Token.LessThan]: (a, b) => Number(a < b),
  [Token.GreaterThan]: (a, b) => Number(a > b),
  [Token.LessThan_Equals]: (a, b) => Number(a <= b),
  [Token.GreaterThan_Equals]: (a, b) => Number(a >= b),
  [Token.Equals_Equals]: (a, b) => Number(a === b),
}

const MOST_TURNS = 256
// The compiler's own 64-bit integers.
const { i64_new } = globalThis

function fail({ range: { source, start } }, problem) {
  throw new Error(`${source.normalizedPath}:${source.lineAt(start)}: ${problem}`)
}

/** A copy, but for nodes that `replace` gives another one for. */
function copyOf(node, replace = () => undefined) {
  if (Array.isArray(node)) return node.map((one) => copyOf(one, replace))
  if (!(node instanceof Node)) return node
  const found = replace(node)
  if (found) return found
  const copy = Object.create(Object.getPrototypeOf(node))
  for (const [key, value] of Object.entries(node)) copy[key] = copyOf(value, replace)
  return copy
}

/** A number that is known, or undefined. */
function numberOf(node, numbers) {
  switch (node.kind) {
    case NodeKind.True:
    case NodeKind.False:
      return Number(node.kind === NodeKind.True)
    case NodeKind.Literal:
      return node.value === undefined ? undefined : Number(node.value)
    case NodeKind.Identifier:
      return numbers.get(node.text)
    case NodeKind.Parenthesized:
      return numberOf(node.expression, numbers)
    case NodeKind.Ternary: {
      const chosen = numberOf(node.condition, numbers)
      return chosen === undefined
        ? undefined
        : numberOf(chosen ? node.ifThen : node.ifElse, numbers)
    }
    case NodeKind.Binary: {
      const both = [node.left, node.right].map((side) => numberOf(side, numbers))
      return both.includes(undefined) ? undefined : operators[node.operator]?.(...both)
    }
    default:
      return undefined
  }
}

const typeName = (type) => type?.name?.identifier?.text
const isUnrolled = ({ kind, initializer }) =>
  kind === NodeKind.For && typeName(initializer?.declarations?.[0].type) === 'unroll'

/** A scope: the numbers that are known in it, and how many locals stand behind a name. */
class Scope {
  constructor(numbers = new Map(), lengths = new Map()) {
    this.numbers = numbers
    this.lengths = lengths
  }

  inner() {
    return new Scope(new Map(this.numbers), new Map(this.lengths))
  }

  known(node) {
    return (
      numberOf(node, this.numbers) ?? fail(node, 'this is no number that is known while compiling')
    )
  }

  copy(node) {
    return copyOf(node, (one) => this.replaced(one))
  }

  replaced(node) {
    switch (node.kind) {
      case NodeKind.Identifier: {
        const number = this.numbers.get(node.text)
        if (number === undefined) return undefined
        return Node.createIntegerLiteralExpression(i64_new(number, number < 0 ? -1 : 0), node.range)
      }
      case NodeKind.PropertyAccess:
        // The name of a property is none of a variable.
        return copyOf(node, (one) =>
          one === node ? undefined : one === node.property ? one : this.replaced(one),
        )
      case NodeKind.ElementAccess:
        return this.lengths.has(node.expression.text) ? this.local(node) : undefined
      case NodeKind.Ternary: {
        const chosen = numberOf(node.condition, this.numbers)
        return chosen === undefined ? undefined : this.copy(chosen ? node.ifThen : node.ifElse)
      }
      case NodeKind.Block:
        return Node.createBlockStatement(this.inner().statements(node.statements), node.range)
      case NodeKind.If:
      case NodeKind.For: {
        if (node.kind === NodeKind.For && !isUnrolled(node)) return undefined
        const found = this.inner().statements([node])
        return found.length === 1 && found[0].kind === node.kind
          ? undefined
          : Node.createBlockStatement(found, node.range)
      }
      default:
        return undefined
    }
  }

  local({ expression: { text }, elementExpression, range }) {
    const at = this.known(elementExpression)
    if (at < 0 || at >= this.lengths.get(text)) fail(elementExpression, `${text} has no ${at}`)
    return Node.createIdentifierExpression(`${text}·${at}`, range)
  }

  statements(all) {
    return all.flatMap((one) => {
      if (isUnrolled(one)) return this.turns(one)
      if (one.kind === NodeKind.Variable) return this.variable(one)
      if (one.kind !== NodeKind.If) return [this.copy(one)]
      const chosen = numberOf(one.condition, this.numbers)
      if (chosen === undefined)
        return [copyOf(one, (part) => (part === one ? undefined : this.replaced(part)))]
      const taken = chosen ? one.ifTrue : one.ifFalse
      return taken ? this.body(taken) : []
    })
  }

  /** Statements of a body; a block that declares something stays one. */
  body(node) {
    if (node.kind !== NodeKind.Block) return this.statements([node])
    const declares = node.statements.some(({ kind }) => kind === NodeKind.Variable)
    return declares ? [this.copy(node)] : this.inner().statements(node.statements)
  }

  turns({ initializer, condition, incrementor, body }) {
    const [{ name, initializer: first }] = initializer.declarations
    const turn = this.inner()
    const found = []
    turn.numbers.set(name.text, this.known(first))
    for (let turns = 0; turn.known(condition); turns++) {
      if (turns === MOST_TURNS) fail(condition, `more than ${MOST_TURNS} turns`)
      found.push(...turn.body(body))
      const by = { [Token.Plus_Plus]: 1, [Token.Minus_Minus]: -1 }[incrementor.operator]
      turn.numbers.set(
        name.text,
        turn.numbers.get(name.text) + (by ?? fail(incrementor, 'write i++')),
      )
    }
    return found
  }

  variable(node) {
    const [{ name, type, initializer }] = node.declarations
    if (typeName(type) === 'unroll') {
      this.numbers.set(name.text, this.known(initializer))
      return []
    }
    if (initializer?.kind !== NodeKind.Call || initializer.expression.text !== 'locals')
      return [this.copy(node)]
    const [count, start] = initializer.args
    this.lengths.set(name.text, this.known(count))
    return Array.from({ length: this.known(count) }, (_, i) => {
      const copy = copyOf(node)
      const [one] = copy.declarations
      copy.declarations = [one]
      one.name = Node.createIdentifierExpression(`${name.text}·${i}`, name.range)
      one.type = initializer.typeArguments[0]
      one.flags &= ~CommonFlags.Const
      one.initializer = start ? this.copy(start) : null
      return copy
    })
  }
}

/** Names and numbers that a decorator asks for. */
function variantsOf({ args: [name, ...values] }, parameters) {
  let found = [{ name: name.value, numbers: new Map() }]
  for (const [i, value] of values.entries()) {
    const isList = value.elementExpressions !== undefined
    const numbers = (isList ? value.elementExpressions : [value]).map((one) =>
      numberOf(one, new Map()),
    )
    found = found.flatMap((variant) =>
      numbers.map((number) => ({
        name: isList ? `${variant.name}${number}` : variant.name,
        numbers: new Map([...variant.numbers, [parameters[i].name.text, number]]),
      })),
    )
  }
  return found
}

/** A function, or its variants. */
function functionsOf(declaration, constants) {
  const { decorators, signature, name } = declaration
  const isVariants = (one) => one.name.text === 'variants'
  const asked = decorators?.filter(isVariants) ?? []
  if (asked.length === 0) return [new Scope(constants).copy(declaration)]
  return asked
    .flatMap((one) => variantsOf(one, signature.parameters))
    .map((variant) => {
      const copy = new Scope(new Map([...constants, ...variant.numbers])).copy(declaration)
      copy.name = Node.createIdentifierExpression(variant.name, name.range)
      copy.signature = copyOf(signature)
      copy.signature.parameters.splice(0, variant.numbers.size)
      copy.decorators = decorators.filter((one) => !isVariants(one))
      return copy
    })
}

export default class Unroll {
  /** @param constants numbers that are known in all functions, by their names */
  constructor(constants = {}) {
    this.constants = new Map(Object.entries(constants))
  }

  afterParse({ sources }) {
    for (const source of sources)
      if (!source.isLibrary)
        source.statements = source.statements.flatMap((one) =>
          one.kind === NodeKind.FunctionDeclaration
            ? functionsOf(one, this.constants)
            : [new Scope(this.constants).copy(one)],
        )
  }
}
