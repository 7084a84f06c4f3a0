/* WAMR, its fast interpreter. */
#include "host.h"
#include "wasm_export.h"
#include <stddef.h>

static wasm_module_inst_t instance;
static wasm_exec_env_t environment;
static wasm_function_inst_t functions[EXPORTS];

void host_open(const char *path, const char *const names[EXPORTS]) {
  char error[256];
  uint32_t length;
  uint8_t *bytes = read_file(path, &length); /* WAMR reads from it as long as it runs */
  if (!wasm_runtime_init()) fail("init", "failed");
  wasm_module_t module = wasm_runtime_load(bytes, length, error, sizeof error);
  if (!module) fail("load", error);
  instance = wasm_runtime_instantiate(module, 64 * 1024, 0, error, sizeof error);
  if (!instance) fail("instantiate", error);
  environment = wasm_runtime_create_exec_env(instance, 64 * 1024);
  for (int i = 0; i < EXPORTS; i++) {
    if (!names[i]) continue;
    functions[i] = wasm_runtime_lookup_function(instance, names[i]);
    if (!functions[i]) fail("no export", names[i]);
  }
}

static uint32_t call(enum export which) {
  uint32_t values[1] = {0};
  if (!wasm_runtime_call_wasm(environment, functions[which], 0, values))
    fail("call", wasm_runtime_get_exception(instance));
  return values[0];
}

uint32_t host_value(enum export which) { return call(which); }
void host_call(enum export which) { call(which); }

uint8_t *host_memory(void) {
  return wasm_memory_get_base_address(wasm_runtime_get_default_memory(instance));
}

uint64_t host_memory_bytes(void) {
  wasm_memory_inst_t memory = wasm_runtime_get_default_memory(instance);
  return wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory);
}
