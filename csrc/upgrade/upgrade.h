/* SPDX-License-Identifier: MIT
 *
 * From the 101 to a descriptor in Python's hands.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

struct pymhd_daemon;

/* The MHD_UpgradeHandler behind every Response.for_upgrade(). */
void
upgrade_begin (void *cls,
               struct MHD_Connection *connection,
               void *req_cls,
               const char *extra_in,
               size_t extra_in_size,
               MHD_socket sock,
               struct MHD_UpgradeResponseHandle *urh);

/* The request's 101 went out, and there is no way to hand its connection over:
   says so, once, and closes it. */
void
upgrade_give_up (struct pymhd_daemon *daemon,
                 int64_t request,
                 struct MHD_UpgradeResponseHandle *urh,
                 const char *why);
