/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's messages, kept in C until a Python thread takes them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int
pymhd_log_next (char *line,
                size_t size);

void
pymhd_log_wait (void);

void
pymhd_log_wake (void);

uint64_t
pymhd_log_dropped (void);
