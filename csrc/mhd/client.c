/* SPDX-License-Identifier: MIT
 *
 * The connections that a daemon has accepted, from their beginning to their end.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "mhd/client.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "mhd/accept.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/listeners.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/handshake.h"

/* How often it is said that a limit is reached. */
#define SAY_AGAIN_MS 60000

/* The context of a connection for which there was no memory. */
static struct client nobody;


/* Whoever serves the connection. */
struct client *
client_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *const info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

  struct client *const client = NULL == info ? NULL : info->socket_context;

  return &nobody == client ? NULL : client;
}


/* The clients' lock is held. */
static void
client_enter_list (struct client_list *list,
                   struct client *client)
{
  client->next = NULL;
  client->previous = list->last;
  if (NULL == client->previous)
    list->first = client;
  else
    client->previous->next = client;
  list->last = client;
}


/* The clients' lock is held, or the pump drives them. */
static void
client_leave_list (struct client_list *list,
                   struct client *client)
{
  if (NULL == client->previous)
    list->first = client->next;
  else
    client->previous->next = client->next;
  if (NULL == client->next)
    list->last = client->previous;
  else
    client->next->previous = client->previous;
}


void
client_to_end (struct server *server,
               struct client *client)
{
  client_leave_list (&server->clients.asking, client);
  client_enter_list (&server->clients.asking, client);
}


static struct client *
client_begin (struct server *server,
              struct MHD_Connection *connection)
{
  struct client *const client = calloc (1, sizeof (*client));
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  const int fd = NULL == info ? -1 : info->connect_fd;
  bool wake;

  if (NULL == client)
  {
    /* Nobody would hear of its end, so it ends now. */
    (void) shutdown (fd, SHUT_RDWR);
    return &nobody;
  }
  client->fd = fd;
  client->connection = connection;
  info = MHD_get_connection_info (connection,
                                  MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  client_format_address (client->address, sizeof (client->address),
                         NULL == info ? NULL : info->client_addr);
  client->watcher.ready = &client_hung_up;
  client->server = server;
  client->undescribed = server->config.tls;
  client->handshake = NULL;
  if (server->config.tls)
  {
    client->handshake = handshake_begin (&server->handshakes, connection,
                                         client->address);
    /* It would take every client for one that needs no certificate. */
    if (NULL == client->handshake)
      (void) shutdown (fd, SHUT_RDWR);
  }
  (void) pthread_mutex_lock (&server->clients.lock);
  /* With threads of libmicrohttpd's the pump may be told of it at once. */
  client->watched = (-1 != client->fd) &&
                    poller_watch (&server->poller, client->fd,
                                  EPOLLRDHUP | EPOLLONESHOT, &client->watcher);
  client_enter_list (&server->clients.asking, client);
  wake = deadline_begin (server, client) && config_calls_back (&server->config);
  (void) pthread_mutex_unlock (&server->clients.lock);
  if (wake)
    wakeup_signal (&server->wakeup);
  return client;
}


/* The clients' lock is held.  A close would not do: a fork may have a copy of the
   descriptor, and epoll would go on telling of it. */
static void
client_unwatch (struct server *server,
                struct client *client)
{
  if (client->watched)
    poller_unwatch (&server->poller, client->fd);
  client->watched = false;
  ends_remove (server, client);
}


static void
client_end (struct server *server,
            struct client *client)
{
  int unread = 0;
  bool wake;

  handshake_free (client->handshake);
  if (NULL != client->request)
    client->forget_request (client->request);
  client->request = NULL;
  uploads_remove (server, client);
  sending_end (server, client);
  if ( (client->lingers) ||
       ( (! client->upgraded) &&
         (CUT != atomic_load (&client->stage)) &&
         (0 == ioctl (client->fd, FIONREAD, &unread)) &&
         (0 < unread) ) )
    leaving_begin (server, client->fd);
  (void) pthread_mutex_lock (&server->clients.lock);
  client_unwatch (server, client);
  client_leave_list (client->upgraded ? &server->clients.upgraded
                                      : &server->clients.asking, client);
  /* The pump frees it, when it looks at others or is woken for this one. */
  wake = (config_calls_back (&server->config)) &&
         (0 == atomic_load (&server->clients.look_due_ms)) &&
         (NULL == server->clients.gone);
  client->next = server->clients.gone;
  server->clients.gone = client;
  (void) pthread_mutex_unlock (&server->clients.lock);
  if (wake)
    wakeup_signal (&server->wakeup);
}


void
clients_free_gone (struct server *server)
{
  struct client *client;

  (void) pthread_mutex_lock (&server->clients.lock);
  client = server->clients.gone;
  server->clients.gone = NULL;
  (void) pthread_mutex_unlock (&server->clients.lock);
  while (NULL != client)
  {
    struct client *const next = client->next;

    free (client);
    client = next;
  }
}


/* MHD_AcceptPolicyCallback: the thread that accepts, no lock of libmicrohttpd's.
   One that was at its connection limit when it was quiesced listens again below
   it; this is the first who comes then. */
enum MHD_Result
client_policy (void *cls,
               const struct sockaddr *address,
               socklen_t size)
{
  struct server *const server = cls;

  (void) address;
  (void) size;
  if (! atomic_load (&server->listening.deaf))
    return MHD_YES;
  listening_deafen (server);
  return MHD_NO;
}


/* The accepting thread: says, now and then, which limit keeps clients waiting. */
static void
client_say_limit (struct server *server)
{
  const int64_t now = monotonic_ms ();
  int64_t said = atomic_load (&server->clients.limit_said_ms);

  if ( (0 != said) &&
       (now < said + SAY_AGAIN_MS) )
    return;
  if (atomic_compare_exchange_strong (&server->clients.limit_said_ms, &said, now))
    log_at (LOG_WARNING,
            "%u connections are open, as many as Limits.connections grants "
                 "here: others wait, or are closed",
                 server->config.connection_limit);
}


/* MHD_NotifyConnectionCallback: whichever thread accepts or cleans up; no lock
   of libmicrohttpd's. */
void
client_notify (void *cls,
               struct MHD_Connection *connection,
               void **socket_context,
               enum MHD_ConnectionNotificationCode code)
{
  struct server *const server = cls;
  struct client *const client = *socket_context;

  if (MHD_CONNECTION_NOTIFY_STARTED == code)
  {
    const unsigned int before = atomic_fetch_add (&server->counts.connections, 1);

    listeners_begun (server);
    if (server->config.connection_limit == before + 1)
      client_say_limit (server);
    *socket_context = client_begin (server, connection);
    return;
  }
  *socket_context = NULL;
  /* 0.9.72 closes connections above the limit that it has never started. */
  if (NULL == client)
    return;
  if (&nobody != client)
    client_end (server, client);
  /* At its limit libmicrohttpd listens again only when it runs once more. */
  if (! config_calls_back (&server->config))
    runs_again (&server->runs, 1);
  atomic_fetch_sub (&server->counts.connections, 1);
  listeners_have_room (server);
}


bool
client_upgraded (struct server *server,
                 struct MHD_Connection *connection,
                 bool hand_over)
{
  struct client *const client = client_of (connection);
  bool handed_over;

  if (NULL == client)
    return false;
  (void) pthread_mutex_lock (&server->clients.lock);
  client_leave_list (&server->clients.asking, client);
  client->upgraded = true;
  client_enter_list (&server->clients.upgraded, client);
  handed_over = hand_over && client->watched;
  if (handed_over)
  {
    client->watched = false;    /* what epoll tells until then is not heard */
    ends_remove (server, client);
  }
  else
    client_unwatch (server, client);
  (void) pthread_mutex_unlock (&server->clients.lock);
  return handed_over;
}
