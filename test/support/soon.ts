/** Rejects when a promise takes longer than it may on any machine, however busy it is. */
export function soon<T>(promise: Promise<T>, seconds = 60): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened for ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
