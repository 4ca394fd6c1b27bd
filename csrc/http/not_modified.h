/* SPDX-License-Identifier: MIT
 *
 * 304 (Not Modified): a Content-Length is the 200's, or there is none (RFC 9110,
 * section 8.6).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <microhttpd.h>

/* Any thread; no Python inside.  A response that has no body and tells no length. */
struct MHD_Response *
not_modified_response (void);

/* Any thread; no Python inside.  Has a response with a body of this size tell it. */
bool
not_modified_tells_length (struct MHD_Response *mhd,
                           size_t body_size);
