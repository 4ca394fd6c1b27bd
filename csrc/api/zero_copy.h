/* SPDX-License-Identifier: MIT
 *
 * Bodies that are sent from Python's memory.
 */
#pragma once

#include <stdint.h>

int
pymhd_zero_copy_lend (void);

int64_t
pymhd_zero_copy_take (void);
