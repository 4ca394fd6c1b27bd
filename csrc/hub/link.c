/* SPDX-License-Identifier: MIT
 *
 * The life of a link, an upgraded connection that the pump serves itself: from
 * the upgrade handler over its place in the hub's table to its release, when
 * session.c takes it back and closes it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/batch.h"
#include "api/hub.h"
#include "api/session.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/slots.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "http/request.h"
#include "hub/hub.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "transport/tls.h"
#include "upgrade/session.h"
#include "upgrade/upgrade.h"


/* The thread that starts the daemon.  False if memory is short. */
bool
hub_open (struct pymhd_daemon *daemon)
{
  daemon->hub = calloc (1, sizeof (*daemon->hub));
  if (NULL == daemon->hub)
    return false;
  (void) pthread_mutex_init (&daemon->hub->lock, NULL);
  return true;
}


struct link *
hub_link (const struct pymhd_daemon *daemon,
          int32_t connection)
{
  if ( (NULL == daemon->hub) ||
       (0 > connection) )
    return NULL;
  return slots_at (&daemon->hub->links, (uint32_t) connection);
}


void
link_free (struct link *link)
{
  if (link->handed_over)
    poller_unwatch (&link->daemon->poller, link->fd);
  outbox_clear (&link->outbox);
  overdue_forget (link);
  free (link->early);
  free (link);
}


static struct link *
link_new (struct pymhd_daemon *daemon,
          int fd,
          const char *early,
          size_t early_size)
{
  struct link *const link = malloc (sizeof (*link));

  if (NULL == link)
    return NULL;
  *link = (struct link) {
    .watcher = { &hub_ready },
    .daemon = daemon,
    .fd = fd,
    .early_size = early_size,
    .high = PYMHD_HUB_HIGH_WATER,
    .low = PYMHD_HUB_LOW_WATER,
  };
  if (0 == early_size)
    return link;
  link->early = malloc (early_size);
  if (NULL == link->early)
  {
    free (link);
    return NULL;
  }
  memcpy (link->early, early, early_size);
  return link;
}


/* The same over TLS, whose session may hold more that came early.  NULL too if
   there is no TLS where there should be. */
static struct link *
link_make (struct pymhd_daemon *daemon,
           int fd,
           struct tls *tls,
           const char *extra,
           size_t extra_size)
{
  struct text early = { 0 };
  struct link *link = NULL;

  if (! daemon->config.tls)
    return link_new (daemon, fd, extra, extra_size);
  if ( (NULL != tls) &&
       (text_add (&early, extra, extra_size)) &&
       (tls_take_early (tls, &early)) )
    link = link_new (daemon, fd, early.at, early.size);
  if (NULL != link)
    link->tls = tls;
  free (early.at);
  return link;
}


/* Leaves the link to the pump.  False if that has ended. */
static bool
arrive (struct link *link)
{
  struct pymhd_daemon *const daemon = link->daemon;
  struct hub *const hub = daemon->hub;
  bool taken;

  (void) pthread_mutex_lock (&daemon->hub->lock);
  taken = ! hub->ended;
  if (taken)
  {
    if (NULL == hub->arrived_last)
      hub->arrived = link;
    else
      hub->arrived_last->next = link;
    hub->arrived_last = link;
    atomic_store (&hub->has_arrived, true);
  }
  (void) pthread_mutex_unlock (&daemon->hub->lock);
  if (! taken)
    link_free (link);
  else if (config_calls_back (&daemon->config))
    wakeup_signal (&daemon->wakeup);
  return taken;
}


/* MHD_UpgradeHandler of responses that give their connections to the hub: the
   driver's thread, no lock of libmicrohttpd's.  In "per-connection" that
   thread waits in here for the session's end. */
void
hub_begin (void *cls,
           struct MHD_Connection *connection,
           void *req_cls,
           const char *extra_in,
           size_t extra_in_size,
           MHD_socket sock,
           struct MHD_UpgradeResponseHandle *urh)
{
  const int on = 1;
  int64_t request;
  struct pymhd_daemon *const daemon = request_of_upgrade (req_cls, &request);
  struct tls *const tls = daemon->config.tls ? tls_new (connection) : NULL;
  const int fd = NULL == tls ? sock : tls->fd;
  struct link *const link = link_make (daemon, fd, tls, extra_in, extra_in_size);
  struct session *session = NULL;
  bool handed_over;
  int64_t token;

  (void) cls;
  if (NULL != link)
  {
    /* Fails on a UNIX socket, which has nothing to switch off. */
    link->local = 0 != setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
    session = session_new (daemon, fd, NULL, tls, urh, link, &token);
  }
  request_upgraded (req_cls, NULL != session);
  handed_over = client_upgraded (daemon, connection, NULL != session);
  if (NULL == session)
  {
    if (NULL != link)
      link_free (link);
    if (NULL != tls)
      tls_free (tls);
    upgrade_give_up (daemon, request, urh, "out of memory, or stop()");
    return;
  }
  /* stop() has looked at the table before this session was in it. */
  if (atomic_load (&daemon->life.refusing))
    (void) shutdown (fd, SHUT_RD);
  link->request = request;
  link->session = token;
  link->handed_over = handed_over;
  if (! arrive (link))
    (void) pymhd_session_close (token);
  if (config_is_per_connection (&daemon->config))
    session_wait (session);
}


/* The pump: gives the link its place and has it watched. */
static void
adopt (struct link *link)
{
  const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  struct pymhd_daemon *const daemon = link->daemon;
  const int64_t session = link->session;
  const struct pymhd_event event = {
    .kind = PYMHD_EVENT_ABANDONED,
    .request = link->request,
  };
  bool watched;

  (void) pthread_mutex_lock (&daemon->hub->lock);
  if (hub_make_arena (daemon->hub))
    link->place = slots_add (&daemon->hub->links, link);
  (void) pthread_mutex_unlock (&daemon->hub->lock);
  if (0 == link->place)
  {
    log_line ("an upgraded connection was closed at once: out of memory");
    (void) batch_add (&daemon->batch, &event);
    link_free (link);
    (void) pymhd_session_close (session);
    return;
  }
  hub_queue (link);
  watched = link->handed_over
            ? poller_rewatch (&daemon->poller, link->fd, events, &link->watcher)
            : poller_watch (&daemon->poller, link->fd, events, &link->watcher);
  link->handed_over = false;
  if (! watched)
    hub_lose (link, errno);
}


void
links_adopt (struct pymhd_daemon *daemon)
{
  struct link *link;
  struct link *next;

  (void) pthread_mutex_lock (&daemon->hub->lock);
  link = daemon->hub->arrived;
  daemon->hub->arrived = NULL;
  daemon->hub->arrived_last = NULL;
  atomic_store (&daemon->hub->has_arrived, false);
  (void) pthread_mutex_unlock (&daemon->hub->lock);
  for (; NULL != link; link = next)
  {
    next = link->next;
    adopt (link);
  }
}


/* The pump's thread: no more output; a FIN behind what waits. */
void
pymhd_hub_shut (struct pymhd_daemon *daemon,
                int32_t connection)
{
  struct link *const link = hub_link (daemon, connection);

  if ( (NULL == link) ||
       (atomic_load (&daemon->life.dead)) )
    return;
  link->shutting = true;
  outbox_flush (link);
}


/* The pump's thread: no more input, and the end behind the output that waits,
   or, to abort it, at once. */
void
pymhd_hub_close (struct pymhd_daemon *daemon,
                 int32_t connection,
                 int abort)
{
  struct link *const link = hub_link (daemon, connection);

  if ( (NULL == link) ||
       (atomic_load (&daemon->life.dead)) )
    return;
  link->closing = true;
  if (abort)
  {
    link->aborted = true;
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
detach (struct link *link)
{
  struct pymhd_daemon *const daemon = link->daemon;

  poller_unwatch (&daemon->poller, link->fd);
  (void) pthread_mutex_lock (&daemon->hub->lock);
  slots_remove (&daemon->hub->links, link->place);
  (void) pthread_mutex_unlock (&daemon->hub->lock);
}


/* The pump's thread: Python has told its protocols of the ends, and the places
   may be given to others. */
void
pymhd_hub_release (struct pymhd_daemon *daemon,
                   const int32_t *connections,
                   int count)
{
  int i;

  if (atomic_load (&daemon->life.dead))
    return;
  for (i = 0; i < count; i++)
  {
    struct link *const link = hub_link (daemon, connections[i]);

    if (NULL == link)
      continue;
    detach (link);
    if (link->aborted)
      (void) shutdown (link->fd, SHUT_RDWR);    /* nothing to linger for */
    /* Under TLS the socket may live on, whatever has gone wrong above it. */
    session_leave_hub (daemon, link->session,
                       (ECONNRESET == link->error) && (NULL == link->tls));
    if (link->queued)
      link->released = true;
    else
      link_free (link);
  }
}


/* stop(), on the driver's thread: the sessions are ended next. */
void
hub_end (struct pymhd_daemon *daemon)
{
  struct hub *const hub = daemon->hub;
  struct link *link;
  uint32_t at = 0;

  if (NULL == hub)
    return;
  (void) pthread_mutex_lock (&daemon->hub->lock);
  hub->ended = true;
  (void) pthread_mutex_unlock (&daemon->hub->lock);
  while (NULL != hub->first)
  {
    link = hub_unqueue (hub);
    if (link->released)
      link_free (link);
  }
  while (NULL != (link = slots_next (&hub->links, &at)))
  {
    detach (link);
    link_free (link);
  }
  while (NULL != (link = hub->arrived))
  {
    hub->arrived = link->next;
    link_free (link);
  }
  (void) pthread_mutex_lock (&daemon->hub->lock);
  slots_clear (&hub->links);
  (void) pthread_mutex_unlock (&daemon->hub->lock);
}


/* A fork's child, in which another thread of the parent's may have had the lock. */
void
hub_forked (struct pymhd_daemon *daemon)
{
  if (NULL != daemon->hub)
    (void) pthread_mutex_init (&daemon->hub->lock, NULL);
}


/* A finalizer, when the daemon has been stopped. */
void
hub_free (struct pymhd_daemon *daemon)
{
  struct hub *const hub = daemon->hub;

  if (NULL == hub)
    return;
  free (hub->batch.events);
  free (hub->batch.crossed);
  free (hub->arena);
  free (hub);
}
