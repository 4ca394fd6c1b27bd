/* SPDX-License-Identifier: MIT
 *
 * How sessions end.
 *
 * MHD_UPGRADE_ACTION_CLOSE is said here alone and so happens once, on a thread
 * on which every release allows it: the connection's own, or the one that calls
 * pymhd_pump() and will also stop libmicrohttpd.
 *
 * Before that we linger: we send our FIN and read what still comes until the
 * peer's own, for a second and a mebibyte at most.  A close with unread input
 * would be an RST, which destroys our last bytes on their way.  Where the peer
 * has sent an RST itself, nothing can be said to it any more.
 */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/poller.h"
#include "http/quota.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/relay.h"
#include "transport/tls.h"
#include "upgrade/session.h"

#define LINGER_MS 1000
#define LINGER_BYTES ((size_t) 1 << 20)


/* The driver.  The only place that says CLOSE to a session. */
static void
session_finish (struct session *session)
{
  struct sessions *const sessions = session->sessions;

  session_forget (session);
  session->ops->release (session);
  /* Python's duplicate stays open as long as a call is blocked on it. */
  if (! session->reset)
    (void) shutdown (session->fd, SHUT_RDWR);
  runs_close (&sessions->server->runs, &sessions->server->config, session->urh);
  (void) sem_destroy (&session->closed);
  free (session);
  atomic_fetch_sub (&sessions->server->counts.upgraded, 1);
  quota_give_back (sessions->server->config.quota);
}


/* Reads what has come and forgets it.  True if the session may be closed. */
static bool
linger_drain (struct session *session)
{
  char scratch[16384];

  while (session->drained < LINGER_BYTES)
  {
    const ssize_t size = recv (session->fd, scratch, sizeof (scratch),
                               MSG_DONTWAIT);

    if (0 < size)
      session->drained += (size_t) size;
    else if ( (0 == size) ||
              (EINTR != errno) )
      return (0 == size) || (EAGAIN != errno);
  }
  return true;
}


static void
linger_say_goodbye (struct session *session)
{
  session_enter (session, LINGERING);
  if (NULL != session->tls)
    tls_bye (session->tls);
  session->deadline_ms = monotonic_ms () + LINGER_MS;
  (void) shutdown (session->fd, SHUT_WR);
}


/* The connection's own thread, which waits for the end of its lingering. */
static void
linger_here (struct session *session)
{
  struct pollfd watched[] = {
    { .fd = session->fd, .events = POLLIN },
    { .fd = session->sessions->server->life.stop.fd, .events = POLLIN },
  };

  linger_say_goodbye (session);
  while (! linger_drain (session))
  {
    const int64_t left = session->deadline_ms - monotonic_ms ();

    if ( (0 >= left) ||
         (0 != watched[1].revents) )
      break;
    (void) poll (watched, 2, (int) left);
  }
}


/* The connection's own thread, inside the upgrade handler; no lock. */
void
session_wait (struct session *session)
{
  if (NULL != session->relay)
    relay_wait (session->relay);
  while ( (-1 == sem_wait (&session->closed)) &&
          (EINTR == errno) )
    ;
  if (! session->reset)
    linger_here (session);
  session_finish (session);
}


void
linger_end (struct session *session)
{
  if (LINGERING == session->state)
    poller_unwatch (&session->sessions->server->poller, session->fd);
  waiting_leave (session);
  session_finish (session);
}


/* All that Python wrote is the kernel's to send. */
void
linger_begin (struct session *session)
{
  if (session->reset)
  {
    session_finish (session);
    return;
  }
  linger_say_goodbye (session);
  if ( (linger_drain (session)) ||
       (! poller_watch (&session->sessions->server->poller, session->fd, EPOLLIN,
                      &session->watcher)) )
    session_finish (session);
  else
    waiting_enter (session);
}


/* The pump's thread.  What it says of TLS, sessions_relay() does. */
void
sessions_close_pending (struct sessions *sessions)
{
  struct session *session = sessions_take_closing (sessions);
  struct session *next;

  for (; NULL != session; session = next)
  {
    next = session->next;
    if (NULL == session->ops->flush)
    {
      linger_begin (session);
      continue;
    }
    session_enter (session, FLUSHING);
    waiting_enter (session);
    session->ops->flush (session);
  }
}


/* The pump's thread, which nobody has to wake; no lock. */
void
session_leave_hub (struct sessions *sessions,
                   int64_t token,
                   bool reset)
{
  struct session *session;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
  {
    session->reset = reset;
    if (config_is_per_connection (&sessions->server->config))
      session_close_locked (session);   /* its own thread does the rest */
    else
      session_move (session, CLOSING);
  }
  sessions_unlock ();
  if ( (NULL != session) &&
       (! config_is_per_connection (&sessions->server->config)) )
    linger_begin (session);
}


/* The pump's thread. */
void
session_readable (struct watcher *watcher,
                  uint32_t events)
{
  struct session *const session = (struct session *) watcher;

  (void) events;
  if (linger_drain (session))
    linger_end (session);
}


/* How long the session may still take. */
static int64_t
linger_left_ms (const struct session *session,
                int64_t now)
{
  if (FLUSHING == session->state)
    return relay_timeout (session->relay);
  if (atomic_load (&session->sessions->server->life.refusing))
    return 0;
  return session->deadline_ms - now;
}


/* Ends those of a list that are due; milliseconds until the next one is, or -1. */
static int64_t
linger_end_due (struct waiting *list,
                int64_t now)
{
  int64_t left;

  while (NULL != list->first)
  {
    left = linger_left_ms (list->first, now);
    if (0 < left)
      return left;
    linger_end (list->first);
  }
  return -1;
}


/* The pump's thread. */
int
sessions_linger (struct sessions *sessions)
{
  int64_t now;
  int64_t flushing;
  int64_t lingering;

  if ( (NULL == sessions->lingering.first) &&
       (NULL == sessions->flushing.first) )
    return -1;
  now = monotonic_ms ();
  flushing = linger_end_due (&sessions->flushing, now);
  lingering = linger_end_due (&sessions->lingering, now);
  if ( (-1 == flushing) ||
       ( (-1 != lingering) && (lingering < flushing) ) )
    return (int) lingering;
  return (int) flushing;
}


/* stop(), on the pump's thread. */
void
sessions_end (struct sessions *sessions)
{
  struct session *session;
  uint32_t at = 0;

  /* First those that are live: what Python closes meanwhile is pending then. */
  while (NULL != (session = sessions_take_live (sessions, &at)))
    session_finish (session);
  sessions_close_pending (sessions);
  while (NULL != sessions->flushing.first)
    linger_end (sessions->flushing.first);
  while (NULL != sessions->lingering.first)
    linger_end (sessions->lingering.first);
}
