/* SPDX-License-Identifier: MIT
 *
 * Bodies that are sent from Python's memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <microhttpd.h>

struct pymhd_piece;

/* A response with the body that pymhd_zero_copy_lend() has announced, which stays
   where it is.  NULL, and it has been given back, if memory is short.  Any thread. */
struct MHD_Response *
zero_copy_response (const char *body,
                    size_t size);

/* A response whose body is several pieces; where libmicrohttpd has no such responses, a
   copy of them.  What is given back is the address of PIECES. */
struct MHD_Response *
zero_copy_pieces (const struct pymhd_piece *pieces,
                  unsigned int count);

/* Whether pymhd_zero_copy_take() has something to give.  Any thread. */
bool
zero_copy_is_returned (void);

void
zero_copy_forked (void);
