/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's messages, kept in C until a Python thread takes them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest line, with the NUL at its end; a longer one is cut. */
enum pymhd_log_size
{
  PYMHD_LOG_LINE = 256
};

int
pymhd_log_next (char *line,
                size_t size);

void
pymhd_log_wait (void);

void
pymhd_log_wake (void);

uint64_t
pymhd_log_dropped (void);
