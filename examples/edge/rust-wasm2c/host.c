/* Holds the instance, whose type only C knows: the rest of the program calls what is below. */
#include "net-wasm.h"

static w2c_net net;

uint8_t *net_open(void) {
  wasm_rt_init();
  wasm2c_net_instantiate(&net);
  return w2c_net_memory(&net)->data;
}

uint32_t net_input(void) { return w2c_net_input_u8_ptr(&net); }
uint32_t net_input_len(void) { return w2c_net_input_u8_len(&net); }
uint32_t net_info(void) { return w2c_net_info_ptr(&net); }
void net_infer(void) { w2c_net_infer(&net); }
uint32_t net_predicted_class(void) { return w2c_net_predicted_class(&net); }
