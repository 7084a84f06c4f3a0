/* A digit network gets used to another handwriting, inside WasmEdge:
     make && ./adapt net.wasm lessons.bin exam.bin */
#include "net.h" /* spikewasm export writes it beside net.wasm */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmedge/wasmedge.h>

#if !NET_HAS_TRAIN || !NET_INPUT_U8
#error "this program wants a network exported with --mode train --input-type u8"
#endif

enum { PASSES = 10, PIXELS = NET_INPUT_LEN / NET_BATCH_SIZE };

struct sample {
  uint8_t label, grey[PIXELS];
};
struct samples {
  int count;
  struct sample *of;
};

static WasmEdge_VMContext *vm;
static uint8_t *memory;

static void stop(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(const char *what, WasmEdge_Result result) {
  if (!WasmEdge_ResultOK(result)) stop(what, WasmEdge_ResultGetMessage(result));
}

/* Calls an export; results is 1 when it returns a number, 0 when it returns nothing. */
static WasmEdge_Value call(const char *name, uint32_t results) {
  WasmEdge_Value value[1] = {WasmEdge_ValueGenI32(0)};
  WasmEdge_String text = WasmEdge_StringCreateByCString(name);
  check(name, WasmEdge_VMExecute(vm, text, NULL, 0, value, results));
  WasmEdge_StringDelete(text);
  return value[0];
}

static uint32_t number(const char *name) {
  return (uint32_t)WasmEdge_ValueGetI32(call(name, 1));
}

static void open_net(const char *path) {
  vm = WasmEdge_VMCreate(NULL, NULL);
  check("load", WasmEdge_VMLoadWasmFromFile(vm, path));
  check("validate", WasmEdge_VMValidate(vm));
  check("instantiate", WasmEdge_VMInstantiate(vm));
  WasmEdge_String name = WasmEdge_StringCreateByCString("memory");
  const WasmEdge_ModuleInstanceContext *module = WasmEdge_VMGetActiveModule(vm);
  WasmEdge_MemoryInstanceContext *instance = WasmEdge_ModuleInstanceFindMemory(module, name);
  memory = WasmEdge_MemoryInstanceGetPointer(instance, 0, NET_MEMORY_BYTES);
  WasmEdge_StringDelete(name);
  if (!memory) stop(path, "has another memory than net.h says");
}

static struct samples read_samples(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) stop("cannot open", path);
  fseek(file, 0, SEEK_END);
  struct samples read = {(int)(ftell(file) / (long)sizeof(struct sample)), NULL};
  rewind(file);
  read.of = malloc((size_t)read.count * sizeof(struct sample));
  if (fread(read.of, sizeof(struct sample), (size_t)read.count, file) != (size_t)read.count)
    stop("cannot read", path);
  fclose(file);
  return read;
}

static void print_accuracy(const char *when, struct samples exam) {
  uint8_t *input = memory + number("input_u8_ptr");
  int right = 0;
  for (int i = 0; i < exam.count; i++) {
    memcpy(input, exam.of[i].grey, PIXELS);
    call("infer", 0);
    right += number("predicted_class") == exam.of[i].label;
  }
  printf("%s: %.1f %% of %d new digits\n", when, 100.0 * right / exam.count, exam.count);
}

static void learn(struct samples lessons) {
  uint8_t *input = memory + number("input_u8_ptr");
  int32_t *labels = (int32_t *)(memory + number("label_ptr"));
  struct net_options *options = (struct net_options *)(memory + number("options_ptr"));
  options->learning_rate = 0.02f;
  for (int pass = 0; pass < PASSES; pass++)
    for (int first = 0; first + NET_BATCH_SIZE <= lessons.count; first += NET_BATCH_SIZE) {
      for (int b = 0; b < NET_BATCH_SIZE; b++) {
        memcpy(input + b * PIXELS, lessons.of[first + b].grey, PIXELS);
        labels[b] = lessons.of[first + b].label;
      }
      call("train_step", 0);
    }
  printf("loss of the last batch: %.4f\n", WasmEdge_ValueGetF32(call("loss", 1)));
}

int main(int argc, char **argv) {
  if (argc != 4) stop("usage", "adapt net.wasm lessons.bin exam.bin");
  open_net(argv[1]);
  struct samples lessons = read_samples(argv[2]), exam = read_samples(argv[3]);
  print_accuracy("before", exam);
  learn(lessons);
  print_accuracy("after", exam);
  free(lessons.of);
  free(exam.of);
  WasmEdge_VMDelete(vm);
  return 0;
}
