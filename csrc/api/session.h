/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections, by token.
 */
#pragma once

#include <stdint.h>

int
pymhd_session_dup (int64_t session);

int
pymhd_session_close (int64_t session);

int
pymhd_session_is_live (int64_t session);

int64_t
pymhd_sessions_live (void);

int
pymhd_session_error (int64_t session);

void
pymhd_session_limit (int64_t session,
                     int64_t limit_ms);

void
pymhd_session_touch (int64_t session);
