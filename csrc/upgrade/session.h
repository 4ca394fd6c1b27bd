/* SPDX-License-Identifier: MIT
 *
 * A session, for the files that deal with them: session.c has the table,
 * linger.c their end.
 */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "base/poller.h"
#include "transport/relay.h"
#include "upgrade/due.h"

struct fdsets;
struct link;
struct server;
struct tls;

/* FLUSHING: over TLS, what Python wrote before it closed is on its way out. */
enum state
{
  LIVE,                         /* Python has it, or the hub */
  CLOSING,                      /* somebody has closed it: the driver does the rest */
  FLUSHING,
  LINGERING                     /* it has sent its FIN, and waits for the peer's */
};

/* What differs between the kinds of sessions. */
struct session_ops
{
  /* Any thread, while the table is locked: wakes whoever is blocked on it. */
  void (*shutdown) (struct session *session, int how);
  /* The pump, while the table is locked: it has been idle for too long. */
  void (*expire) (struct session *session);
  /* The pump, when Python has closed it: NULL, or what Python wrote is on its way
     out, and sessions_relay() tells when it is through. */
  void (*flush) (struct session *session);
  /* The driver, before CLOSE: frees what the kind has. */
  void (*release) (struct session *session);
};

/* Those whose descriptor Python has: the connection's own, or a relay's. */
extern const struct session_ops plain_ops;
extern const struct session_ops relayed_ops;

struct session
{
  struct watcher watcher;
  const struct session_ops *ops;
  struct session *next;         /* of closing, flushing or lingering */
  struct session *previous;     /* of flushing or lingering */
  struct sessions *sessions;
  struct MHD_UpgradeResponseHandle *urh;
  int64_t token;
  int fd;                       /* libmicrohttpd's: valid until CLOSE */
  struct tls *tls;              /* NULL without; its relay's, or freed with us */
  struct relay *relay;          /* to Python's descriptor; NULL without TLS */
  enum state state;
  struct link *link;            /* the hub's, who knows it; valid while LIVE */
  bool reset;                   /* by the peer: there is nothing to linger for */
  sem_t closed;                 /* "per-connection": Python has closed it */
  int64_t deadline_ms;
  size_t drained;

  /* idle.c; guarded by session.c's lock. */
  int64_t limit_ms;             /* without a byte; 0: none */
  int64_t active_ms;            /* the last byte that the kernel does not tell of */
  int64_t due_ms;               /* to be looked at then */
  uint32_t due_place;           /* among those that are due, or 0 */
  bool struck;
};

/* Those that end, the first to be due first. */
struct waiting
{
  struct session *first;
  struct session *last;
};

/* Those of a driver. */
struct sessions
{
  struct server *server;
  struct relays relays;
  bool ended;                   /* stop(): no more of them; session.c's lock */
  struct session *closing;      /* for the driver to close; session.c's lock */
  struct waiting lingering;     /* the driver's alone */
  struct waiting flushing;      /* the driver's alone */
  struct due due;               /* which may be idle; session.c's lock */
  atomic_int_fast64_t idle_due_ms;      /* when to look at them; 0: never */
};

/* session.c */

void
sessions_lock (void);

void
sessions_unlock (void);

/* These four while it is locked.  NULL: there is no such session that lives. */
struct session *
session_find (int64_t token);

/* The session, also if it has been closed already, until it has ended. */
struct session *
session_ending (int64_t token);

/* The daemon's next session at or after *at that lives. */
struct session *
sessions_next_live (struct sessions *sessions,
                    uint32_t *at);

/* Leaves a session that lives to the driver, to be closed. */
void
session_close_locked (struct session *session);

/* The others take the lock. */

/* The driver: the session is about to be closed for libmicrohttpd. */
void
session_forget (struct session *session);

/* The table is locked: the only place that changes a session's state. */
void
session_move (struct session *session,
              enum state state);

/* The driver: Python has closed the session, which flushes or lingers from now
   on. */
void
session_enter (struct session *session,
               enum state state);

/* The pump: the sessions that have been closed since. */
struct session *
sessions_take_closing (struct sessions *sessions);

/* The daemon's next session at or after *at that nobody has closed: the caller
   does.  There will be no new ones. */
struct session *
sessions_take_live (struct sessions *sessions,
                    uint32_t *at);

/* KIND: its ops and what they need, its descriptors and TLS.  NULL if memory is short,
   or stop() has ended them all. */
struct session *
session_new (struct sessions *sessions,
             struct MHD_UpgradeResponseHandle *urh,
             const struct session *kind,
             int64_t *token);

/* Any thread: wakes whoever is blocked on a session of the daemon's, reading
   (SHUT_RD) or both (SHUT_RDWR).  The descriptors are libmicrohttpd's, and
   valid as long as the table has them. */
void
sessions_shutdown (struct sessions *sessions,
                   int how);

/* "per-connection", in stop(): lets go every connection's thread that waits; no
   other one will. */
void
sessions_release (struct sessions *sessions);

void
sessions_forked (void);

/* The pump: takes the connections out of sets to watch. */
void
sessions_unset (struct sessions *sessions,
                struct fdsets *sets);

/* --- idle.c --- */

/* The pump: ends sessions that have been idle for too long.  Milliseconds until
   it is to be called again, -1 for never. */
int64_t
sessions_idle (struct sessions *sessions);

/* --- linger.c: how they end --- */

/* "per-connection": waits until Python closes the session, then closes it
   for libmicrohttpd on this, the connection's own thread. */
void
session_wait (struct session *session);

/* The pump: closes what Python has closed since. */
void
sessions_close_pending (struct sessions *sessions);

/* The pump: closes the session of a link that has left the hub.  RESET: the peer
   has ended it with an error. */
void
session_leave_hub (struct sessions *sessions,
                   int64_t token,
                   bool reset);

/* The pump: epoll says that a lingering session has input or has ended. */
void
session_readable (struct watcher *watcher,
                  uint32_t events);

/* The pump: ends sessions that lingered too long.  Milliseconds until the
   next one, -1 for none. */
int
sessions_linger (struct sessions *sessions);

/* The pump, in stop(): closes every session of the daemon now; there will be no
   others. */
void
sessions_end (struct sessions *sessions);

/* --- flush.c --- */

/* The pump: begins to move what comes over TLS. */
void
session_begin (struct session *session);

/* The pump, when all that epoll said has been read: moves what is ready over
   TLS. */
void
sessions_relay (struct sessions *sessions);

/* --- waiting.c --- */

/* Out of the list of those that flush, or that linger, and into it, behind the
   others. */
void
waiting_leave (struct session *session);

void
waiting_enter (struct session *session);

/* --- linger.c, for flush.c --- */

/* All that Python wrote is the kernel's to send. */
void
linger_begin (struct session *session);

/* It has waited for long enough. */
void
linger_end (struct session *session);
