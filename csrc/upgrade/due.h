/* SPDX-License-Identifier: MIT
 *
 * Sessions that are to be looked at, the earliest first: a binary heap, so that
 * one costs the same, nearly, however many there are.  The caller has the lock
 * of session.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct session;

struct due
{
  struct session **at;
  uint32_t count;
  uint32_t room;
};

/* Puts a session where its due_ms belongs, whether it was there or not.  False if
   memory is short: then it is not there. */
bool
due_put (struct due *due,
         struct session *session);

/* Also if it is not there. */
void
due_remove (struct due *due,
            struct session *session);

/* NULL if there is none. */
struct session *
due_first (const struct due *due);

void
due_free (struct due *due);
