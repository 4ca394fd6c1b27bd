/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define LEAST_ROOM 512

bool
text_reserve (struct text *text,
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
text_add (struct text *text,
          const void *bytes,
          size_t size)
{
  if (! text_reserve (text, size))
    return false;
  if (0 != size)
    memcpy (text->at + text->size, bytes, size);
  text->size += size;
  return true;
}
