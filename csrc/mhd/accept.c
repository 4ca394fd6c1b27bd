/* SPDX-License-Identifier: MIT
 *
 * Descriptors were short when a client was to be accepted.
 *
 * libmicrohttpd then listens no more until one of its connections has ended,
 * which, with upgraded ones, may be tomorrow.  It cannot be told that there are
 * descriptors again, so we give it a connection that ends at once.
 *
 * Where it has threads of its own, adding a connection at its limit may leave
 * its mutex locked (0.9.74 to 0.9.77); there it has to wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mhd/accept.h"
#include "base/clock.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"

#define PAUSE_MS 100


int
listening_open (struct listening *listening,
                int fd)
{
  listening->fd = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  return -1 == listening->fd ? errno : 0;
}


void
listening_begin (struct server *server)
{
  const union MHD_DaemonInfo *const info
    = MHD_get_daemon_info (server->mhd, MHD_DAEMON_INFO_EPOLL_FD);

  server->listening.mhd_epoll_fd = NULL == info ? -1 : info->epoll_fd;
}


void
listening_leave (struct listening *listening)
{
  (void) pthread_mutex_lock (&listening->lock);
  if (! listening->quiesced)
    listening->fd = -1;
  (void) pthread_mutex_unlock (&listening->lock);
}


void
listening_close (struct listening *listening)
{
  (void) pthread_mutex_lock (&listening->lock);
  if (-1 != listening->fd)
    (void) close (listening->fd);
  listening->fd = -1;
  (void) pthread_mutex_unlock (&listening->lock);
}


void
listening_forked (struct listening *listening)
{
  if (-1 != listening->mhd_epoll_fd)
    (void) close (listening->mhd_epoll_fd);
  listening->mhd_epoll_fd = -1;
}


void
listening_deafen (struct server *server)
{
  /* epoll tells of a hang-up, as that of a socket that Python has shut down, whether
     it is asked for it or not; so at least no more than once. */
  struct epoll_event nothing = { .events = EPOLLET | EPOLLONESHOT };

  atomic_store (&server->listening.deaf, true);
  /* stop() takes the descriptor away, when it has asked for this itself. */
  (void) pthread_mutex_lock (&server->listening.lock);
  (void) epoll_ctl (server->listening.mhd_epoll_fd, EPOLL_CTL_MOD,
                    server->listening.fd, &nothing);
  (void) pthread_mutex_unlock (&server->listening.lock);
}


void
listening_quiesce (struct server *server)
{
  if (server->listening.quiesced)
    return;
  if ( (config_calls_back (&server->config)) &&
       (config_is_edge_triggered (&server->config)) )
  {
    listening_deafen (server);
    return;
  }
  server->listening.quiesced = true;
  (void) MHD_quiesce_daemon (server->mhd);
  if (config_calls_back (&server->config))
    return;
  (void) close (server->listening.fd);
  server->listening.fd = -1;
}


/* The accepting thread, inside log_mhd(). */
void
accept_failed (struct server *server)
{
  if (! config_calls_back (&server->config))
    atomic_store (&server->listening.starved, true);
}


static bool
accept_is_starved (const struct server *server)
{
  return (atomic_load (&server->listening.starved)) &&
         (! server->listening.quiesced);
}


/* The pump. */
int64_t
accept_timeout (const struct server *server)
{
  return accept_is_starved (server) ? PAUSE_MS : -1;
}


/* The pump, when libmicrohttpd has run. */
void
accept_again (struct server *server)
{
  const struct sockaddr nobody = { .sa_family = AF_UNIX };
  int64_t now;
  int pair[2];

  if (! accept_is_starved (server))
    return;
  now = monotonic_ms ();
  if (now < server->listening.starved_until_ms)
    return;
  server->listening.starved_until_ms = now + PAUSE_MS;
  /* At its limit it listens again by itself, when it is below. */
  if (atomic_load (&server->counts.connections) >= server->config.connection_limit)
    return;
  if (-1 == socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                        pair))
    return;                     /* they are short still */
  (void) close (pair[1]);
  atomic_store (&server->listening.starved, false);
  (void) MHD_add_connection (server->mhd, pair[0], &nobody,
                             sizeof (nobody.sa_family));
  runs_again (&server->runs, 3);
}
