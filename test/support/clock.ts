/** A clock that only goes when it is told to: `setTimeout` and `performance.now` follow it. */

interface Timer {
  readonly at: number
  call(): void
}

export function handClock(): { tick(milliseconds: number): void; release(): void } {
  const { setTimeout, clearTimeout } = globalThis
  const timers = new Map<object, Timer>()
  let now = 0
  const set = (call: () => void, milliseconds = 0): object => {
    const timer = { unref: () => timer }
    timers.set(timer, { at: now + milliseconds, call })
    return timer
  }
  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: (timer: object) => timers.delete(timer),
  })
  performance.now = () => now
  return {
    tick(milliseconds) {
      now += milliseconds
      for (const [timer, { at, call }] of timers) if (at <= now && timers.delete(timer)) call()
    },
    release() {
      Object.assign(globalThis, { setTimeout, clearTimeout })
      // Its own is the prototype's.
      Reflect.deleteProperty(performance, 'now')
    },
  }
}
