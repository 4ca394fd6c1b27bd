/* SPDX-License-Identifier: MIT
 *
 * How the clients of a driver leave: in stop(), and in a fork's child.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

/* How long stop() waits for those that have had their end of input; then their output
   ends, too, and it waits so long at most. */
#define LEAVE_MS 1000
#define GONE_MS 10000


/* stop(), on the driver's thread, no lock.  What has come and has not been read is
   thrown away: it would be one more request that nobody wants to have answered. */
static void
client_shut_all (struct server *server,
                 int how)
{
  char scratch[16384];
  struct client *client;

  (void) pthread_mutex_lock (&server->clients.lock);
  for (client = server->clients.asking.first; NULL != client; client = client->next)
  {
    (void) shutdown (client->fd, how);
    /* Over TCP nothing is copied. */
    (void) recv (client->fd, scratch, sizeof (scratch), MSG_DONTWAIT | MSG_TRUNC);
  }
  (void) pthread_mutex_unlock (&server->clients.lock);
}


/* stop(), on the driver's thread, no lock. */
void
clients_leave (struct server *server)
{
  const struct timespec nap = { .tv_nsec = 1000000 };
  const int64_t begun = monotonic_ms ();
  int64_t now = begun;

  while ( ( (0 != atomic_load (&server->counts.connections)) ||
            (0 != atomic_load (&server->listeners.pending)) ) &&
          (now < begun + GONE_MS) )
  {
    client_shut_all (server, now < begun + LEAVE_MS ? SHUT_RD : SHUT_RDWR);
    (void) nanosleep (&nap, NULL);
    now = monotonic_ms ();
  }
}


/* A fork's child, which has one thread. */
static void
client_close_list (const struct client_list *list,
                   int nowhere)
{
  struct client *client;

  for (client = list->first; NULL != client; client = client->next)
  {
    if (-1 == client->fd)
      continue;
    if ( (-1 == nowhere) ||
         (-1 == dup2 (nowhere, client->fd)) )
      (void) close (client->fd);
    client->fd = -1;
  }
}


/* A fork's child: closes its copies.  With "per-connection" it may itself be in
   a handler, and go on in libmicrohttpd afterwards: then the numbers stay in
   use, and lead nowhere. */
void
clients_forked (struct server *server)
{
  const int nowhere = config_is_per_connection (&server->config)
                      ? open ("/dev/null", O_RDWR | O_CLOEXEC) : -1;

  client_close_list (&server->clients.asking, nowhere);
  client_close_list (&server->clients.upgraded, nowhere);
  if (-1 != nowhere)
    (void) close (nowhere);
}
