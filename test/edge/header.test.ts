/** `net.h`: compilers take it, and it says what the struct says. */

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NetInfo } from '../../src/edge/abi.js'
import { netHeader, writeInfoStruct } from '../../src/edge/header.js'
import { netInfo } from '../../src/edge/net.js'
import { withFolder } from '../files/temporary.js'
import { skip } from '../support/runner.js'
import { tinyNet } from '../support/tiny-net.js'

const labels = ['plain', 'quote " and \\', 'ümlaut 1 ?' + '?/ */']
const cases: readonly Partial<NetInfo>[] = [
  {},
  { name: 'a */ name', labels, synops: { max: 2 ** 40 + 5, mean: 1234.5 } },
  { mode: 'both', inputType: 'u8', mean: [0.1307], std: [1], labels },
  { mode: 'step', frames: true },
  { mode: 'train', batchSize: 8 },
]

/** A program that compares the header with the struct, its labels and sizes. */
function program(info: NetInfo): string {
  const at = { input: 16, output: 32, labels: 48, mean: 64, std: 80 }
  const bytes = [...writeInfoStruct(info, at)].join(', ')
  const texts = (info.labels ?? []).map(
    (label, i) => `{ static const unsigned char b[] = {${[...Buffer.from(label), 0].join(', ')}};
      if (strcmp(net_labels[${i}], (const char *)b) != 0) return ${20 + i}; }`,
  )
  return `
#include "net.h"
#include "net.h"
#include <string.h>
int main(void) {
  static const unsigned char bytes[] = {${bytes}};
  net_info info;
  if (sizeof info != NET_INFO_BYTES || sizeof bytes != sizeof info) return 1;
  memcpy(&info, bytes, sizeof info);
  if (info.magic != NET_MAGIC || info.abi != NET_ABI || info.struct_bytes != sizeof info) return 2;
  if (info.channels != NET_CHANNELS || info.height != NET_HEIGHT) return 3;
  if (info.width != NET_WIDTH || info.frames != NET_FRAMES) return 4;
  if (info.time_steps != NET_TIME_STEPS || info.classes != NET_CLASSES) return 5;
  if (info.batch_size != NET_BATCH_SIZE || info.input_type != NET_INPUT_U8) return 6;
  if (info.modes != NET_HAS_INFER + 2 * NET_HAS_STEP + 4 * NET_HAS_TRAIN) return 7;
  if (info.input != 16 || info.input_len != NET_INPUT_LEN) return 8;
  if (info.output != 32 || info.output_len != NET_OUTPUT_LEN) return 9;
  if (info.memory_bytes != NET_MEMORY_BYTES || info.used_bytes != NET_USED_BYTES) return 10;
  if (info.labels != 48 || info.mean != 64 || info.std != 80) return 11;
  if (((uint64_t)info.synops_max_hi << 32 | info.synops_max_lo) != NET_SYNOPS_MAX) return 12;
  if (strcmp(NET_EXPORT_ABI_VERSION, "abi_version") != 0) return 13;
  ${texts.join('\n  ')}
#if NET_INPUT_U8
  if (net_mean[0] != (float)${info.mean?.[0] ?? 0} || net_std[0] != (float)1) return 14;
#endif
#if NET_HAS_TRAIN
  if (sizeof(net_options) != 20) return 15;
#endif
  return 0;
}
`
}

const compilers = [
  ['cc', 'net.c', ['-std=c99']],
  ['c++', 'net.cc', ['-std=c++11']],
] as const

for (const [compiler, file, standard] of compilers)
  test(`${compiler} takes it without a warning, and it says what the struct says`, () => {
    if (spawnSync(compiler, ['--version']).status !== 0) return skip(`there is no ${compiler}`)
    return withFolder(async (folder) => {
      for (const info of cases) {
        const bytes = tinyNet({ info })
        writeFileSync(join(folder, 'net.h'), netHeader(bytes))
        writeFileSync(join(folder, file), program(netInfo(bytes)))
        const flags = [...standard, '-Wall', '-Wextra', '-pedantic', '-Werror', file, '-o', 'net']
        const { status, stderr } = spawnSync(compiler, flags, { cwd: folder, encoding: 'utf8' })
        assert.is(status, 0, stderr)
        assert.is(spawnSync(join(folder, 'net')).status, 0, JSON.stringify(info))
      }
    })
  })

test.run()
