/* SPDX-License-Identifier: MIT
 *
 * Connections that have been closed, and whose peers have not taken all that was
 * written: they are waited for, but not for ever.
 *
 * A peer must take something within the daemon's close_ms each time, so those that
 * wait stand in the order in which their peers last did, and only the first one can
 * be due.  It must also take LEAST_RATE on the average: that is looked at when it
 * takes something, for if it does not, it is due anyway.
 *
 * All on the pump's thread; no lock.
 */
#include "api/hub.h"
#include "base/clock.h"
#include "hub/hub.h"
#include "mhd/server.h"

/* Bytes a second. */
#define LEAST_RATE 4096


static void
overdue_append (struct link *link)
{
  struct hub *const hub = link->hub;

  link->overdue = true;
  link->overdue_next = NULL;
  link->overdue_previous = hub->closing_last;
  if (NULL == hub->closing_last)
    hub->closing_first = link;
  else
    hub->closing_last->overdue_next = link;
  hub->closing_last = link;
}


void
overdue_forget (struct link *link)
{
  struct hub *const hub = link->hub;

  if (! link->overdue)
    return;
  link->overdue = false;
  if (NULL == link->overdue_previous)
    hub->closing_first = link->overdue_next;
  else
    link->overdue_previous->overdue_next = link->overdue_next;
  if (NULL == link->overdue_next)
    hub->closing_last = link->overdue_previous;
  else
    link->overdue_next->overdue_previous = link->overdue_previous;
}


void
overdue_begin (struct link *link)
{
  const int64_t patience = link->hub->server->config.close_ms;
  const int64_t waits = (int64_t) outbox_waiting (link);

  if ( (0 == patience) ||
       (LINK_OPEN != link->life) ||
       (link->overdue) )
    return;
  link->taken_ms = monotonic_ms ();
  link->latest_ms = link->taken_ms + patience + waits / LEAST_RATE * 1000;
  overdue_append (link);
}


void
overdue_renew (struct link *link)
{
  if (! link->overdue)
    return;
  link->taken_ms = monotonic_ms ();
  if (link->taken_ms > link->latest_ms)
  {
    hub_cut (link, PYMHD_HUB_CUT_CLOSE);
    return;
  }
  overdue_forget (link);
  overdue_append (link);
}


int64_t
hub_overdue (struct hub *hub)
{
  int64_t left;

  while (NULL != hub->closing_first)
  {
    left = hub->closing_first->taken_ms + hub->server->config.close_ms
           - monotonic_ms ();
    if (0 < left)
      return left;
    hub_cut (hub->closing_first, PYMHD_HUB_CUT_CLOSE);
  }
  return -1;
}
