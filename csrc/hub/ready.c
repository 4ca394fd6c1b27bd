/* SPDX-License-Identifier: MIT
 *
 * Links that are to be attended to, first come, first served: epoll has told of them,
 * or their end has come.
 *
 * All on the pump's thread; no lock.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/hub.h"
#include "base/poller.h"
#include "hub/hub.h"
#include "transport/stream.h"


void
hub_queue (struct link *link)
{
  struct hub *const hub = link->hub;

  if (link->queued)
    return;
  link->queued = true;
  link->next = NULL;
  if (NULL == hub->last)
    hub->first = link;
  else
    hub->last->next = link;
  hub->last = link;
}


struct link *
hub_unqueue (struct hub *hub)
{
  struct link *const link = hub->first;

  hub->first = link->next;
  if (NULL == hub->first)
    hub->last = NULL;
  link->queued = false;
  return link;
}


void
hub_lose (struct link *link,
          int error)
{
  if (LINK_OPEN != link->life)
    return;
  link_enter (link, LINK_LOST);
  link->error = error;
  outbox_clear (&link->outbox);
  overdue_forget (link);
  hub_queue (link);
}


void
hub_cut (struct link *link,
         enum pymhd_hub_cut why)
{
  link->cut = why;
  link_set_output (link, OUTPUT_ABORTED);
  hub_lose (link, 0);
}


/* The pump: epoll tells of a link. */
void
hub_ready (struct watcher *watcher,
           uint32_t events)
{
  struct link *const link = (struct link *) watcher;
  int error = 0;
  socklen_t size = sizeof (error);

  if ( (0 != (events & (EPOLLOUT | EPOLLERR))) &&
       ( (0 != link->outbox.size) || (0 != stream_waiting (&link->stream)) ) )
    outbox_flush (link);
  if (0 == (events & ~(uint32_t) EPOLLOUT))
    return;
  link->readable = true;
  if (0 != (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
    link->stream.hung_up = true;
  /* Nobody reads there any more, and so meets the error. */
  if ( (0 != (events & EPOLLERR)) &&
       ( (INPUT_ENDED == link->input) || (OUTPUT_CLOSING <= link->output) ) &&
       (0 == getsockopt (link->stream.fd, SOL_SOCKET, SO_ERROR, &error, &size)) &&
       (0 != error) )
    hub_lose (link, error);
  if (INPUT_PAUSED != link->input)
    hub_queue (link);
}
