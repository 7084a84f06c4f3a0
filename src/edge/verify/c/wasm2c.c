/* C that wasm2c wrote, with --module-name=net. -DNET_STEP: a file of mode step or both whose steps
   run; -DNET_U8: one that takes bytes. */
#include "host.h"
#include "net-wasm.h"
#include "wasm-rt.h"

static w2c_net net;

void host_open(const char *path, const char *const names[EXPORTS]) {
  (void)path, (void)names;
  wasm_rt_init();
  wasm2c_net_instantiate(&net);
}

uint32_t host_value(enum export which) {
  if (which == OUTPUT_PTR) return w2c_net_output_ptr(&net);
#ifdef NET_U8
  return w2c_net_input_u8_ptr(&net);
#else
  return w2c_net_input_ptr(&net);
#endif
}

void host_call(enum export which) {
#ifdef NET_STEP
  if (which == STEP)
    w2c_net_step(&net);
  else
    w2c_net_reset(&net);
#else
  (void)which;
  w2c_net_infer(&net);
#endif
}

uint8_t *host_memory(void) { return w2c_net_memory(&net)->data; }
uint64_t host_memory_bytes(void) { return w2c_net_memory(&net)->size; }
