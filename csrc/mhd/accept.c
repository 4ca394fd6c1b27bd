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
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mhd/accept.h"
#include "base/clock.h"
#include "daemon.h"
#include "engine/pump.h"

#define PAUSE_MS 100


/* The accepting thread, inside log_mhd(). */
void
accept_failed (struct pymhd_daemon *daemon)
{
  if (! daemon->calls_back)
    atomic_store (&daemon->starved, true);
}


static bool
is_starved (const struct pymhd_daemon *daemon)
{
  return (atomic_load (&daemon->starved)) &&
         (! daemon->quiesced);
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
  if (now < daemon->starved_until_ms)
    return;
  daemon->starved_until_ms = now + PAUSE_MS;
  /* At its limit it listens again by itself, when it is below. */
  if (atomic_load (&daemon->connections) >= daemon->connection_limit)
    return;
  if (-1 == socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                        pair))
    return;                     /* they are short still */
  (void) close (pair[1]);
  atomic_store (&daemon->starved, false);
  (void) MHD_add_connection (daemon->mhd, pair[0], &nobody,
                             sizeof (nobody.sa_family));
  pump_run_again (daemon, 3);
}
