/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define LEAST_ROOM 512

bool
buffer_reserve (struct buffer *text,
                size_t size)
{
  const size_t twice = text->room > SIZE_MAX / 2 ? SIZE_MAX : 2 * text->room;
  size_t room;
  char *at;

  if (text->room - text->size >= size)
    return true;
  if (SIZE_MAX - text->size < size)
    return false;
  room = text->size + size;
  if (room < twice)
    room = twice;
  if (room < LEAST_ROOM)
    room = LEAST_ROOM;
  at = realloc (text->at, room);
  if (NULL == at)
    return false;
  text->at = at;
  text->room = room;
  return true;
}


bool
buffer_add (struct buffer *text,
            const void *bytes,
            size_t size)
{
  if (! buffer_reserve (text, size))
    return false;
  if (0 != size)
    memcpy (text->at + text->size, bytes, size);
  text->size += size;
  return true;
}
