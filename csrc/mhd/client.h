/* SPDX-License-Identifier: MIT
 *
 * The connections that a daemon has accepted.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <microhttpd.h>

struct client;
struct server;
struct watcher;

struct clients
{
  pthread_mutex_t lock;         /* a leaf: guards the lists and who is watched */
  struct client *first;
  struct client *hung_up;       /* whose end libmicrohttpd may not know */
  struct client *gone;          /* which the pump may still be told of */
};

/* MHD_AcceptPolicyCallback */
enum MHD_Result
client_policy (void *cls,
               const struct sockaddr *address,
               socklen_t size);

/* MHD_NotifyConnectionCallback */
void
client_notify (void *cls,
               struct MHD_Connection *connection,
               void **socket_context,
               enum MHD_ConnectionNotificationCode code);

/* The driver, inside the upgrade handler: its end is the session's business now.
   With HAND_OVER its descriptor may stay in epoll: true if it is there, for the caller
   to pump_rewatch() or to pump_unwatch() it. */
bool
client_upgraded (struct server *server,
                 struct MHD_Connection *connection,
                 bool hand_over);

/* The pump, when it has dealt with all that epoll said and libmicrohttpd has run:
   lets that know of ends.  True if it has to be asked again soon. */
bool
clients_tend (struct server *server);

/* Beside libmicrohttpd's own threads, which are to have no connections any more when
   it is stopped: up to 0.9.77 it forgets the response to a malformed request that one
   of them meets then, and crashes.  They have been told to accept nobody. */
void
clients_leave (struct server *server);

/* The peer of a connection as text, "" if there is none to tell. */
const char *
client_address (struct MHD_Connection *connection);

void
clients_forked (struct server *server);
