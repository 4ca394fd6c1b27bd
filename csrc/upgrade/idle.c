/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections on which nothing happens.
 *
 * A session with a limit is looked at only when that may have passed: over TCP
 * the kernel knows when the last byte came and went, however Python has used the
 * descriptor; elsewhere whoever moves bytes leaves a stamp.  There is one time
 * for the daemon at which some session is due, on the monotonic clock.
 *
 * A session that has been idle too long has its socket shut down: whoever is
 * blocked on it comes back and closes it.  If nobody does, we do.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "api/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "hub/hub.h"
#include "transport/tls.h"
#include "upgrade/session.h"

/* How long Python may take to close a session that was shut down. */
#define GRACE_MS 1000
/* No session is looked at more often. */
#define PAUSE_MS 50


/* The table is locked.  True if the pump waits too long. */
static bool
make_due (struct session *session,
          int64_t due_ms)
{
  struct pymhd_daemon *const daemon = session->daemon;
  const int64_t earliest = atomic_load (&daemon->sessions.idle_due_ms);

  session->due_ms = due_ms;
  if ( (0 != earliest) &&
       (earliest <= due_ms) )
    return false;
  atomic_store (&daemon->sessions.idle_due_ms, due_ms);
  return true;
}


/* Any thread: gives a session, once, a limit in milliseconds. */
void
pymhd_session_limit (int64_t token,
                     int64_t limit_ms)
{
  struct session *session;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
  {
    session->limit_ms = limit_ms;
    session->active_ms = monotonic_ms ();
    if (make_due (session, session->active_ms + limit_ms))
      wakeup_signal (&session->daemon->wakeup);
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
quiet_ms (const struct session *session,
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


/* The pump; the table is locked, the session's time has come. */
static void
look (struct session *session,
      int64_t now)
{
  const int64_t quiet = quiet_ms (session, now);

  if (session->struck)
  {
    session->limit_ms = 0;
    session_close_locked (session);
  }
  else if (quiet < session->limit_ms)
    session->due_ms = now + session->limit_ms - quiet;
  else
  {
    session->struck = true;
    session->due_ms = now + GRACE_MS;
    /* A protocol's; a relay may be moving bytes on the connection's thread. */
    if ( (NULL == session->relay) &&
         (NULL != session->tls) )
      tls_bye (session->tls);
    session_shutdown (session, SHUT_RDWR);
    log_line ("an upgraded connection was idle for %.3g s and is closed",
              (double) session->limit_ms / 1000);
    if (NULL != session->link)
    {
      /* A protocol is told why, instead of an end of input. */
      session->limit_ms = 0;
      hub_lose (session->link, ETIMEDOUT);
    }
  }
}


/* The pump's thread. */
int64_t
sessions_idle (struct pymhd_daemon *daemon)
{
  const int64_t due = atomic_load (&daemon->sessions.idle_due_ms);
  struct session *session;
  int64_t earliest = INT64_MAX;
  uint32_t at = 0;
  int64_t now;

  if (0 == due)
    return -1;
  now = monotonic_ms ();
  if (now < due)
    return due - now;
  sessions_lock ();
  while (NULL != (session = sessions_next_live (daemon, &at)))
  {
    if ( (0 != session->limit_ms) &&
         (session->due_ms <= now) )
      look (session, now);
    if ( (0 != session->limit_ms) &&
         (session->due_ms < earliest) )
      earliest = session->due_ms;
  }
  if (earliest < now + PAUSE_MS)
    earliest = now + PAUSE_MS;
  atomic_store (&daemon->sessions.idle_due_ms, INT64_MAX == earliest ? 0 : earliest);
  sessions_unlock ();
  return INT64_MAX == earliest ? -1 : earliest - now;
}
