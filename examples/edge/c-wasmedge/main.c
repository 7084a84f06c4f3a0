/* A network in WasmEdge, from C. Give it net.wasm, or the faster net.so that
   "wasmedge compile net.wasm net.so" writes. */
#include "../picture.h"
#include <wasmedge/wasmedge.h>

static WasmEdge_VMContext *vm;

static void check(const char *what, WasmEdge_Result result) {
  if (!WasmEdge_ResultOK(result)) stop(what, WasmEdge_ResultGetMessage(result));
}

/* Calls an export; count is 1 when it returns i32, 0 when it returns nothing. */
static uint32_t call(const char *name, uint32_t count) {
  WasmEdge_Value result[1] = {WasmEdge_ValueGenI32(0)};
  WasmEdge_String text = WasmEdge_StringCreateByCString(name);
  check(name, WasmEdge_VMExecute(vm, text, NULL, 0, result, count));
  WasmEdge_StringDelete(text);
  return (uint32_t)WasmEdge_ValueGetI32(result[0]);
}

int main(int argc, char **argv) {
  if (argc != 3) stop("usage", "classify net.wasm picture.pgm");
  vm = WasmEdge_VMCreate(NULL, NULL);
  check("load", WasmEdge_VMLoadWasmFromFile(vm, argv[1]));
  check("validate", WasmEdge_VMValidate(vm));
  check("instantiate", WasmEdge_VMInstantiate(vm));
  WasmEdge_String name = WasmEdge_StringCreateByCString("memory");
  const WasmEdge_ModuleInstanceContext *module = WasmEdge_VMGetActiveModule(vm);
  WasmEdge_MemoryInstanceContext *instance = WasmEdge_ModuleInstanceFindMemory(module, name);
  uint8_t *memory = WasmEdge_MemoryInstanceGetPointer(instance, 0, NET_MEMORY_BYTES);
  if (!memory) stop(argv[1], "has another memory than net.h says");

  read_picture(argv[2], memory + call("input_u8_ptr", 1));
  call("infer", 0);
  print_class(memory, call("info_ptr", 1), call("predicted_class", 1));

  WasmEdge_StringDelete(name);
  WasmEdge_VMDelete(vm);
  return 0;
}
