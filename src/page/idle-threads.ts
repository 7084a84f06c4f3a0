/** In a page this stands for `runtime/idle-threads.ts`: no threads wait for the next model. */

export const haveThreads = (): boolean => false

export const endThreads = async (): Promise<void> => {}
