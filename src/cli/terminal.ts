/**
 * What commands print is text. It may hold names of files, of jobs in Redis, of layers, or what
 * others' errors say. A terminal obeys none of it: `guardTerminal` escapes all that is written.
 * Codes of our own, such as those of a bar, go to `codeStream`, and with them only text that was
 * escaped before.
 */

import { printable } from '../errors.js'

type Stream = NodeJS.WriteStream
type Write = Stream['write']

interface Guarded {
  /** What it had before. */
  readonly write: Write
  /** What it has now. */
  readonly escaping: Write
}

const guarded = new WeakMap<Stream, Guarded>()

/** From now on standard output and standard error get text alone. */
export function guardTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) guard(stream)
}

function guard(stream: Stream): void {
  if (guarded.get(stream)?.escaping === stream.write) return
  const write = stream.write.bind(stream)
  const escaping = ((chunk: string | Uint8Array, ...rest: []) =>
    write(
      printable(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()),
      ...rest,
    )) as Write
  guarded.set(stream, { write, escaping })
  stream.write = escaping
}

/** The same stream, for codes that a terminal is to obey. */
export function codeStream(stream: Stream): Stream {
  const { write } = guarded.get(stream) ?? { write: stream.write.bind(stream) }
  return Object.create(stream, { write: { value: write } }) as Stream
}

/** A line that says what is done now, in place of the one before; '' takes it away. */
export const overwrite = (stream: Stream, text: string): void =>
  void codeStream(stream).write(`\r\u001b[K${printable(text)}`)
