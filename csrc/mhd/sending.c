/* SPDX-License-Identifier: MIT
 *
 * Clients that are being sent files.
 *
 * Libmicrohttpd has the kernel send them, and does not notice that a file has become
 * shorter meanwhile: the connection stays without a word, or its thread runs in
 * circles.  So the pump looks at such files now and then, and ends the connections of
 * those that have not got what was announced, which is how their clients see it.
 */
#define _GNU_SOURCE             /* dup3() */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/wakeup.h"
#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

#define PERIOD_MS 500


void
sending_begin (struct server *server,
               struct client *client,
               int fd,
               uint64_t end)
{
  bool first;

  (void) pthread_mutex_lock (&server->clients.lock);
  first = NULL == server->clients.sending;
  client->sends = true;
  client->file_fd = fd;
  client->file_end = end;
  client->next_sending = server->clients.sending;
  client->previous_sending = NULL;
  if (! first)
    client->next_sending->previous_sending = client;
  server->clients.sending = client;
  if (first)
    atomic_store (&server->clients.files_due_ms, monotonic_ms () + PERIOD_MS);
  (void) pthread_mutex_unlock (&server->clients.lock);
  if ( (first) &&
       (config_calls_back (&server->config)) )
    wakeup_signal (&server->wakeup);
}


void
sending_end (struct server *server,
             struct client *client)
{
  if (! client->sends)
    return;
  (void) pthread_mutex_lock (&server->clients.lock);
  client->sends = false;
  if (NULL == client->previous_sending)
    server->clients.sending = client->next_sending;
  else
    client->previous_sending->next_sending = client->next_sending;
  if (NULL != client->next_sending)
    client->next_sending->previous_sending = client->previous_sending;
  if (NULL == server->clients.sending)
    atomic_store (&server->clients.files_due_ms, 0);
  (void) pthread_mutex_unlock (&server->clients.lock);
}


/* The clients' lock is held: neither descriptor is closed meanwhile.  Where select()
   waits for room only, and a file that is at its end asks for none, libmicrohttpd hears
   of the end of the connection if it cannot read what it believes to be the file. */
static void
sending_cut_if_shorter (const struct server *server,
                        const struct client *client)
{
  struct stat now;

  if ( (0 == fstat (client->file_fd, &now)) &&
       ((uint64_t) now.st_size >= client->file_end) )
    return;
  (void) shutdown (client->fd, SHUT_RDWR);
  (void) dup3 (server->poller.fd, client->file_fd, O_CLOEXEC);
}


int64_t
sending_tend (struct server *server)
{
  const int64_t due = atomic_load (&server->clients.files_due_ms);
  const struct client *client;
  int64_t now;

  if (0 == due)
    return -1;
  now = monotonic_ms ();
  if (now < due)
    return due - now;
  (void) pthread_mutex_lock (&server->clients.lock);
  for (client = server->clients.sending; NULL != client; client = client->next_sending)
    sending_cut_if_shorter (server, client);
  if (NULL != server->clients.sending)
    atomic_store (&server->clients.files_due_ms, now + PERIOD_MS);
  (void) pthread_mutex_unlock (&server->clients.lock);
  return PERIOD_MS;
}
