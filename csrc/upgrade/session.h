/* SPDX-License-Identifier: MIT
 *
 * A session, for the files that deal with them: session.c has the table,
 * linger.c their end.
 */
#ifndef PYMHD_SESSION_H
#define PYMHD_SESSION_H

#include "transport/relay.h"

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
  struct link *link;            /* the hub's, valid while LIVE; NULL without */
  bool reset;                   /* by the peer: there is nothing to linger for */
  sem_t closed;                 /* "per-connection": Python has closed it */
  int64_t deadline_ms;
  size_t drained;

  /* idle.c; guarded by session.c's lock. */
  int64_t limit_ms;             /* without a byte; 0: none */
  int64_t active_ms;            /* the last byte that the kernel does not tell of */
  int64_t due_ms;               /* to be looked at then */
  bool struck;
};

/* session.c */

void
sessions_lock (void);

void
sessions_unlock (void);

/* These four while it is locked.  NULL: there is no such session that lives. */
struct session *
session_find (int64_t token);

/* The daemon's next session at or after *at that lives. */
struct session *
sessions_next_live (struct pymhd_daemon *daemon,
                    uint32_t *at);

/* Leaves a session that lives to the driver, to be closed. */
void
session_close_locked (struct session *session);

/* Wakes whoever is blocked on it. */
void
session_shutdown (struct session *session,
                  int how);

/* The others take the lock. */

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
