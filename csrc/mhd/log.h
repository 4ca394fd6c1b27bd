/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's logger.
 */
#pragma once

#include <stdarg.h>

void
log_mhd (void *cls,
         const char *format,
         va_list arguments);
