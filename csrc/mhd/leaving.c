/* SPDX-License-Identifier: MIT
 *
 * Clients that are still sending when their connection is closed.
 *
 * A close with unread input is an RST, which destroys our last response on its way: a
 * client that sends all of its body before it listens would never hear the 413.  So a
 * duplicate of the descriptor stays open, and what comes is read and forgotten, until
 * the peer has ended, has been silent for a while, or has had its share of time and
 * bytes.  No more than a few do so at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

/* As nginx does it. */
#define SILENT_MS 5000
#define TOTAL_MS 30000
#define TOTAL_BYTES (UINT64_C (4) << 30)
#define LEAVING 64
/* In one go, so that others have their turn. */
#define PIECES 16

struct leaving
{
  struct watcher watcher;
  struct server *server;
  struct leaving *next;
  struct leaving *previous;
  int fd;
  int64_t deadline_ms;
  int64_t heard_ms;
  uint64_t bytes;
};


/* The clients' lock is held. */
static bool
leaving_enter (struct server *server,
               struct leaving *leaving)
{
  if ( (LEAVING <= server->clients.leaving_count) ||
       (! poller_watch (&server->poller, leaving->fd, EPOLLIN, &leaving->watcher)) )
    return false;
  server->clients.leaving_count++;
  leaving->next = server->clients.leaving;
  if (NULL != leaving->next)
    leaving->next->previous = leaving;
  server->clients.leaving = leaving;
  return true;
}


/* The pump.  A copy that a fork has would keep it in epoll. */
static void
leaving_end (struct server *server,
             struct leaving *leaving)
{
  (void) pthread_mutex_lock (&server->clients.lock);
  poller_unwatch (&server->poller, leaving->fd);
  if (NULL == leaving->previous)
    server->clients.leaving = leaving->next;
  else
    leaving->previous->next = leaving->next;
  if (NULL != leaving->next)
    leaving->next->previous = leaving->previous;
  server->clients.leaving_count--;
  (void) pthread_mutex_unlock (&server->clients.lock);
  (void) close (leaving->fd);
  free (leaving);
}


/* The pump: it has sent more, or has ended. */
static void
leaving_readable (struct watcher *watcher,
                  uint32_t events)
{
  struct leaving *const leaving = (struct leaving *) watcher;
  char scratch[32768];
  ssize_t size = 0;
  int pieces;

  for (pieces = 0; pieces < PIECES; pieces++)
  {
    /* Over TCP nothing is copied. */
    size = recv (leaving->fd, scratch, sizeof (scratch), MSG_DONTWAIT | MSG_TRUNC);
    if (0 >= size)
      break;
    leaving->bytes += (uint64_t) size;
  }
  (void) events;
  leaving->heard_ms = monotonic_ms ();
  if ( (0 == size) ||
       ( (0 > size) && (EAGAIN != errno) && (EINTR != errno) ) ||
       (TOTAL_BYTES < leaving->bytes) )
    leaving_end (leaving->server, leaving);
}


void
leaving_begin (struct server *server,
               int fd)
{
  struct leaving *leaving;
  const int64_t now = monotonic_ms ();
  bool done;

  if (atomic_load (&server->life.late))
    return;
  leaving = calloc (1, sizeof (*leaving));
  if (NULL == leaving)
    return;
  leaving->watcher.ready = &leaving_readable;
  leaving->server = server;
  leaving->deadline_ms = now + TOTAL_MS;
  leaving->heard_ms = now;
  leaving->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (-1 == leaving->fd)
  {
    free (leaving);
    return;
  }
  (void) shutdown (leaving->fd, SHUT_WR);
  (void) pthread_mutex_lock (&server->clients.lock);
  done = leaving_enter (server, leaving);
  (void) pthread_mutex_unlock (&server->clients.lock);
  if (done)
  {
    if (config_calls_back (&server->config))
      wakeup_signal (&server->wakeup);
    return;
  }
  (void) close (leaving->fd);
  free (leaving);
}


/* The pump; there are never many. */
int64_t
leaving_tend (struct server *server)
{
  struct leaving *leaving;
  struct leaving *next;
  int64_t earliest = -1;
  int64_t now;

  if ( (! config_calls_back (&server->config)) &&        /* nobody else touches it */
       (NULL == server->clients.leaving) )
    return -1;
  now = monotonic_ms ();
  (void) pthread_mutex_lock (&server->clients.lock);
  leaving = server->clients.leaving;            /* others may come before it */
  (void) pthread_mutex_unlock (&server->clients.lock);
  for (; NULL != leaving; leaving = next)
  {
    const int64_t silent = leaving->heard_ms + SILENT_MS;
    const int64_t due = silent < leaving->deadline_ms ? silent
                                                      : leaving->deadline_ms;

    next = leaving->next;
    if ( (due <= now) ||
         (atomic_load (&server->life.late)) )
      leaving_end (server, leaving);
    else if ( (-1 == earliest) ||
              (due - now < earliest) )
      earliest = due - now;
  }
  return earliest;
}


/* A fork's child: closes its copies. */
void
leaving_forked (struct server *server)
{
  const struct leaving *leaving;

  for (leaving = server->clients.leaving; NULL != leaving; leaving = leaving->next)
    (void) close (leaving->fd);
  server->clients.leaving = NULL;
}
