/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's logger.
 */
#pragma once

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>

#include "base/log.h"

/* What libmicrohttpd has logged last: why it did not start. */
struct said
{
  pthread_mutex_t lock;         /* a leaf: guards the line */
  char line[LOG_LINE_SIZE];
};

/* MHD_LogCallback */
void
log_mhd (void *cls,
         const char *format,
         va_list arguments);

/* The driver: whether libmicrohttpd has said on this thread, since the last call, that
   the header of a response did not fit. */
bool
log_took_header_failure (void);
