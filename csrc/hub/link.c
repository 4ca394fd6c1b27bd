/* SPDX-License-Identifier: MIT
 *
 * The life of a link, an upgraded connection that the pump serves itself: from its
 * place in the hub's table to its release, when its session takes it back and closes
 * it.  All on the pump's thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/batch.h"
#include "api/hub.h"
#include "api/session.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/slots.h"
#include "hub/hub.h"
#include "mhd/batch.h"
#include "mhd/server.h"
#include "upgrade/session.h"


struct link *
hub_link (const struct hub *hub,
          int32_t connection)
{
  if (0 > connection)
    return NULL;
  return slots_at (&hub->links, (uint32_t) connection);
}


void
link_free (struct link *link)
{
  if (link->handed_over)
    poller_unwatch (&link->hub->server->poller, link->stream.fd);
  outbox_clear (&link->outbox);
  overdue_forget (link);
  free (link->early);
  free (link);
}


/* The pump: gives the link its place and has it watched. */
static void
link_adopt (struct link *link)
{
  const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  struct hub *const hub = link->hub;
  const struct poller *const poller = &hub->server->poller;
  const int64_t session = link->session;
  const struct pymhd_event event = {
    .kind = PYMHD_EVENT_ABANDONED,
    .request = link->request,
  };
  bool watched;

  (void) pthread_mutex_lock (&hub->lock);
  if (hub_make_arena (hub))
    link->place = slots_add (&hub->links, link);
  (void) pthread_mutex_unlock (&hub->lock);
  if (0 == link->place)
  {
    log_line ("an upgraded connection was closed at once: out of memory");
    (void) batch_add (&hub->server->batch, &event);
    link_free (link);
    (void) pymhd_session_close (session);
    return;
  }
  hub_queue (link);
  watched = link->handed_over
            ? poller_rewatch (poller, link->stream.fd, events, &link->watcher)
            : poller_watch (poller, link->stream.fd, events, &link->watcher);
  link->handed_over = false;
  if (! watched)
    hub_lose (link, errno);
}


void
links_adopt (struct hub *hub)
{
  struct link *link;
  struct link *next;

  (void) pthread_mutex_lock (&hub->lock);
  link = hub->arrived;
  hub->arrived = NULL;
  hub->arrived_last = NULL;
  atomic_store (&hub->has_arrived, false);
  (void) pthread_mutex_unlock (&hub->lock);
  for (; NULL != link; link = next)
  {
    next = link->next;
    link_adopt (link);
  }
}


/* The pump's thread: no more output; a FIN behind what waits. */
void
pymhd_hub_shut (struct pymhd_hub *face,
                int32_t connection)
{
  struct hub *const hub = hub_of (face);
  struct link *const link = hub_link (hub, connection);

  if ( (NULL == link) ||
       (atomic_load (&hub->server->life.dead)) )
    return;
  link_set_output (link, OUTPUT_SHUTTING);
  outbox_flush (link);
}


/* The pump's thread: no more input, and the end behind the output that waits,
   or, to abort it, at once. */
void
pymhd_hub_close (struct pymhd_hub *face,
                 int32_t connection,
                 int abort)
{
  struct hub *const hub = hub_of (face);
  struct link *const link = hub_link (hub, connection);

  if ( (NULL == link) ||
       (atomic_load (&hub->server->life.dead)) )
    return;
  link_set_output (link, OUTPUT_CLOSING);
  if (abort)
  {
    link_set_output (link, OUTPUT_ABORTED);
    hub_lose (link, 0);
  }
  else
  {
    outbox_flush (link);
    overdue_begin (link);
  }
}


/* The link is out of epoll and out of the table; the session goes on. */
static void
link_detach (struct link *link)
{
  struct hub *const hub = link->hub;

  poller_unwatch (&hub->server->poller, link->stream.fd);
  (void) pthread_mutex_lock (&hub->lock);
  slots_remove (&hub->links, link->place);
  (void) pthread_mutex_unlock (&hub->lock);
}


/* The pump's thread: Python has told its protocols of the ends, and the places
   may be given to others. */
void
pymhd_hub_release (struct pymhd_hub *face,
                   const int32_t *connections,
                   int count)
{
  struct hub *const hub = hub_of (face);
  int i;

  if (atomic_load (&hub->server->life.dead))
    return;
  for (i = 0; i < count; i++)
  {
    struct link *const link = hub_link (hub, connections[i]);

    if (NULL == link)
      continue;
    link_detach (link);
    if (OUTPUT_ABORTED == link->output)
      (void) shutdown (link->stream.fd, SHUT_RDWR);    /* nothing to linger for */
    /* Under TLS the socket may live on, whatever has gone wrong above it. */
    session_leave_hub (hub->sessions, link->session,
                       (ECONNRESET == link->error) && (NULL == link->stream.tls));
    if (link->queued)
      link_enter (link, LINK_RELEASED);
    else
      link_free (link);
  }
}


/* stop(), on the driver's thread: the sessions are ended next. */
void
hub_end (struct hub *hub)
{
  struct link *link;
  uint32_t at = 0;

  (void) pthread_mutex_lock (&hub->lock);
  hub->ended = true;
  (void) pthread_mutex_unlock (&hub->lock);
  while (NULL != hub->first)
  {
    link = hub_unqueue (hub);
    if (LINK_RELEASED == link->life)
      link_free (link);
  }
  while (NULL != (link = slots_next (&hub->links, &at)))
  {
    link_detach (link);
    link_free (link);
  }
  while (NULL != (link = hub->arrived))
  {
    hub->arrived = link->next;
    link_free (link);
  }
  (void) pthread_mutex_lock (&hub->lock);
  slots_clear (&hub->links);
  (void) pthread_mutex_unlock (&hub->lock);
}


/* A finalizer, when the daemon has been stopped. */
void
hub_free (struct hub *hub)
{
  free (hub->batch.events);
  free (hub->batch.crossed);
  free (hub->arena);
}
