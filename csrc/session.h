/* SPDX-License-Identifier: MIT
 *
 * A session, for the files that deal with them: session.c has the table,
 * linger.c their end.
 */
#ifndef PYMHD_SESSION_H
#define PYMHD_SESSION_H

#include "relay.h"

/* FLUSHING: over TLS, what Python wrote before it closed is on its way out. */
enum state { LIVE, CLOSING, FLUSHING, LINGERING };

struct session
{
  struct watcher watcher;
  struct session *next;         /* of closing or of lingering (or flushing) */
  struct session *previous;     /* of lingering */
  struct pymhd_daemon *daemon;
  struct MHD_UpgradeResponseHandle *urh;
  int64_t token;
  int fd;                       /* libmicrohttpd's: valid until CLOSE */
  struct tls *tls;              /* NULL without; its relay's, or freed with us */
  struct relay *relay;          /* to Python's descriptor; NULL without TLS */
  enum state state;
  bool of_hub;
  sem_t closed;                 /* "per-connection": Python has closed it */
  int64_t deadline_ms;
  size_t drained;
};

/* session.c; each takes its lock. */

/* The driver: the session is about to be closed for libmicrohttpd. */
void
session_forget (struct session *session);

/* The driver: Python has closed the session, which flushes or lingers from now
   on. */
void
session_enter (struct session *session,
               enum state state);

/* The pump: the sessions that have been closed since. */
struct session *
sessions_take_closing (struct pymhd_daemon *daemon);

/* The daemon's next session at or after *at that nobody has closed: the caller
   does.  There will be no new ones. */
struct session *
sessions_take_live (struct pymhd_daemon *daemon,
                    uint32_t *at);

#endif
