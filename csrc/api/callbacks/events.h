/* SPDX-License-Identifier: MIT
 *
 * What Python implements (pymhd/_engine/callbacks.py) and csrc calls, on threads of
 * libmicrohttpd's own, where it has some.  No lock is held there.
 */
#pragma once

#include <stdint.h>

#include "api/batch.h"
#include "api/response.h"

struct pymhd_response *
pymhd_on_request (int64_t owner,
                  const struct pymhd_event *event,
                  const char *text);

void
pymhd_on_upgraded (int64_t owner,
                   const struct pymhd_event *event,
                   const char *text);

void
pymhd_on_abandoned (int64_t owner,
                    int64_t request);
