/* SPDX-License-Identifier: MIT
 *
 * Where a client is with its requests: whoever serves it says so, and whoever
 * looks after its deadline, or cuts it, reads that.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/wakeup.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"


void
client_takes (struct client *client,
              void *request,
              void (*forget) (void *request))
{
  if (NULL != client->request)
    client->forget_request (client->request);
  client->request = request;
  client->forget_request = forget;
}


bool
client_enters (struct server *server,
               struct client *client,
               enum stage stage)
{
  int before = atomic_load_explicit (&client->stage, memory_order_relaxed);

  if (! config_calls_back (&server->config))
  {
    /* The pump serves it, and is also the one that looks at it: no race. */
    if (CUT == before)
      return false;
    atomic_store_explicit (&client->stage, stage, memory_order_relaxed);
    if (BODY == stage)
      uploads_add (server, client);
    else if (BODY == before)
      uploads_remove (server, client);
    return true;
  }
  while (CUT != before)
    if (atomic_compare_exchange_weak (&client->stage, &before, stage))
      return true;
  return false;
}


void
client_is_free (struct server *server,
                struct client *client)
{
  client->request = NULL;
  sending_end (server, client);
  atomic_store_explicit (&client->received, 0, memory_order_relaxed);
  atomic_store_explicit (&client->turn,
                         1 + atomic_load_explicit (&client->turn,
                                                   memory_order_relaxed),
                         memory_order_relaxed);
  (void) client_enters (server, client, KEPT);
  if (! atomic_load (&client->hung_up))
    return;
  /* Libmicrohttpd goes on reading, and may not see the end. */
  (void) pthread_mutex_lock (&server->clients.lock);
  ends_add (server, client);
  (void) pthread_mutex_unlock (&server->clients.lock);
  if (config_calls_back (&server->config))
    wakeup_signal (&server->wakeup);
}
