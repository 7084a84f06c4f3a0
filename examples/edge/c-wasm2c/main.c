/* A network in C without a run time for WebAssembly: wasm2c has turned net.wasm into C. */
#include "../picture.h"
#include "net-wasm.h"

static w2c_net net; /* the whole state; its memory is allocated once */

int main(int argc, char **argv) {
  if (argc != 2) stop("usage", "classify picture.pgm");
  wasm_rt_init();
  wasm2c_net_instantiate(&net);
  uint8_t *memory = w2c_net_memory(&net)->data;

  read_picture(argv[1], memory + w2c_net_input_u8_ptr(&net));
  w2c_net_infer(&net);
  print_class(memory, w2c_net_info_ptr(&net), w2c_net_predicted_class(&net));

  wasm2c_net_free(&net);
  wasm_rt_free();
  return 0;
}
