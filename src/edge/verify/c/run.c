/* Runs an exported network over samples, compares all outputs bit by bit, takes the time, and
   prints what program.ts returns, as JSON. Arguments: paths of network, samples and expected
   outputs, then call, inputType, samples, sampleBytes, frameBytes, steps, classes, seconds. */
#define _POSIX_C_SOURCE 200809L
#include "host.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 11
#define ROUND_MS 5.0

static struct {
  int step;
  uint32_t samples, sample_bytes, frame_bytes, steps, classes;
  double seconds;
} job;
/* The samples one after the other; before the first answer, the first alone. */
static uint8_t *samples;
static uint32_t input_at, output_at;

void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(2);
}

/* The first bytes of a file, or all of them. */
static uint8_t *read_some(const char *path, long most, uint32_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("cannot open", path);
  fseek(file, 0, SEEK_END);
  long bytes = ftell(file);
  if (bytes > most) bytes = most;
  rewind(file);
  uint8_t *content = malloc(bytes > 0 ? (size_t)bytes : 1);
  if (!content || fread(content, 1, (size_t)bytes, file) != (size_t)bytes)
    fail("cannot read", path);
  fclose(file);
  *length = (uint32_t)bytes;
  return content;
}

uint8_t *read_file(const char *path, uint32_t *length) {
  return read_some(path, LONG_MAX, length);
}

/* Milliseconds. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* What this process holds, in bytes; 0: unknown. (ru_maxrss may be that of the parent.) */
static double resident(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
  fclose(file);
  return (double)pages * sysconf(_SC_PAGESIZE);
}

/* Puts a sample through the network. */
static void show(uint32_t index) {
  const uint8_t *sample = samples + (size_t)index * job.sample_bytes;
  uint32_t frames = job.sample_bytes / job.frame_bytes;
  if (!job.step) {
    memcpy(host_memory() + input_at, sample, job.frame_bytes);
    host_call(INFER);
    return;
  }
  host_call(RESET);
  for (uint32_t t = 0; t < job.steps; t++) {
    memcpy(host_memory() + input_at, sample + (size_t)(t % frames) * job.frame_bytes,
           job.frame_bytes);
    host_call(STEP);
  }
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double round_of(uint32_t calls, uint32_t *next, uint32_t count) {
  double began = now();
  for (uint32_t i = 0; i < calls; i++) {
    show(*next);
    *next = *next + 1 < count ? *next + 1 : 0;
  }
  return now() - began;
}

/* Median over rounds of the milliseconds for one sample. Calls are doubled until a round is long
   enough for the clock. */
static double time_each(uint32_t count, double limit) {
  double rounds[ROUNDS];
  uint32_t calls = 1, next = 0;
  int n = 1;
  double end = now() + limit;
  rounds[0] = round_of(calls, &next, count);
  while (rounds[0] < ROUND_MS && calls < 1u << 31 && (rounds[0] == 0 || now() < end)) {
    calls *= 2;
    rounds[0] = round_of(calls, &next, count);
  }
  while (n < ROUNDS && now() < end) rounds[n++] = round_of(calls, &next, count);
  qsort(rounds, (size_t)n, sizeof rounds[0], by_size);
  return rounds[n / 2] / calls;
}

int main(int argc, char **argv) {
  if (argc != 12) fail("arguments", "11 are needed");
  int u8 = strcmp(argv[5], "u8") == 0;
  job.step = strcmp(argv[4], "step") == 0;
  job.samples = (uint32_t)strtoul(argv[6], NULL, 10);
  job.sample_bytes = (uint32_t)strtoul(argv[7], NULL, 10);
  job.frame_bytes = (uint32_t)strtoul(argv[8], NULL, 10);
  job.steps = (uint32_t)strtoul(argv[9], NULL, 10);
  job.classes = (uint32_t)strtoul(argv[10], NULL, 10);
  job.seconds = strtod(argv[11], NULL);
  uint32_t expected_bytes, sample_bytes;
  /* The first sample alone: the others must not count as memory of the host. */
  samples = read_some(argv[2], job.sample_bytes, &sample_bytes);
  if (sample_bytes < job.sample_bytes) fail("samples", "the file is too short");

  const char *const names[EXPORTS] = {
      u8 ? "input_u8_ptr" : "input_ptr", "output_ptr", job.step ? NULL : "infer",
      job.step ? "step" : NULL, job.step ? "reset" : NULL};
  double began = now();
  host_open(argv[1], names);
  input_at = host_value(INPUT_PTR);
  output_at = host_value(OUTPUT_PTR);
  show(0);
  double cold = now() - began, memory = resident();

  free(samples);
  samples = read_file(argv[2], &sample_bytes);
  if (sample_bytes < (uint64_t)job.samples * job.sample_bytes)
    fail("samples", "the file is too short");
  uint8_t *expected = read_file(argv[3], &expected_bytes);
  if (expected_bytes / 4 < (uint64_t)job.samples * job.classes)
    fail("expected outputs", "the file is too short");
  unsigned long differ = 0;
  uint32_t ran = 0, first_sample = 0, first_output = 0, first_got = 0, first_want = 0;
  double started = now();
  while (ran < job.samples && (ran == 0 || now() - started < 1e3 * job.seconds)) {
    show(ran);
    for (uint32_t k = 0; k < job.classes; k++) {
      uint32_t got, want;
      memcpy(&got, host_memory() + output_at + 4 * k, 4);
      memcpy(&want, expected + 4 * ((size_t)ran * job.classes + k), 4);
      if (got == want) continue;
      if (differ++ > 0) continue;
      first_sample = ran, first_output = k, first_got = got, first_want = want;
    }
    ran++;
  }
  double each = time_each(ran, 250 * job.seconds);
  printf("{\"samples\":%u,\"differ\":%lu,\"first\":", ran, differ);
  if (differ > 0)
    printf("{\"sample\":%u,\"output\":%u,\"got\":%u,\"want\":%u}", first_sample, first_output,
           first_got, first_want);
  else
    printf("null");
  printf(",\"us\":%.4f,\"coldMs\":%.4f,\"memoryBytes\":%.0f,\"residentBytes\":", 1e3 * each, cold,
         (double)host_memory_bytes());
  if (memory > 0)
    printf("%.0f}\n", memory);
  else
    printf("null}\n");
  return 0;
}
