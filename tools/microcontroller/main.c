/* The smallest program with a network: bytes in, a class out. */
#include "net-wasm.h"
#include "net.h"

static w2c_net net;
volatile uint8_t sensor[NET_INPUT_BYTES];
volatile uint32_t answer;

int main(void) {
  wasm2c_net_instantiate(&net);
  uint8_t *memory = w2c_net_memory(&net)->data;
  for (;;) {
    uint8_t *input = memory + w2c_net_input_u8_ptr(&net);
    for (uint32_t i = 0; i < NET_INPUT_LEN; i++) input[i] = sensor[i];
    w2c_net_infer(&net);
    answer = w2c_net_predicted_class(&net);
  }
}
