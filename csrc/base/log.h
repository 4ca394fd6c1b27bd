/* SPDX-License-Identifier: MIT
 *
 * Log lines, from any thread, without Python.
 */
#pragma once

#include <stdarg.h>

#include "api/log.h"

#define LOG_LINE_SIZE PYMHD_LOG_LINE

/* A line of our own. */
void
log_line (const char *format,
          ...) __attribute__ ((format (printf, 1, 2)));

/* A line behind the name of WHOSE it is; LINE gets it as a whole. */
void
log_add (char line[LOG_LINE_SIZE],
         const char *whose,
         const char *format,
         va_list arguments) __attribute__ ((format (printf, 3, 0)));

/* A fork's child: the lines are the parent's to log. */
void
log_forked (void);
