/* SPDX-License-Identifier: MIT
 *
 * relay.c: between an upgraded TLS connection and a socket in Python's hands.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "base/buffer.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "transport/tls.h"

struct life;
struct session;

/* One of a relay's two descriptors. */
struct side
{
  struct watcher watcher;
  struct relay *relay;
  int fd;
  uint32_t wanted;              /* EPOLLIN, EPOLLOUT */
  uint32_t watched;             /* what epoll has been told to watch for */
};

/* relay_states.c has the tables. */
enum relay_up                   /* from the peer to Python */
{
  UP_OPEN,
  UP_DEAF,                      /* Python does not read any more: nothing is read */
  UP_DISCARDED,                 /* Python has closed the session: nobody decrypts it */
  UP_ENDED                      /* nothing more comes */
};

enum relay_down                 /* from Python to the peer */
{
  DOWN_OPEN,
  DOWN_ENDED
};

/* The driver's alone, but for app.fd, to which others may call shutdown(), and
   what is atomic. */
struct relay
{
  struct relays *relays;
  struct session *session;
  struct side peer;             /* TLS; libmicrohttpd's descriptor */
  struct side app;              /* our end of the pair that Python has one of */
  struct tls tls;
  struct buffer kept;           /* decrypted, not taken by Python yet */
  size_t given;                 /* of that */
  enum relay_up up;
  enum relay_down down;
  bool says_end;                /* the peer is to hear that Python has written all */
  bool app_idle;                /* all that Python has written has been taken */
  bool closing;                 /* Python has closed the session */
  size_t discarded;             /* since then */
  int64_t progress_ms;          /* when the peer last took something */
  int64_t latest_ms;            /* when it must have taken everything */
  atomic_int error;             /* errno of what has ended the connection */
  struct wakeup wakeup;         /* "per-connection": Python has closed it */
  bool ready;                   /* on the daemon's list of those */
  struct relay *next_ready;
};

/* Those of a driver, for its thread alone. */
struct relays
{
  const struct poller *poller;
  const struct life *life;
  bool per_connection;          /* each relay has a thread, which waits in it */
  int64_t close_ms;             /* how long a peer may take nothing at the end */
  struct relay *ready;          /* epoll has told of them */
};

/* relay_states.c: the only place that changes these */

void
relay_set_up (struct relay *relay,
              enum relay_up up);

void
relay_end_down (struct relay *relay);

/* The driver, inside the upgrade handler: takes the connection over.  *fd is
   Python's; NULL with errno if there is no way. */
struct relay *
relay_new (struct relays *relays,
           struct MHD_Connection *connection,
           int *fd);

/* Moves what can be moved without blocking, but no more than others can wait
   for, and sets what is wanted next. */
void
relay_move (struct relay *relay);

/* The connection is over: Python reads what it has got, then the end. */
void
relay_fail (struct relay *relay);

/* After Python's close(): nothing more is for it. */
void
relay_close (struct relay *relay);

/* Then: whether all that Python wrote is on its way, or never will be. */
bool
relay_is_through (const struct relay *relay);

/* Then: milliseconds until nobody waits for the peer any more, at least 0. */
int
relay_timeout (const struct relay *relay);

/* --- relay_wait.c --- */

/* The pump: has epoll watch for what is wanted, or for nothing. */
void
relay_watch (struct relay *relay);

void
relay_unwatch (struct relay *relay);

/* The pump: it moves when all of epoll's news has been read: it may end by that,
   while there is more news of it. */
void
relay_queue (struct relay *relay);

/* The pump: epoll says that one of its descriptors is ready. */
void
relay_ready (struct watcher *watcher,
             uint32_t events);

/* The pump: the next of those, which is none from now on; NULL if there is none. */
struct relay *
relay_next_ready (struct relays *relays);

/* "per-connection": moves until Python has closed the session and all is on
   its way, or nobody can wait for that any more. */
void
relay_wait (struct relay *relay);

/* Any thread, while the session's table has it: Python has closed the session, and
   relay_wait() is to come to its end. */
void
relay_ask_to_close (struct relay *relay);

/* --- relay.c --- */

/* Any thread, while the session's table has it: ends Python's input (SHUT_RD),
   or both. */
void
relay_shutdown (struct relay *relay,
                int how);

/* A fork's child. */
void
relay_forked (struct relay *relay);

/* The driver, before CLOSE: says close_notify, if nobody has. */
void
relay_free (struct relay *relay);
