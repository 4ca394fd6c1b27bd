/* SPDX-License-Identifier: MIT
 *
 * A request's head as text, and what it says about the body.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

#include "http/response.h"

struct request;
struct text;

struct head
{
  struct text *text;
  uint64_t length;              /* Content-Length, 0 without one */
  bool has_unknown_coding;      /* the body's end cannot be found */
  bool expects_continue;
};

/* Adds to the target in head->text: a line each for it, the method, the version
   and the client, then two for each header field; learns the rest of head.
   REFUSALS; BAD_REQUEST if they are malformed, FAILED if memory is short. */
enum refusal
head_write (struct head *head,
            struct MHD_Connection *connection,
            const char *method,
            const char *version);

/* True for a target with a control character, a blank or "%00" in it, for one
   that a NUL has cut, and for no version of HTTP/1. */
bool
head_target_is_bad (const struct request *request,
                    const char *version);
