/* What the programs in C share: a picture from a file, and the name of a class. */
#ifndef PICTURE_H
#define PICTURE_H

#include "net.h" /* spikewasm export writes it beside net.wasm */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !NET_HAS_INFER || !NET_INPUT_U8 || NET_CHANNELS != 1 || NET_FRAMES
#error "these programs want a network of grey pictures: export it with --input-type u8"
#endif

static inline void stop(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

/* The next number of a PGM file as text; comments begin with #. */
static inline int next_number(FILE *file) {
  int number;
  while (fscanf(file, "%d", &number) != 1)
    if (fscanf(file, " #%*[^\n]") == EOF) stop("picture", "the file is too short");
  return number;
}

/* Reads a picture, 0 … 255. The network itself applies mean and deviation. */
static inline void read_picture(const char *path, uint8_t input[NET_INPUT_LEN]) {
  FILE *file = fopen(path, "r");
  if (!file) stop("cannot open", path);
  if (fgetc(file) != 'P' || fgetc(file) != '2') stop(path, "is no PGM file as text (P2)");
  int columns = next_number(file), rows = next_number(file), white = next_number(file);
  if (columns != NET_WIDTH || rows != NET_HEIGHT || white < 1) stop(path, "has another size");
  for (int i = 0; i < NET_INPUT_LEN; i++)
    input[i] = (uint8_t)((next_number(file) * 255 + white / 2) / white);
  fclose(file);
}

/* Prints the class with its name, which lies in the network's memory. */
static inline void print_class(const uint8_t *memory, uint32_t info_address, uint32_t best) {
  net_info info;
  memcpy(&info, memory + info_address, sizeof info);
  if (info.magic != NET_MAGIC || info.abi != NET_ABI) stop("net.wasm", "is of another ABI");
  if (info.labels == 0) {
    printf("class %u: %u\n", best, best);
    return;
  }
  const char *label = (const char *)memory + info.labels;
  for (uint32_t i = 0; i < best; i++) label += strlen(label) + 1;
  printf("class %u: %s\n", best, label);
}

#endif
