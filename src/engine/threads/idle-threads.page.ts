/** In a page this stands for `idle-threads.ts`: no threads wait for the next model. */

export const haveThreads = (): boolean => false

export const endThreads = async (): Promise<void> => {}
