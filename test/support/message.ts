/** The message of the error that `body` throws or rejects with; fails if there is none. */
export async function messageOf(body: () => unknown): Promise<string> {
  try {
    await body()
  } catch (error) {
    if (error instanceof Error) return error.message
    throw new Error(`expected an Error, got ${String(error)}`)
  }
  throw new Error('expected an error, got none')
}
