/* SPDX-License-Identifier: MIT
 *
 * Handshakes that wait for their client.
 *
 * With epoll libmicrohttpd takes a descriptor for readable until a read of its own has
 * found nothing.  In a handshake it is GnuTLS that reads, so libmicrohttpd would try
 * again and again until the client goes on.  A connection that is suspended it leaves
 * alone, its timeout included: then both are our business.
 *
 * All on the pump's thread, which drives libmicrohttpd; no lock.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/poller.h"
#include "transport/blame.h"
#include "transport/handshake.h"


int
handshakes_watch (struct handshakes *handshakes,
                  int64_t timeout_ms)
{
  handshakes->timeout_ms = timeout_ms;
  return poller_open (&handshakes->poller);
}


static void
suspend_leave (struct handshake *handshake)
{
  struct handshake_list *const list = handshake->list;

  if (NULL == list)
    return;
  handshake->list = NULL;
  if (NULL == handshake->previous)
    list->first = handshake->next;
  else
    handshake->previous->next = handshake->next;
  if (NULL == handshake->next)
    list->last = handshake->previous;
  else
    handshake->next->previous = handshake->previous;
}


static void
suspend_enter (struct handshake_list *list,
               struct handshake *handshake)
{
  suspend_leave (handshake);
  handshake->list = list;
  handshake->next = NULL;
  handshake->previous = list->last;
  if (NULL == list->last)
    list->first = handshake;
  else
    list->last->next = handshake;
  list->last = handshake;
}


void
handshake_waits (struct handshake *handshake,
                 uint32_t events)
{
  struct handshakes *const all = handshake->all;

  handshake->wanted = events;
  if ( (0 != events) &&
       (-1 != all->poller.fd) &&
       (! handshake->complete) )
    suspend_enter (&all->waiting, handshake);
}


static void
suspend_resume (struct handshake *handshake)
{
  suspend_leave (handshake);
  MHD_resume_connection (handshake->connection);
}


/* Libmicrohttpd may also have ended the connection meanwhile: then it has said
   something, and wants nothing. */
static void
suspend_ready (struct watcher *watcher,
               uint32_t events)
{
  struct handshake *const handshake = (struct handshake *) watcher;

  (void) events;
  if (&handshake->all->suspended == handshake->list)
    suspend_resume (handshake);
}


/* Once, since nothing is to be told of it while libmicrohttpd has it. */
static bool
suspend_watch (struct handshake *handshake)
{
  const struct poller *const poller = &handshake->all->poller;
  const uint32_t events = handshake->wanted | EPOLLONESHOT;

  handshake->watcher.ready = &suspend_ready;
  if (handshake->watched)
    return poller_rewatch (poller, handshake->fd, events, &handshake->watcher);
  handshake->watched = poller_watch (poller, handshake->fd, events,
                                     &handshake->watcher);
  return handshake->watched;
}


void
handshakes_suspend (struct handshakes *handshakes)
{
  struct handshake *handshake;

  while (NULL != (handshake = handshakes->waiting.first))
  {
    suspend_leave (handshake);
    /* Rather at work for nothing than deaf. */
    if ( (0 == handshake->wanted) ||
         (handshake->complete) ||
         (! suspend_watch (handshake)) )
      continue;
    MHD_suspend_connection (handshake->connection);
    handshake->suspended_ms = monotonic_ms ();
    suspend_enter (&handshakes->suspended, handshake);
  }
}


void
handshakes_resume (struct handshakes *handshakes)
{
  poller_wait (&handshakes->poller, 0);
}


int64_t
handshakes_overdue (struct handshakes *handshakes)
{
  struct handshake *handshake;

  if (0 == handshakes->timeout_ms)
    return -1;
  while (NULL != (handshake = handshakes->suspended.first))
  {
    const int64_t now = monotonic_ms ();
    const int64_t left = handshake->suspended_ms + handshakes->timeout_ms - now;

    if (0 < left)
      return left;
    /* By this it becomes ready, and libmicrohttpd closes it. */
    handshake_cut (handshake,
                   "it has sent nothing for as long as Limits.timeout allows");
    (void) shutdown (handshake->fd, SHUT_RDWR);
    handshake->suspended_ms = now;
    suspend_enter (&handshakes->suspended, handshake);
  }
  return -1;
}


void
handshakes_release (struct handshakes *handshakes)
{
  while (NULL != handshakes->suspended.first)
    suspend_resume (handshakes->suspended.first);
}


void
handshake_forget (struct handshake *handshake)
{
  suspend_leave (handshake);
  if (handshake->watched)
    poller_unwatch (&handshake->all->poller, handshake->fd);
}
