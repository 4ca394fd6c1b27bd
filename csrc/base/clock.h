/* SPDX-License-Identifier: MIT
 *
 * The clock of every deadline.
 */
#pragma once

#include <stdint.h>

/* Milliseconds on the monotonic clock.  Any thread. */
int64_t
monotonic_ms (void);
