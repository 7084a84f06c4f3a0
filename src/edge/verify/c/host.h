/* What run.c needs of a host; wasmedge.c, wasm3.c, wamr.c and wasm2c.c each give it. */
#ifndef SPIKEWASM_HOST_H
#define SPIKEWASM_HOST_H

#include <stdint.h>

/* Exports of the network that are called. */
enum export { INPUT_PTR, OUTPUT_PTR, INFER, STEP, RESET, EXPORTS };

/* Loads the module and instantiates it. Names that are NULL are not in the file. */
void host_open(const char *path, const char *const names[EXPORTS]);

/* Calls an export that returns i32. */
uint32_t host_value(enum export which);

/* Calls an export that returns nothing. */
void host_call(enum export which);

/* The module's memory; asked for again after each call. */
uint8_t *host_memory(void);
uint64_t host_memory_bytes(void);

/* Ends the program with a message. */
void fail(const char *what, const char *why);

/* A whole file. */
uint8_t *read_file(const char *path, uint32_t *length);

#endif
