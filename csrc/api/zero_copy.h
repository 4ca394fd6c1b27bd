/* SPDX-License-Identifier: MIT
 *
 * Bodies that are sent from Python's memory.
 */
#pragma once

#include <stdint.h>

int
pymhd_lend (void);

int64_t
pymhd_lent_take (void);
