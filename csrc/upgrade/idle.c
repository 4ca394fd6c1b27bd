/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections on which nothing happens.
 *
 * A session with a limit is looked at only when that may have passed: over TCP
 * the kernel knows when the last byte came and went, however Python has used the
 * descriptor; elsewhere whoever moves bytes leaves a stamp.  The daemon has them in
 * the order in which they are due, on the monotonic clock.
 *
 * A session that has been idle too long has its socket shut down: whoever is
 * blocked on it comes back and closes it.  If nobody does, we do.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "api/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "mhd/server.h"
#include "upgrade/due.h"
#include "upgrade/session.h"

/* How long Python may take to close a session that was shut down. */
#define GRACE_MS 1000
/* No session is looked at more often. */
#define PAUSE_MS 50


/* The table is locked: tells the pump when to look. */
static void
idle_set_earliest (struct sessions *sessions)
{
  const struct session *const first = due_first (&sessions->due);

  atomic_store (&sessions->idle_due_ms, NULL == first ? 0 : first->due_ms);
}


/* Any thread: gives a session a limit in milliseconds; 0 takes it away. */
void
pymhd_session_limit (int64_t token,
                     int64_t limit_ms)
{
  struct session *session;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
  {
    struct sessions *const sessions = session->sessions;

    session->limit_ms = limit_ms;
    session->active_ms = monotonic_ms ();
    session->due_ms = session->active_ms + limit_ms;
    if (0 == limit_ms)
      due_remove (&sessions->due, session);
    else if (! due_put (&sessions->due, session))
    {
      log_line ("an upgraded connection was closed at once: out of memory");
      session_close_locked (session);
    }
    idle_set_earliest (sessions);
    if (session == due_first (&sessions->due))
      wakeup_signal (&sessions->server->wakeup);         /* it waits for too long */
  }
  sessions_unlock ();
}


/* Any thread: bytes have been moved that the kernel does not tell of. */
void
pymhd_session_touch (int64_t token)
{
  struct session *session;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
    session->active_ms = monotonic_ms ();
  sessions_unlock ();
}


/* How long no byte has come or gone.  What is sent again and again to a peer
   that is silent does not count. */
static int64_t
idle_quiet_ms (const struct session *session,
               int64_t now)
{
  struct tcp_info info;
  socklen_t size = sizeof (info);
  int64_t quiet = now - session->active_ms;
  int64_t sent;

  if (0 != getsockopt (session->fd, IPPROTO_TCP, TCP_INFO, &info, &size))
    return quiet;
  sent = 0 == info.tcpi_retransmits ? info.tcpi_last_data_sent
                                    : info.tcpi_last_ack_recv;
  if (sent < quiet)
    quiet = sent;
  if (info.tcpi_last_data_recv < quiet)
    quiet = info.tcpi_last_data_recv;
  return quiet;
}


/* The table is locked. */
static void
idle_look_again (struct session *session,
                 int64_t now,
                 int64_t after_ms)
{
  session->due_ms = now + (after_ms < PAUSE_MS ? PAUSE_MS : after_ms);
  (void) due_put (&session->sessions->due, session);      /* which has it already */
}


/* The pump; the table is locked, the session's time has come. */
static void
idle_look (struct session *session,
           int64_t now)
{
  const int64_t quiet = idle_quiet_ms (session, now);

  if (session->struck)
  {
    due_remove (&session->sessions->due, session);
    session_close_locked (session);
  }
  else if (quiet < session->limit_ms)
    idle_look_again (session, now, session->limit_ms - quiet);
  else
  {
    session->struck = true;
    idle_look_again (session, now, GRACE_MS);
    log_line ("an upgraded connection was idle for %.3g s and is closed",
              (double) session->limit_ms / 1000);
    session->ops->expire (session);
  }
}


/* The pump's thread. */
int64_t
sessions_idle (struct sessions *sessions)
{
  const int64_t due = atomic_load (&sessions->idle_due_ms);
  struct session *session;
  int64_t earliest;
  int64_t now;

  if (0 == due)
    return -1;
  now = monotonic_ms ();
  if (now < due)
    return due - now;
  sessions_lock ();
  while ( (NULL != (session = due_first (&sessions->due))) &&
          (session->due_ms <= now) )
  {
    if (LIVE == session->state)
      idle_look (session, now);
    else
      due_remove (&sessions->due, session);       /* somebody has closed it */
  }
  idle_set_earliest (sessions);
  earliest = atomic_load (&sessions->idle_due_ms);
  sessions_unlock ();
  return 0 == earliest ? -1 : earliest - now;
}
