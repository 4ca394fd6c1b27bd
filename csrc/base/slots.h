/* SPDX-License-Identifier: MIT
 *
 * Integers for pointers.  The caller brings the lock.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>

struct slot;

struct slots
{
  struct slot *slot;
  uint32_t size;
  uint32_t used;
  uint32_t free;                /* head of the list of free slots, 1-based */
};

int64_t
slots_add (struct slots *slots,
           void *entry);

void *
slots_get (const struct slots *slots,
           int64_t token);

/* The entry in a token's low 32 bits, however often that slot has been used. */
void *
slots_at (const struct slots *slots,
          uint32_t index);

void
slots_remove (struct slots *slots,
              int64_t token);

/* The entry at or after *at, which moves behind it; NULL after the last. */
void *
slots_next (const struct slots *slots,
            uint32_t *at);

void
slots_clear (struct slots *slots);
