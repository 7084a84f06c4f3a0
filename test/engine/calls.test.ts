/** Calls of functions on another side: results, news, errors as they were, what is handed over. */
import { MessageChannel } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SpikewasmError } from '../../src/base/errors.js'
import { type Ask, Calls, type Post, serve } from '../../src/engine/threads/calls.js'

const functions = {
  twice(bytes: Uint8Array<ArrayBuffer>, { transfer }: Ask) {
    const out = bytes.map((byte) => 2 * byte)
    transfer.push(out.buffer)
    return out
  },
  throws(what: 'ours' | 'system' | 'text'): void {
    if (what === 'text') throw 'a text'
    if (what === 'ours') throw new SpikewasmError('no\nsuch file', { cause: new RangeError('far') })
    throw Object.assign(new TypeError('denied'), { name: 'Denied', code: 'EACCES' })
  },
}

test('errors come as they were thrown, and what is handed over belongs to the other side', async () => {
  const { port1, port2 } = new MessageChannel()
  const postTo =
    (port: typeof port1): Post =>
    (message, transfer) =>
      port.postMessage(message, transfer as never[])
  const calls = new Calls<typeof functions>(postTo(port1))
  const thrown = (what: 'ours' | 'system' | 'text'): Promise<NodeJS.ErrnoException> =>
    calls.call('throws', what).then(
      () => assert.unreachable() as never,
      (error) => error,
    )
  port1.on('message', calls.hear)
  port2.on('message', serve(functions, postTo(port2)))
  await calls.ready
  const bytes = Uint8Array.of(1, 2)
  assert.equal(await calls.call('twice', bytes, { transfer: [bytes.buffer] }), Uint8Array.of(2, 4))
  assert.is(bytes.length, 0)
  const ours = await thrown('ours')
  assert.instance(ours, SpikewasmError)
  const { name, message } = ours.cause as Error
  assert.equal([ours.message, name, message], ['no\\nsuch file', 'RangeError', 'far'])
  assert.match(ours.stack!, 'throws')
  const denied = await thrown('system')
  assert.equal([denied.name, denied.message, denied.code], ['Denied', 'denied', 'EACCES'])
  assert.is(String(await thrown('text')), 'a text')
  calls.fail(new Error('first'))
  calls.fail(new Error('later'))
  assert.is((await thrown('text')).message, 'first')
  port1.close()
})

test.run()
