/* SPDX-License-Identifier: MIT
 *
 * Log lines, from any thread, without Python.
 */
#pragma once

#include <stdarg.h>

#include "api/log.h"

#define LOG_LINE_SIZE PYMHD_LOG_LINE

/* How much it matters to Python's logging: the first character of a line. */
#define LOG_INFO 'I'
#define LOG_WARNING 'W'
#define LOG_ERROR 'E'

/* A line of our own. */
void
log_at (char level,
        const char *format,
        ...) __attribute__ ((format (printf, 2, 3)));

#define log_line(...) log_at (LOG_INFO, __VA_ARGS__)

/* A line behind the level and the name of WHOSE it is; LINE gets it as a whole. */
void
log_add (char line[LOG_LINE_SIZE],
         const char *whose,
         const char *format,
         va_list arguments) __attribute__ ((format (printf, 3, 0)));

/* A fork's child: the lines are the parent's to log. */
void
log_forked (void);
