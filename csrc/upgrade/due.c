/* SPDX-License-Identifier: MIT
 *
 * A binary heap of sessions by the time at which they are due.  Each knows its
 * place, counted from 1, and 0 when it is not in there.
 */
#include <stdlib.h>

#include "upgrade/due.h"
#include "upgrade/session.h"


static void
due_set (struct due *due,
         uint32_t place,
         struct session *session)
{
  due->at[place - 1] = session;
  session->due_place = place;
}


/* Moves a session towards the first place as far as it is earlier. */
static void
due_move_up (struct due *due,
             struct session *session)
{
  uint32_t place = session->due_place;

  while (1 < place)
  {
    struct session *const above = due->at[place / 2 - 1];

    if (above->due_ms <= session->due_ms)
      break;
    due_set (due, place, above);
    place /= 2;
  }
  due_set (due, place, session);
}


/* Moves it the other way as far as others are earlier. */
static void
due_move_down (struct due *due,
               struct session *session)
{
  uint32_t place = session->due_place;
  uint32_t below;

  while ((below = 2 * place) <= due->count)
  {
    if ( (below < due->count) &&
         (due->at[below]->due_ms < due->at[below - 1]->due_ms) )
      below++;
    if (session->due_ms <= due->at[below - 1]->due_ms)
      break;
    due_set (due, place, due->at[below - 1]);
    place = below;
  }
  due_set (due, place, session);
}


static bool
due_make_room (struct due *due)
{
  const uint32_t room = due->room ? 2 * due->room : 64;
  struct session **at;

  if (due->count < due->room)
    return true;
  at = realloc (due->at, room * sizeof (struct session *));
  if (NULL == at)
    return false;
  due->at = at;
  due->room = room;
  return true;
}


bool
due_put (struct due *due,
         struct session *session)
{
  if (0 == session->due_place)
  {
    if (! due_make_room (due))
      return false;
    due_set (due, ++due->count, session);
  }
  due_move_up (due, session);
  due_move_down (due, session);
  return true;
}


void
due_remove (struct due *due,
            struct session *session)
{
  const uint32_t place = session->due_place;
  struct session *last;

  if (0 == place)
    return;
  last = due->at[--due->count];
  session->due_place = 0;
  if (last == session)
    return;
  due_set (due, place, last);
  due_move_up (due, last);
  due_move_down (due, last);
}


struct session *
due_first (const struct due *due)
{
  return 0 == due->count ? NULL : due->at[0];
}


void
due_free (struct due *due)
{
  free (due->at);
  *due = (struct due) { 0 };
}
