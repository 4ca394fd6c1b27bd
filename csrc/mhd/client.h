/* SPDX-License-Identifier: MIT
 *
 * The connections that a daemon has accepted.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <microhttpd.h>

struct client;
struct leaving;
struct server;
struct watcher;

struct client_list
{
  struct client *first;
  struct client *last;
};

struct clients
{
  pthread_mutex_t lock;         /* a leaf: guards the lists and who is watched */
  struct client_list asking;    /* in the order in which to look at them */
  struct client_list upgraded;  /* who ask for nothing any more */
  struct client *ending;        /* whose end libmicrohttpd may not know */
  struct client *gone;          /* which the pump may still be told of */
  struct leaving *leaving;      /* closed, and sending still */
  int leaving_count;
  struct client *sending;       /* is being sent a file */
  atomic_int_fast64_t files_due_ms;     /* when to look at these; 0: never */
  atomic_int_fast64_t look_due_ms;      /* when to look at the first; 0: never */
  atomic_int_fast64_t limit_said_ms;    /* when the log was told of a limit */
  /* The pump's: */
  unsigned int runs_before_look;        /* how many there are to be first; 0: any */
  struct client *uploads;       /* a ring: whose bodies are on their way */
  int upload_count;
  int upload_looks;             /* how many of them to look at after the next run */
  struct client *stuck;         /* select mode: to be timed out */
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

/* The pump, which epoll will not tell of them any more. */
void
clients_free_gone (struct server *server);

/* --- ends.c --- */

/* The pump, when it has dealt with all that epoll said and libmicrohttpd has run:
   lets that know of ends.  True if it has to be asked again soon. */
bool
clients_tend (struct server *server);

/* --- uploads.c --- */

/* The pump where it drives libmicrohttpd, which wants to run at once: finds those
   that it cannot get on with. */
void
uploads_tend (struct server *server);

/* --- deadline.c --- */

/* The thread that starts the daemon, when the limits have been set. */
void
deadline_open (struct server *server);

/* The pump: ends clients that take too long.  Milliseconds until it is to be called
   again, -1 for never. */
int64_t
deadline_tend (struct server *server);

/* The pump in select mode, before libmicrohttpd runs. */
void
clients_time_out (struct server *server);

/* --- sending.c --- */

/* The pump: ends clients whose file has become shorter.  Milliseconds until it is to be
   called again, -1 for never. */
int64_t
sending_tend (struct server *server);

/* --- leaving.c --- */

/* The pump: milliseconds until it is to be called again, -1 for never. */
int64_t
leaving_tend (struct server *server);

void
leaving_forked (struct server *server);

/* --- client.c --- */

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
