/* SPDX-License-Identifier: MIT
 *
 * Bodies that are on their way, where the pump drives libmicrohttpd.
 *
 * Before 1.0 a client that fills the memory of its connection with the line of a chunk
 * that does not end stops libmicrohttpd reading from it, and makes it run at once, for
 * ever.  It does not say whose fault it is, so while it wants to run at once a few of
 * those that it may be are looked at after each run, in turn: as few however many there
 * are, but more and more where some are found.  All on the pump's thread; no lock.
 */
#include <pthread.h>

#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/server.h"

/* So many are looked at after a run; twice as many as after the last one, up to this
   part of all, where that has found any: many who come together must not have
   libmicrohttpd go through them all for long. */
#define LOOKS 4
#define PART 4
#define STRIKES 3


/* A ring, of which server->clients.uploads is the next one to look at. */
void
uploads_add (struct server *server,
             struct client *client)
{
  struct client *const first = server->clients.uploads;

  if (NULL != client->next_upload)
    return;
  client->strikes = 0;
  server->clients.upload_count++;
  if (NULL == first)
  {
    client->next_upload = client->previous_upload = client;
    server->clients.uploads = client;
    return;
  }
  client->next_upload = first;
  client->previous_upload = first->previous_upload;
  first->previous_upload->next_upload = client;
  first->previous_upload = client;
}


void
uploads_remove (struct server *server,
                struct client *client)
{
  if (NULL == client->next_upload)
    return;
  server->clients.upload_count--;
  client->next_upload->previous_upload = client->previous_upload;
  client->previous_upload->next_upload = client->next_upload;
  if (client == server->clients.uploads)
    server->clients.uploads = client == client->next_upload ? NULL
                                                            : client->next_upload;
  client->next_upload = client->previous_upload = NULL;
}


/* Whether it may be one that libmicrohttpd cannot get on with; surely, after a few
   looks. */
static bool
uploads_look (struct server *server,
              struct client *client)
{
  if (client->ending)
    return false;               /* ends.c looks at it */
  if (! client_is_stuck (client))
  {
    client->strikes = 0;
    return false;
  }
  if (STRIKES < ++client->strikes)
  {
    (void) pthread_mutex_lock (&server->clients.lock);
    client_cut (server, client, "400 Bad Request");
    (void) pthread_mutex_unlock (&server->clients.lock);
  }
  return true;
}


/* How many to look at next time. */
static int
uploads_next_looks (const struct server *server,
                    int looks,
                    bool found)
{
  const int most = server->clients.upload_count / PART;
  int next = found ? 2 * looks : looks / 2;

  if (most < next)
    next = most;
  return LOOKS < next ? next : LOOKS;
}


void
uploads_tend (struct server *server)
{
  struct client *client = server->clients.uploads;
  const struct client *const last = client->previous_upload;
  const int looks = LOOKS < server->clients.upload_looks ? server->clients.upload_looks
                                                         : LOOKS;
  bool found = false;
  bool more = true;
  int left;

  for (left = looks; (more) && (0 < left); left--)
  {
    struct client *const next = client->next_upload;

    more = last != client;
    if (uploads_look (server, client))
      found = true;
    server->clients.uploads = next;
    client = next;
  }
  server->clients.upload_looks = uploads_next_looks (server, looks, found);
}
