/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text
{
  char *at;
  size_t size;
  size_t room;
};

bool
text_add (struct text *text,
          const void *bytes,
          size_t size);

/* Makes room for so many bytes more.  False if memory is short. */
bool
text_reserve (struct text *text,
              size_t size);
