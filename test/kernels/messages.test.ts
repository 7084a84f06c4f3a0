/** What is wrong with a text is said by line, column and a caret below the place. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type EquationOptions,
  elementwise,
  flatten,
  lif,
  linear,
  neuron,
  neurons,
  recurrent,
  sequential,
} from '../../src/index.js'

const messageOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    return (error as Error).message
  }
  return 'no error'
}

/** A text, whose mistake is in its only line, the column, and the message. */
const mistakes: readonly (readonly [text: string, column: number, problem: string])[] = [
  ['spike = x >= 1 && u', 16, 'unexpected &; write and, or, not'],
  ['spike = x % 2 > 1', 11, 'unexpected %; there is no remainder'],
  ['spike = x > 1 😀', 15, 'unexpected 😀'],
  ['spike = x > 1\u0007', 14, 'unexpected \\u0007'],
  ['α = x; spike = α > β', 20, 'unknown name β; known are x, dt, α'],
  ['spike = x > exp', 13, 'exp is a function; write exp(…)'],
  ['spike = x > min(x)', 13, 'min takes 2 arguments, got 1'],
  ['spike = x > log(x, 2)', 13, 'log takes 1 argument, got 2'],
  ['spike = x', 9, 'spike must be a comparison, such as u >= theta'],
  ['spike = x > 0 or x < -2', 15, 'spike must be a comparison, such as u >= theta'],
  ['spike = x == 1', 11, 'spike must be a comparison, such as u >= theta'],
  ['spike = x != 1 and x > 0', 11, 'spike must be a comparison, such as u >= theta'],
  ['output = where(x, 1, 2)', 16, 'a condition belongs here, such as u > 0; this is a number'],
  ['output = 1 > x and x', 20, 'a condition belongs here, such as u > 0; this is a number'],
  [
    'u = where(spike, 0, u) + x; spike = u > 1',
    11,
    'spike is that of the step before here, a number; write spike > 0',
  ],
  ['spike = (x > 1', 9, 'the parenthesis is not closed'],
  ['spike = max(x, (1) > 1', 12, 'the parenthesis is not closed'],
  ['spike = max(x; 1) > 1', 12, 'the parenthesis is not closed'],
  ['spike = (x 1) > 1', 12, 'unexpected 1; an operator, a comma or ) belongs here'],
  ['spike = x > 1)', 14, 'unexpected ); an operator or the end of the line belongs here'],
  ['spike = x > 1 2', 15, 'unexpected 2; an operator or the end of the line belongs here'],
  ['spike = x >', 12, 'the line ends where a number, a name or ( belongs'],
  ['spike = x > *', 13, 'unexpected * where a number, a name or ( belongs'],
  ['u + 1 = x', 7, 'only a name can stand before =; compare by =='],
  ['spike = x > 1; tau > 2 and x', 28, rangeLine()],
  ['spike = x > 1; tau == 2', 20, rangeLine()],
  ['spike = x > 1; x > 1', 16, 'a range is of a parameter; x is none'],
  ['spike = x > tau; 1 < tau <= -2', 26, 'tau is out of the range that this line says, got 2'],
  ['spike = x > tau; tau > 1; tau < 2', 31, 'tau is out of the range that this line says, got 2'],
  ['spike = x > tau; 2 < tau; tau < 9', 20, 'tau is out of the range that this line says, got 2'],
  ['spike = x > 1; output = x', 16, 'there must be one line spike = … or output = …'],
  ['not = 3; spike = x > 1', 1, 'not has a meaning of its own; take another name'],
  ['spike = x > tau; tau = 2', 18, 'tau is a parameter, which no line assigns'],
  ['u = x; doutput/dt = x', 8, 'output is no state that a rate moves'],
  ['spike = x > 1e39', 13, 'the number is beyond the range of a float32'],
  [`spike = ${'('.repeat(50)}`, 49, 'more than 40 levels'],
  [`spike = ${'-'.repeat(50)}x > 1`, 49, 'more than 40 levels'],
  [`spike = ${'1 + '.repeat(501)}x > 1`, 2011, 'more than 500 operators in a row'],
  [`spike = ${'1 < '.repeat(501)}x`, 2011, 'more than 500 operators in a row'],
  [`${'u = 1;'.repeat(101)}`, 601, 'more than 100 lines'],
]

function rangeLine(): string {
  return (
    'a line must be name = expression, dv/dt = expression, or the range of a parameter, such as ' +
    'tau > 1'
  )
}

test('each mistake has one message, at its place', () => {
  for (const [text, column, problem] of mistakes) {
    const parameters: Record<string, number> = text.includes('tau') ? { tau: 2 } : {}
    const [first, line, caret] = messageOf(() => neuron(text, parameters)).split('\n')
    assert.is(first, `neuron: line 1, column ${column}: ${problem}`, text)
    assert.is(caret.at(-1), '^', text)
    // The caret stands below the character.
    const below = text.slice(column - 1, column + 3)
    if (column <= text.length && text[column - 1] >= ' ')
      assert.ok(line.slice(caret.length - 1).startsWith(below.trimEnd()), `${text}\n${line}`)
    assert.ok(line.length <= 102, text)
  }
})

test('lines end as in any editor, and go on in parentheses; comments end with them', () => {
  for (const end of ['\n', '\r\n', '\r', ';', ' # 1; 2\n', ' # α\r']) {
    const text = ['u = (u/2', '+ x)', 'spike = v > 1', ''].join(end)
    const line = end === ';' ? 1 : 3
    const message = messageOf(() => neuron(text.replace(`(u/2${end}`, '(u/2\n')))
    const [first, shown, caret] = message.split('\n')
    const place = end === ';' ? 2 : line
    const column = shown.indexOf('v >') - 1
    assert.is(first, `neuron: line ${place}, column ${column}: unknown name v; known are x, u, dt`)
    assert.is(caret.length - 1, shown.indexOf('v >'))
  }
})

test('mistakes without a place name what is missing', () => {
  const refused = (
    text: string,
    parameters: Record<string, number>,
    expected: string,
    options: EquationOptions = {},
  ): void =>
    assert.is(
      messageOf(() => neuron(text, parameters, options)),
      expected,
    )
  refused('u = x', {}, 'neuron: a line spike = … or output = … is missing')
  const own = 'neuron: the parameter pi has a name with a meaning of its own; take another'
  refused('output = x', { pi: 3 }, own)
  refused('output = x', { tau: 3 }, 'neuron: no line reads the parameter tau; leave it out')
  const range = 'neuron: no line reads the parameter tau but its range; leave it out'
  refused('tau > 1; output = x', { tau: 3 }, range)
  const many = Array.from({ length: 17 }, (_, i) => `s${i} = s${i} + x`)
  const most = 'neuron: there must be at most 16 states, got 17'
  refused([...many, 'output = s0'].join('\n'), {}, most)
  neuron([...many.slice(1), 'output = s1'].join('\n'))
  const wrongOf = (options: object): string => messageOf(() => neuron('output = x', {}, options))
  assert.is(
    wrongOf({ learn: ['a'] }),
    'neuron.learn names ["a"], but there are no parameters that can be learnt',
  )
  assert.is(wrongOf({ init: { v: 1 } }), 'neuron.init: the text has no state "v"; there are none')
  assert.match(
    wrongOf({ surrogate: 'atan2' }),
    /^neuron.surrogate must be one of sigmoid, atan, .*or a text of x and alpha, got "atan2"$/,
  )
  assert.is(
    messageOf(() => elementwise(' '.repeat(8184))),
    'elementwise must be a text of at most 8183 characters, got 8184',
  )
  assert.is(
    messageOf(() => recurrent(elementwise('x'))),
    'recurrent(elementwise()) has no spikes to send; it takes cells that spike, as lif()',
  )
  assert.match(
    messageOf(() => neurons.of(recurrent(lif()))),
    /^neurons.of takes .* not recurrent, got one that is; give it what recurrent/,
  )
  refused(' '.repeat(8193), {}, 'neuron must be a text of at most 8192 characters, got 8193')
})

test("ottt says what it needs of a neuron's leak", async () => {
  for (const text of [
    'u = u/(1 + u) + x; spike = u > 1; u = u - spike',
    'i = i/2 + x; u = u/3 + i; spike = u > 1; u = u - spike',
    'n = n + 1; u = u/n + x; spike = u > 1; u = u - spike',
  ]) {
    const net = sequential(flatten(), linear(4, 5), neuron(text), linear(5, 2))
    const options = { input: [1, 2, 2], timeSteps: 2, method: 'ottt' } as const
    const message = await net.compile(options).then(String, ({ message }) => message)
    assert.is(
      message,
      "3 (linear): method 'ottt' needs one leak for all neurons whose spikes a layer reads, the " +
        "same at every step, and those of 2 have no such one; use 'bptt' or 'sltt' or 'os'",
    )
  }
})

test.run()
