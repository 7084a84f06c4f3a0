/* wasm3, an interpreter without SIMD. */
#include "host.h"
#include "wasm3.h"
#include <stddef.h>

static IM3Runtime runtime;
static IM3Function functions[EXPORTS];

static void check(const char *what, M3Result result) {
  if (result) fail(what, result);
}

void host_open(const char *path, const char *const names[EXPORTS]) {
  uint32_t length;
  uint8_t *bytes = read_file(path, &length); /* wasm3 reads code from it as long as it runs */
  IM3Environment environment = m3_NewEnvironment();
  runtime = m3_NewRuntime(environment, 64 * 1024, NULL);
  IM3Module module;
  check("parse", m3_ParseModule(environment, &module, bytes, length));
  check("load", m3_LoadModule(runtime, module));
  for (int i = 0; i < EXPORTS; i++)
    if (names[i]) check(names[i], m3_FindFunction(&functions[i], runtime, names[i]));
}

uint32_t host_value(enum export which) {
  uint32_t value = 0;
  check("call", m3_CallV(functions[which]));
  check("result", m3_GetResultsV(functions[which], &value));
  return value;
}

void host_call(enum export which) { check("call", m3_CallV(functions[which])); }

uint8_t *host_memory(void) {
  uint32_t size;
  return m3_GetMemory(runtime, &size, 0);
}

uint64_t host_memory_bytes(void) {
  uint32_t size = 0;
  m3_GetMemory(runtime, &size, 0);
  return size;
}
