// All that a page or Node needs to run an exported network. Nothing is imported.

/** @returns a function that gives the outputs for a picture */
export async function open(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes)
  const { memory, input_ptr, input_len, output_ptr, output_len, infer } = instance.exports
  const input = new Float32Array(memory.buffer, input_ptr(), input_len())
  const output = new Float32Array(memory.buffer, output_ptr(), output_len())
  return (picture) => {
    input.set(picture)
    infer()
    return output.slice()
  }
}
