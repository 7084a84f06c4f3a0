/* A network in wasm3, an interpreter for the smallest machines. It has no SIMD: export with
   --target scalar. */
#include "../picture.h"
#include "wasm3.h"

static IM3Runtime runtime;

static void check(const char *what, M3Result result) {
  if (result) stop(what, result);
}

static IM3Function call(const char *name) {
  IM3Function function;
  check(name, m3_FindFunction(&function, runtime, name));
  check(name, m3_CallV(function));
  return function;
}

static uint32_t value(const char *name) {
  uint32_t result;
  check(name, m3_GetResultsV(call(name), &result));
  return result;
}

/* Whether the file was exported for hosts with SIMD; its section "spikewasm" says so. */
static int needs_simd(const uint8_t *bytes, uint32_t length) {
  static const char mark[] = "\"target\":\"simd\"";
  for (uint32_t i = 0; i + sizeof mark - 1 <= length; i++)
    if (memcmp(bytes + i, mark, sizeof mark - 1) == 0) return 1;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) stop("usage", "classify net.wasm picture.pgm");
  static uint8_t bytes[1 << 24]; /* on a microcontroller: an array in flash */
  FILE *file = fopen(argv[1], "rb");
  if (!file) stop("cannot open", argv[1]);
  uint32_t length = (uint32_t)fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  if (needs_simd(bytes, length)) stop(argv[1], "wasm3 has no SIMD; export with --target scalar");

  IM3Environment environment = m3_NewEnvironment();
  IM3Module module;
  runtime = m3_NewRuntime(environment, 16 * 1024, NULL);
  check("parse", m3_ParseModule(environment, &module, bytes, length));
  check("load", m3_LoadModule(runtime, module));
  uint32_t input = value("input_u8_ptr");
  uint8_t *memory = m3_GetMemory(runtime, NULL, 0);

  read_picture(argv[2], memory + input);
  call("infer");
  print_class(memory, value("info_ptr"), value("predicted_class"));
  return 0;
}
