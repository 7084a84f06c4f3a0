/* WasmEdge, through its C API; runs .wasm files and those that "wasmedge compile" wrote. */
#include "host.h"
#include <stddef.h>
#include <wasmedge/wasmedge.h>

static WasmEdge_ExecutorContext *executor;
static WasmEdge_MemoryInstanceContext *memory;
static WasmEdge_FunctionInstanceContext *functions[EXPORTS];

static void check(const char *what, WasmEdge_Result result) {
  if (!WasmEdge_ResultOK(result)) fail(what, WasmEdge_ResultGetMessage(result));
}

void host_open(const char *path, const char *const names[EXPORTS]) {
  WasmEdge_VMContext *vm = WasmEdge_VMCreate(NULL, NULL);
  check("load", WasmEdge_VMLoadWasmFromFile(vm, path));
  check("validate", WasmEdge_VMValidate(vm));
  check("instantiate", WasmEdge_VMInstantiate(vm));
  executor = WasmEdge_VMGetExecutorContext(vm);
  const WasmEdge_ModuleInstanceContext *module = WasmEdge_VMGetActiveModule(vm);
  for (int i = 0; i < EXPORTS; i++) {
    if (!names[i]) continue;
    WasmEdge_String name = WasmEdge_StringCreateByCString(names[i]);
    functions[i] = WasmEdge_ModuleInstanceFindFunction(module, name);
    WasmEdge_StringDelete(name);
    if (!functions[i]) fail("no export", names[i]);
  }
  WasmEdge_String name = WasmEdge_StringCreateByCString("memory");
  memory = WasmEdge_ModuleInstanceFindMemory(module, name);
  WasmEdge_StringDelete(name);
  if (!memory) fail("no export", "memory");
}

uint32_t host_value(enum export which) {
  WasmEdge_Value value[1];
  check("call", WasmEdge_ExecutorInvoke(executor, functions[which], NULL, 0, value, 1));
  return (uint32_t)WasmEdge_ValueGetI32(value[0]);
}

void host_call(enum export which) {
  check("call", WasmEdge_ExecutorInvoke(executor, functions[which], NULL, 0, NULL, 0));
}

uint64_t host_memory_bytes(void) {
  return (uint64_t)WasmEdge_MemoryInstanceGetPageSize(memory) * 65536;
}

uint8_t *host_memory(void) {
  return WasmEdge_MemoryInstanceGetPointer(memory, 0, (uint32_t)host_memory_bytes());
}
