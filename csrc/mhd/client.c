/* SPDX-License-Identifier: MIT
 *
 * The connections that a daemon has accepted: how many, who they are, and, for
 * a fork's child, their descriptors.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mhd/client.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "mhd/accept.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/blame.h"
#include "transport/handshake.h"
#include "transport/tls.h"

/* How long stop() waits for those that have had their end of input. */
#define LEAVE_MS 1000

/* One accepted connection, from NOTIFY_CONNECTION STARTED to CLOSED; then, where
   clients are watched, it goes to gone_clients: epoll may just have told of it. */
struct client
{
  struct watcher watcher;
  struct server *server;
  struct client *next;          /* of clients or of gone_clients */
  struct client *previous;
  struct client *next_hung_up;
  int fd;
  bool watched;                 /* guarded by the daemon's lock */
  struct handshake *handshake;  /* NULL without TLS */
  bool undescribed;             /* its TLS: it has not done its handshake */
  char address[128];            /* "host port", "host port flow scope" or "";
                                   over TLS "\tprotocol\tcipher" behind it */
};


static struct client *
client_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *const info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

  return NULL == info ? NULL : info->socket_context;
}


static void
format_address (char *text,
                size_t size,
                const struct sockaddr *address)
{
  char host[INET6_ADDRSTRLEN] = "";
  const struct sockaddr_in *const v4 = (const void *) address;
  const struct sockaddr_in6 *const v6 = (const void *) address;

  text[0] = '\0';
  if (NULL == address)
    return;
  if ( (AF_INET6 == address->sa_family) &&
       (IN6_IS_ADDR_V4MAPPED (&v6->sin6_addr)) )
  {
    /* IPv4, on a socket for both: as on one for IPv4 alone. */
    (void) inet_ntop (AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof (host));
    (void) snprintf (text, size, "%s %u", host, ntohs (v6->sin6_port));
  }
  else if (AF_INET == address->sa_family)
  {
    (void) inet_ntop (AF_INET, &v4->sin_addr, host, sizeof (host));
    (void) snprintf (text, size, "%s %u", host, ntohs (v4->sin_port));
  }
  else if (AF_INET6 == address->sa_family)
  {
    (void) inet_ntop (AF_INET6, &v6->sin6_addr, host, sizeof (host));
    (void) snprintf (text, size, "%s %u %u %u", host, ntohs (v6->sin6_port),
                     ntohl (v6->sin6_flowinfo), v6->sin6_scope_id);
  }
}


/* The pump: epoll says that a client has ended its half. */
static void
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
    client->next_hung_up = server->clients.hung_up;
    server->clients.hung_up = client;
  }
  (void) pthread_mutex_unlock (&server->clients.lock);
}


static void
client_begin (struct server *server,
              struct MHD_Connection *connection,
              void **socket_context)
{
  struct client *const client = malloc (sizeof (*client));
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  const int fd = NULL == info ? -1 : info->connect_fd;

  *socket_context = client;
  if (NULL == client)
  {
    /* Nobody would hear of its end, so it ends now. */
    (void) shutdown (fd, SHUT_RDWR);
    return;
  }
  client->fd = fd;
  info = MHD_get_connection_info (connection,
                                  MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  format_address (client->address, sizeof (client->address),
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
  client->previous = NULL;
  (void) pthread_mutex_lock (&server->clients.lock);
  /* With threads of libmicrohttpd's the pump may be told of it at once. */
  client->watched = (-1 != client->fd) &&
                    (config_is_edge_triggered (&server->config)) &&
                    (poller_watch (&server->poller, client->fd,
                                   EPOLLRDHUP | EPOLLONESHOT, &client->watcher));
  client->next = server->clients.first;
  if (NULL != client->next)
    client->next->previous = client;
  server->clients.first = client;
  (void) pthread_mutex_unlock (&server->clients.lock);
}


/* The daemon's lock is held. */
static void
forget_end (struct server *server,
            struct client *client)
{
  struct client **at = &server->clients.hung_up;

  while ( (NULL != *at) &&
          (client != *at) )
    at = &(*at)->next_hung_up;
  if (NULL != *at)
    *at = client->next_hung_up;
}


/* The daemon's lock is held.  A close would not do: a fork may have a copy of the
   descriptor, and epoll would go on telling of it. */
static void
unwatch (struct server *server,
         struct client *client)
{
  if (! client->watched)
    return;
  client->watched = false;
  poller_unwatch (&server->poller, client->fd);
  forget_end (server, client);
}


static void
client_end (struct server *server,
            struct client *client)
{
  bool wake;

  if (NULL == client)
    return;
  handshake_free (client->handshake);
  (void) pthread_mutex_lock (&server->clients.lock);
  unwatch (server, client);
  if (NULL != client->previous)
    client->previous->next = client->next;
  else
    server->clients.first = client->next;
  if (NULL != client->next)
    client->next->previous = client->previous;
  wake = config_calls_back (&server->config) && (NULL == server->clients.gone);
  if (config_is_edge_triggered (&server->config))
  {
    client->next = server->clients.gone;
    server->clients.gone = client;
  }
  (void) pthread_mutex_unlock (&server->clients.lock);
  if (! config_is_edge_triggered (&server->config))
    free (client);
  else if (wake)
    wakeup_signal (&server->wakeup);
}


static void
free_clients (struct client *client)
{
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


/* MHD_NotifyConnectionCallback: whichever thread accepts or cleans up; no lock
   of libmicrohttpd's. */
void
client_notify (void *cls,
               struct MHD_Connection *connection,
               void **socket_context,
               enum MHD_ConnectionNotificationCode code)
{
  struct server *const server = cls;

  if (MHD_CONNECTION_NOTIFY_STARTED == code)
  {
    atomic_fetch_add (&server->counts.connections, 1);
    client_begin (server, connection, socket_context);
    return;
  }
  client_end (server, *socket_context);
  *socket_context = NULL;
  /* At its limit libmicrohttpd listens again only when it runs once more. */
  if (! config_calls_back (&server->config))
    runs_again (&server->runs, 1);
  /* 0.9.72 closes connections above the limit that it has never started. */
  if (0 != atomic_load (&server->counts.connections))
    atomic_fetch_sub (&server->counts.connections, 1);
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
  handed_over = hand_over && client->watched;
  if (handed_over)
  {
    client->watched = false;    /* what epoll tells until then is not heard */
    forget_end (server, client);
  }
  else
    unwatch (server, client);
  (void) pthread_mutex_unlock (&server->clients.lock);
  return handed_over;
}


/* libmicrohttpd watches edge-triggered and reads once: if the client's FIN came
   along with its last bytes, it never learns of it, and the connection stays
   until its timeout.  Once it has read everything, shutdown() makes the
   descriptor ready for it once more; before, that would be lost, too.  The lock
   keeps the descriptors from being closed meanwhile. */
bool
clients_tend (struct server *server)
{
  struct client **at = &server->clients.hung_up;
  struct client *client;
  struct client *gone;
  bool again;
  int unread;

  (void) pthread_mutex_lock (&server->clients.lock);
  while (NULL != (client = *at))
  {
    if ( (0 == ioctl (client->fd, FIONREAD, &unread)) &&
         (0 < unread) )
    {
      at = &client->next_hung_up;
      continue;
    }
    *at = client->next_hung_up;
    (void) shutdown (client->fd, SHUT_RD);
  }
  again = NULL != server->clients.hung_up;
  gone = server->clients.gone;
  server->clients.gone = NULL;
  (void) pthread_mutex_unlock (&server->clients.lock);
  free_clients (gone);
  return again;
}


const char *
client_address (struct MHD_Connection *connection)
{
  struct client *const client = client_of (connection);

  if (NULL == client)
    return "";
  if (client->undescribed)
  {
    const size_t size = strlen (client->address);

    client->undescribed = false;
    tls_describe (connection, client->address + size,
                  sizeof (client->address) - size);
  }
  return client->address;
}


static void
end_input (struct server *server)
{
  struct client *client;

  (void) pthread_mutex_lock (&server->clients.lock);
  for (client = server->clients.first; NULL != client; client = client->next)
    (void) shutdown (client->fd, SHUT_RD);
  (void) pthread_mutex_unlock (&server->clients.lock);
}


/* stop(), on the driver's thread, no lock. */
void
clients_leave (struct server *server)
{
  const struct timespec nap = { .tv_nsec = 1000000 };
  const int64_t deadline = monotonic_ms () + LEAVE_MS;

  while ( (0 != atomic_load (&server->counts.connections)) &&
          (monotonic_ms () < deadline) )
  {
    end_input (server);
    (void) nanosleep (&nap, NULL);
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
  struct client *client;

  for (client = server->clients.first; NULL != client; client = client->next)
  {
    if (-1 == client->fd)
      continue;
    if ( (-1 == nowhere) ||
         (-1 == dup2 (nowhere, client->fd)) )
      (void) close (client->fd);
    client->fd = -1;
  }
  if (-1 != nowhere)
    (void) close (nowhere);
}
