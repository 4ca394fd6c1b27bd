/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static bool
grow (struct text *text,
      size_t size)
{
  size_t room = text->room ? text->room : 4096;
  char *at;

  while (room - text->size < size)
  {
    if (room > SIZE_MAX / 2)
      return false;
    room *= 2;
  }
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
  if ( (text->room - text->size < size) &&
       (! grow (text, size)) )
    return false;
  if (0 != size)
    memcpy (text->at + text->size, bytes, size);
  text->size += size;
  return true;
}
