/** In a page this stands for `runtime/idle-threads.ts`: no threads wait for the next model. */

export const endThreads = async (): Promise<void> => {}
