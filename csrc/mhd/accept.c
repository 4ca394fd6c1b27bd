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
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mhd/accept.h"
#include "base/clock.h"
#include "engine/driver.h"
#include "mhd/config.h"
#include "mhd/runs.h"

#define PAUSE_MS 100


void
listening_deafen (struct pymhd_daemon *daemon)
{
  struct epoll_event nothing = { .events = 0 };

  atomic_store (&daemon->listening.deaf, true);
  /* stop() takes the descriptor away, when it has asked for this itself. */
  (void) pthread_mutex_lock (&daemon->listening.lock);
  (void) epoll_ctl (daemon->listening.mhd_epoll_fd, EPOLL_CTL_MOD,
                    daemon->listening.fd, &nothing);
  (void) pthread_mutex_unlock (&daemon->listening.lock);
}


void
listening_quiesce (struct pymhd_daemon *daemon)
{
  if (daemon->listening.quiesced)
    return;
  if ( (config_calls_back (&daemon->config)) &&
       (config_is_edge_triggered (&daemon->config)) )
  {
    listening_deafen (daemon);
    return;
  }
  daemon->listening.quiesced = true;
  (void) MHD_quiesce_daemon (daemon->mhd);
  if (config_calls_back (&daemon->config))
    return;
  (void) close (daemon->listening.fd);
  daemon->listening.fd = -1;
}


/* The accepting thread, inside log_mhd(). */
void
accept_failed (struct pymhd_daemon *daemon)
{
  if (! config_calls_back (&daemon->config))
    atomic_store (&daemon->listening.starved, true);
}


static bool
is_starved (const struct pymhd_daemon *daemon)
{
  return (atomic_load (&daemon->listening.starved)) &&
         (! daemon->listening.quiesced);
}


/* The pump. */
int64_t
accept_patience (const struct pymhd_daemon *daemon)
{
  return is_starved (daemon) ? PAUSE_MS : -1;
}


/* The pump, when libmicrohttpd has run. */
void
accept_again (struct pymhd_daemon *daemon)
{
  const struct sockaddr nobody = { .sa_family = AF_UNIX };
  int64_t now;
  int pair[2];

  if (! is_starved (daemon))
    return;
  now = monotonic_ms ();
  if (now < daemon->listening.starved_until_ms)
    return;
  daemon->listening.starved_until_ms = now + PAUSE_MS;
  /* At its limit it listens again by itself, when it is below. */
  if (atomic_load (&daemon->counts.connections) >= daemon->config.connection_limit)
    return;
  if (-1 == socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                        pair))
    return;                     /* they are short still */
  (void) close (pair[1]);
  atomic_store (&daemon->listening.starved, false);
  (void) MHD_add_connection (daemon->mhd, pair[0], &nobody,
                             sizeof (nobody.sa_family));
  runs_again (&daemon->runs, 3);
}
