/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buffer
{
  char *at;
  size_t size;
  size_t room;
};

bool
buffer_add (struct buffer *text,
            const void *bytes,
            size_t size);

/* Makes room for so many bytes more.  False if memory is short. */
bool
buffer_reserve (struct buffer *text,
                size_t size);
