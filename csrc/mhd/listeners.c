/* SPDX-License-Identifier: MIT
 *
 * Listening on several addresses.
 */
#define _GNU_SOURCE              /* accept4() */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mhd/listeners.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"

/* How many are accepted before others have their turn. */
#define ACCEPTED_AT_ONCE 16
/* When it is tried again after descriptors or memory were short. */
#define PAUSE_MS 100
/* When one that has been handed over, and has not begun, is believed to be lost. */
#define LOST_MS 1000

struct listener
{
  struct watcher watcher;
  struct server *server;
  int fd;                       /* -1: it listens no more */
};


/* Closes a descriptor that nobody shall find closed, not even a fork's child. */
static void
listener_close (struct listener *listener)
{
  const int fd = listener->fd;

  listener->fd = -1;
  if (-1 != fd)
    (void) close (fd);
}


/* The pump.  A close would not do for epoll: others have duplicates. */
static void
listener_end (struct listener *listener)
{
  if (-1 == listener->fd)
    return;
  poller_unwatch (&listener->server->poller, listener->fd);
  listener_close (listener);
}


static bool
listeners_are_below_limit (struct server *server)
{
  const int pending = atomic_load (&server->listeners.pending);
  const unsigned int connections = atomic_load (&server->counts.connections);

  return (uint64_t) connections + (unsigned int) pending
         < server->config.connection_limit;
}


/* One of those that were pending is so no more, unless it was believed to be lost. */
static void
listeners_settle (struct listeners *listeners)
{
  int pending = atomic_load (&listeners->pending);

  while ( (0 < pending) &&
          (! atomic_compare_exchange_weak (&listeners->pending, &pending,
                                           pending - 1)) )
    ;
}


/* The pump.  Whoever comes waits in the backlog. */
static void
listeners_pause (struct server *server,
                 int64_t ms)
{
  struct listeners *const listeners = &server->listeners;
  size_t i;

  listeners->paused_until_ms = monotonic_ms () + ms;
  atomic_store (&listeners->paused, true);
  for (i = 0; i < listeners->count; i++)
    if (-1 != listeners->each[i].fd)
      poller_unwatch (&server->poller, listeners->each[i].fd);
}


/* The pump; no lock.  libmicrohttpd closes the descriptor in any case. */
static void
listeners_hand_over (struct server *server,
                     int fd,
                     const struct sockaddr *address,
                     socklen_t size)
{
  (void) atomic_fetch_add (&server->listeners.pending, 1);
  if (MHD_YES != MHD_add_connection (server->mhd, fd, address, size))
    listeners_settle (&server->listeners);
  if (! config_calls_back (&server->config))
    runs_again (&server->runs, 1);
}


/* The pump: nobody was there to accept. */
static void
listener_failed (struct listener *listener,
                  int error)
{
  switch (error)
  {
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
    listeners_pause (listener->server, PAUSE_MS);
    break;
  case EBADF:
  case EINVAL:                  /* it has been shut down */
  case ENOTSOCK:
    listener_end (listener);
    break;
  default:                      /* another one was faster, or the client has left */
    break;
  }
}


/* The pump: epoll says that somebody has come. */
static void
listener_ready (struct watcher *watcher,
                uint32_t events)
{
  struct listener *const listener = (struct listener *) watcher;
  struct server *const server = listener->server;
  struct sockaddr_storage address;
  int i;

  (void) events;
  for (i = 0; i < ACCEPTED_AT_ONCE; i++)
  {
    socklen_t size = sizeof (address);
    int fd;

    if ( (-1 == listener->fd) ||
         (atomic_load (&server->listeners.paused)) )
      return;                   /* since epoll said so */
    if (! listeners_are_below_limit (server))
    {
      listeners_pause (server, 0);
      return;
    }
    fd = accept4 (listener->fd, (struct sockaddr *) &address, &size,
                  SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (-1 == fd)
    {
      listener_failed (listener, errno);
      return;
    }
    listeners_hand_over (server, fd, (struct sockaddr *) &address, size);
  }
}


int
listeners_open (struct server *server,
                const int *fds,
                size_t count)
{
  struct listeners *const listeners = &server->listeners;
  size_t i;

  listeners->each = calloc (count, sizeof (*listeners->each));
  if (NULL == listeners->each)
    return ENOMEM;
  for (i = 0; i < count; i++)
  {
    struct listener *const listener = &listeners->each[i];

    listener->watcher.ready = &listener_ready;
    listener->server = server;
    listener->fd = fcntl (fds[i], F_DUPFD_CLOEXEC, 0);
    if (-1 == listener->fd)
      return errno;
    listeners->count = i + 1;
  }
  return 0;
}


/* False with an errno. */
static bool
listeners_watch (struct server *server)
{
  struct listeners *const listeners = &server->listeners;
  size_t i;

  for (i = 0; i < listeners->count; i++)
    if ( (-1 != listeners->each[i].fd) &&
         (! poller_watch (&server->poller, listeners->each[i].fd, EPOLLIN,
                          &listeners->each[i].watcher)) &&
         (EEXIST != errno) )
      return false;
  return true;
}


int
listeners_begin (struct server *server)
{
  return listeners_watch (server) ? 0 : errno;
}


int64_t
listeners_timeout (struct server *server)
{
  struct listeners *const listeners = &server->listeners;
  int64_t now;

  if (! atomic_load (&listeners->paused))
    return -1;
  now = monotonic_ms ();
  if (now < listeners->paused_until_ms)
    return listeners->paused_until_ms - now;
  if (! listeners_are_below_limit (server))
  {
    if (0 == atomic_load (&listeners->pending))
      return -1;                /* the end of a connection wakes us */
    if (now < listeners->paused_until_ms + LOST_MS)
      return listeners->paused_until_ms + LOST_MS - now;
    listeners->paused_until_ms = now;
    listeners_settle (listeners);
    if (! listeners_are_below_limit (server))
      return LOST_MS;
  }
  atomic_store (&listeners->paused, false);
  if (listeners_watch (server))
    return -1;
  listeners_pause (server, PAUSE_MS);     /* memory is short */
  return PAUSE_MS;
}


void
listeners_begun (struct server *server)
{
  listeners_settle (&server->listeners);
}


void
listeners_have_room (struct server *server)
{
  if ( (atomic_load (&server->listeners.paused)) &&
       (config_calls_back (&server->config)) )
    wakeup_signal (&server->wakeup);
}


void
listeners_quiesce (struct server *server)
{
  size_t i;

  for (i = 0; i < server->listeners.count; i++)
    listener_end (&server->listeners.each[i]);
}


void
listeners_close (struct listeners *listeners)
{
  size_t i;

  for (i = 0; i < listeners->count; i++)
    listener_close (&listeners->each[i]);
}


void
listeners_free (struct listeners *listeners)
{
  free (listeners->each);
}
