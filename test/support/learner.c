/* Has an exported network learn batches from a file, and writes what came of it.
   -DWASM2C: the network is net-wasm.c; otherwise WasmEdge runs argv[3].
   Batches: steps, floats, labels (u32 each), then for each step the floats and the labels.
   Results: loss (f32) and correct (i32) of each step, then the parameters. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

#ifdef WASM2C
#include "net-wasm.h"
#include "wasm-rt.h"
static w2c_net net;
static void start(const char *path) {
  (void)path;
  wasm_rt_init();
  wasm2c_net_instantiate(&net);
}
static uint8_t *memory(void) { return w2c_net_memory(&net)->data; }
#define VALUE(name) w2c_net_##name(&net)
#define LOSS() w2c_net_loss(&net)
#define CALL(name) w2c_net_##name(&net)
#else
#include <wasmedge/wasmedge.h>
static WasmEdge_VMContext *vm;
static void check(WasmEdge_Result result) {
  if (!WasmEdge_ResultOK(result)) fail(WasmEdge_ResultGetMessage(result));
}
static void start(const char *path) {
  vm = WasmEdge_VMCreate(NULL, NULL);
  check(WasmEdge_VMLoadWasmFromFile(vm, path));
  check(WasmEdge_VMValidate(vm));
  check(WasmEdge_VMInstantiate(vm));
}
static WasmEdge_Value call(const char *name, uint32_t count) {
  WasmEdge_Value value[1] = {WasmEdge_ValueGenI32(0)};
  WasmEdge_String text = WasmEdge_StringCreateByCString(name);
  check(WasmEdge_VMExecute(vm, text, NULL, 0, value, count));
  WasmEdge_StringDelete(text);
  return value[0];
}
static uint8_t *memory(void) {
  WasmEdge_String name = WasmEdge_StringCreateByCString("memory");
  WasmEdge_MemoryInstanceContext *instance =
      WasmEdge_ModuleInstanceFindMemory(WasmEdge_VMGetActiveModule(vm), name);
  WasmEdge_StringDelete(name);
  return WasmEdge_MemoryInstanceGetPointer(instance, 0, 65536);
}
#define VALUE(name) (uint32_t)WasmEdge_ValueGetI32(call(#name, 1))
#define LOSS() WasmEdge_ValueGetF32(call("loss", 1))
#define CALL(name) call(#name, 0)
#endif

int main(int argc, char **argv) {
  if (argc < 3) fail("usage: learner batches results [net.wasm]");
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  uint32_t count[3];
  if (!in || !out || fread(count, 4, 3, in) != 3) fail("cannot open the files");
  start(argv[3]);
  for (uint32_t step = 0; step < count[0]; step++) {
    if (fread(memory() + VALUE(input_ptr), 4, count[1], in) != count[1]) fail("too short");
    if (fread(memory() + VALUE(label_ptr), 4, count[2], in) != count[2]) fail("too short");
    CALL(train_step);
    float loss = LOSS();
    uint32_t correct = VALUE(correct);
    fwrite(&loss, 4, 1, out);
    fwrite(&correct, 4, 1, out);
  }
  fwrite(memory() + VALUE(params_ptr), 4, VALUE(params_len), out);
  return fclose(out);
}
