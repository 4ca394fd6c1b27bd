/* SPDX-License-Identifier: MIT
 *
 * Tokens: Python holds an integer, never a pointer.  A token is a slot's index
 * and how often that slot has been used, so a stale one finds nothing.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/slots.h"

struct slot
{
  void *entry;
  uint32_t generation;
  uint32_t next_free;           /* 1-based */
};

static struct slot *
slot_of (const struct slots *slots,
         int64_t token)
{
  const uint32_t index = (uint32_t) token;
  struct slot *slot;

  if (index >= slots->size)
    return NULL;
  slot = &slots->slot[index];
  if ( (NULL == slot->entry) ||
       ((uint32_t) (token >> 32) != slot->generation) )
    return NULL;
  return slot;
}


static bool
slots_grow (struct slots *slots)
{
  const uint32_t size = slots->size ? 2 * slots->size : 64;
  struct slot *slot = realloc (slots->slot,
                               size * sizeof (struct slot));
  uint32_t index;

  if (NULL == slot)
    return false;
  for (index = slots->size; index < size; index++)
    slot[index] = (struct slot) { .next_free = index + 1 == size ? 0 : index + 2 };
  slots->free = slots->size + 1;
  slots->slot = slot;
  slots->size = size;
  return true;
}


/* 0, which is no token, if memory is short. */
int64_t
slots_add (struct slots *slots,
           void *entry)
{
  struct slot *slot;
  uint32_t index;

  if ( (0 == slots->free) &&
       (! slots_grow (slots)) )
    return 0;
  index = slots->free - 1;
  slot = &slots->slot[index];
  slots->free = slot->next_free;
  slot->entry = entry;
  /* 1 to 2^31 - 1: neither 0 nor negative, so that every token is positive. */
  slot->generation = slot->generation % INT32_MAX + 1;
  slots->used++;
  return (int64_t) (((uint64_t) slot->generation << 32) | index);
}


void *
slots_get (const struct slots *slots,
           int64_t token)
{
  const struct slot *slot = slot_of (slots, token);

  return NULL == slot ? NULL : slot->entry;
}


void *
slots_at (const struct slots *slots,
          uint32_t index)
{
  return index < slots->size ? slots->slot[index].entry : NULL;
}


void
slots_remove (struct slots *slots,
              int64_t token)
{
  struct slot *slot = slot_of (slots, token);

  if (NULL == slot)
    return;
  slot->entry = NULL;
  slot->next_free = slots->free;
  slots->free = (uint32_t) (slot - slots->slot) + 1;
  slots->used--;
}


void *
slots_next (const struct slots *slots,
            uint32_t *at)
{
  while (*at < slots->size)
  {
    void *entry = slots->slot[(*at)++].entry;

    if (NULL != entry)
      return entry;
  }
  return NULL;
}


void
slots_clear (struct slots *slots)
{
  free (slots->slot);
  *slots = (struct slots) { 0 };
}
