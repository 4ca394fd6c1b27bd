/* SPDX-License-Identifier: MIT
 *
 * From the 101 to a descriptor in Python's hands.
 */
#pragma once

#include <stdint.h>
#include <microhttpd.h>

struct sessions;

/* The request's 101 went out, and there is no way to hand its connection over:
   says so, once, and closes it. */
void
upgrade_give_up (struct sessions *sessions,
                 int64_t request,
                 struct MHD_UpgradeResponseHandle *urh,
                 const char *why);
