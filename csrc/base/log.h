/* SPDX-License-Identifier: MIT
 *
 * Log lines of our own, from any thread.
 */
#pragma once

void
log_line (const char *format,
          ...) __attribute__ ((format (printf, 1, 2)));

void
log_forked (void);
