/* SPDX-License-Identifier: MIT
 *
 * Clients that have ended their half of the connection.
 *
 * libmicrohttpd may never learn of it: with epoll it watches edge-triggered and reads
 * once, so that a FIN which comes along with the last bytes is lost; and it does not
 * read at all from a connection whose memory is full.  So it is watched here, until
 * it has read all there is, and told of the end, or until it turns out that it will
 * not.  A client that waits for its response needs no look before that is out, so
 * nobody pays for those that wait.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/poller.h"
#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

/* So many looks between which nothing was read: after a run of libmicrohttpd's each,
   or, beside its own threads, one every 20 ms. */
#define STRIKES 3
#define STRIKES_BESIDE 25


void
ends_add (struct server *server,
          struct client *client)
{
  if ( (client->ending) ||
       (! client->watched) )
    return;
  client->ending = true;
  client->strikes = 0;
  client->previous_ending = NULL;
  client->next_ending = server->clients.ending;
  if (NULL != client->next_ending)
    client->next_ending->previous_ending = client;
  server->clients.ending = client;
}


void
ends_remove (struct server *server,
             struct client *client)
{
  if (! client->ending)
    return;
  client->ending = false;
  if (NULL == client->previous_ending)
    server->clients.ending = client->next_ending;
  else
    client->previous_ending->next_ending = client->next_ending;
  if (NULL != client->next_ending)
    client->next_ending->previous_ending = client->previous_ending;
}


bool
client_is_stuck (struct client *client)
{
  const uint64_t received = atomic_load (&client->received);
  const unsigned int turn = atomic_load (&client->turn);
  int unread = 0;
  bool stuck;

  (void) ioctl (client->fd, FIONREAD, &unread);
  stuck = (0 < unread) &&
          (unread == client->unread) &&
          (turn == client->read_turn) &&
          (received == client->read_received);
  client->unread = unread;
  client->read_turn = turn;
  client->read_received = received;
  return stuck;
}


/* The pump. */
void
client_hung_up (struct watcher *watcher,
                uint32_t events)
{
  struct client *const client = (struct client *) watcher;
  struct server *const server = client->server;

  (void) events;
  server->runs.ready = true;
  (void) pthread_mutex_lock (&server->clients.lock);
  if (client->watched)
  {
    atomic_store (&client->hung_up, true);
    ends_add (server, client);
  }
  (void) pthread_mutex_unlock (&server->clients.lock);
}


/* The lock is held, which keeps the descriptor from being closed. */
static void
ends_look (struct server *server,
           struct client *client)
{
  const int stage = atomic_load (&client->stage);
  const int allowed = config_calls_back (&server->config) ? STRIKES_BESIDE : STRIKES;

  if (OURS <= stage)
  {
    /* When that is over, client_is_free() comes back to it. */
    ends_remove (server, client);
    return;
  }
  if ( (client_is_stuck (client)) ||
       (0 == client->unread) )
    client->strikes++;
  else
    client->strikes = 0;
  if ( (0 == client->unread) &&
       (! client->said_end) )
  {
    /* All has been read: this makes the descriptor ready once more. */
    client->said_end = true;
    (void) shutdown (client->fd, SHUT_RD);
  }
  else if (client->strikes > allowed)
    client_cut (server, client, NULL);
}


bool
clients_tend (struct server *server)
{
  struct client *client;
  struct client *next;
  bool again;

  if ( (! config_calls_back (&server->config)) &&        /* nobody else touches it */
       (NULL == server->clients.ending) )
    return false;
  (void) pthread_mutex_lock (&server->clients.lock);
  for (client = server->clients.ending; NULL != client; client = next)
  {
    next = client->next_ending;
    ends_look (server, client);
  }
  again = NULL != server->clients.ending;
  (void) pthread_mutex_unlock (&server->clients.lock);
  return again;
}
