/* SPDX-License-Identifier: MIT
 *
 * Why a TLS handshake has failed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "base/buffer.h"
#include "base/poller.h"

struct handshake_list;
struct handshakes;

/* Only the thread that serves the connection uses it. */
struct handshake
{
  struct watcher watcher;       /* of the daemon's poller for handshakes */
  struct handshakes *all;       /* the daemon's */
  struct MHD_Connection *connection;
  void *session;                /* gnutls_session_t, libmicrohttpd's */
  int fd;                       /* libmicrohttpd's */
  const char *address;
  struct buffer hello;            /* what has come before we have said anything */
  size_t replayed;              /* of that, to learn what is wrong with it */
  unsigned char last[7];        /* bytes that have come: an alert has so many */
  bool answered;                /* we have said something */
  bool owes_word;               /* it has sent something since */
  int acknowledgements;         /* that went out without delay */
  bool ended;                   /* the client's FIN has come */
  int error;                    /* the errno of reading, 0 */
  _Atomic (const char *) cut;   /* the reason, if we have ended it */
  bool complete;                /* the client has said its last word of it */

  /* suspend.c's: */
  struct handshake_list *list;  /* NULL: none */
  struct handshake *next;       /* of that */
  struct handshake *previous;
  uint32_t wanted;              /* what it waits for: EPOLLIN, EPOLLOUT, 0 */
  bool watched;
  int64_t suspended_ms;         /* since when it does */
};

struct blame
{
  const char *reason;           /* for the log */
  int alert;                    /* for the client; BLAME_NO_ALERT, BLAME_HTTP */
};

/* Instead of an alert: the client has gone, or has sent one itself; or it takes us
   for a server without TLS. */
enum { BLAME_NO_ALERT = -1, BLAME_HTTP = -2 };

/* The thread that serves the connection, when its handshake has failed. */
void
blame_find (struct handshake *handshake,
            struct blame *blame);

/* Then: tells the client, as far as it can still be told. */
void
blame_tell (struct handshake *handshake,
            const struct blame *blame);
