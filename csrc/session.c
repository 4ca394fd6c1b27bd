/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections that live, by token, and how they end.
 *
 * Whoever ends a session (Python's close(), a finalizer, stop()) only marks
 * it; MHD_UPGRADE_ACTION_CLOSE is the driver's alone and so happens once, on
 * the thread on which every release allows it.
 *
 * Before that the driver lingers: it sends our FIN and reads what still comes
 * until the peer's own, for a second and a mebibyte at most.  A close with
 * unread input would be an RST, which destroys our last bytes on their way.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "internal.h"

#define LINGER_MS 1000
#define LINGER_BYTES ((size_t) 1 << 20)

enum state { LIVE, CLOSING, LINGERING };

struct session
{
  struct watcher watcher;
  struct session *next;         /* of closing or of lingering */
  struct session *previous;     /* of lingering */
  struct pymhd_daemon *daemon;
  struct MHD_UpgradeResponseHandle *urh;
  int64_t token;
  int fd;                       /* libmicrohttpd's: valid until CLOSE */
  enum state state;
  sem_t closed;                 /* "per-connection": Python has closed it */
  int64_t deadline_ms;
  size_t drained;
};

/* Guards the table, every state and every list of closing sessions.  Under it
   nothing of Python's or of libmicrohttpd's is called. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slots live;


/* The driver, inside the upgrade handler. */
struct session *
session_new (struct pymhd_daemon *daemon,
             int fd,
             struct MHD_UpgradeResponseHandle *urh,
             int64_t *token)
{
  struct session *session = malloc (sizeof (*session));

  if (NULL == session)
    return NULL;
  *session = (struct session) {
    .watcher = { OF_SESSION },
    .daemon = daemon,
    .fd = fd,
    .urh = urh,
  };
  (void) sem_init (&session->closed, 0, 0);
  (void) pthread_mutex_lock (&lock);
  session->token = slots_add (&live, session);
  *token = session->token;
  (void) pthread_mutex_unlock (&lock);
  if (0 == *token)
  {
    free (session);
    return NULL;
  }
  atomic_fetch_add (&daemon->upgraded, 1);
  return session;
}


/* Any thread, and inside finalizers: no lock is held across a call into
   libmicrohttpd or Python.  0 if there is no such session any more. */
int
pymhd_session_close (int64_t token)
{
  struct pymhd_daemon *daemon;
  struct session *session;
  bool found;

  (void) pthread_mutex_lock (&lock);
  session = slots_get (&live, token);
  found = (NULL != session) && (LIVE == session->state);
  if (found)
  {
    daemon = session->daemon;
    session->state = CLOSING;
    if (daemon->per_connection)
      (void) sem_post (&session->closed);
    else
    {
      session->next = daemon->closing;
      daemon->closing = session;
      pump_wake (daemon);
    }
  }
  (void) pthread_mutex_unlock (&lock);
  return found;
}


/* Any thread: wakes whoever is blocked on a session of the daemon's, reading
   (SHUT_RD) or both (SHUT_RDWR).  The descriptors are libmicrohttpd's, and
   valid as long as the table has them. */
int
pymhd_sessions_shutdown (struct pymhd_daemon *daemon,
                         int how)
{
  struct session *session;
  uint32_t at = 0;
  int count = 0;

  (void) pthread_mutex_lock (&lock);
  while (NULL != (session = slots_next (&live, &at)))
  {
    if ( (daemon != session->daemon) ||
         (LIVE != session->state) )
      continue;
    (void) shutdown (session->fd, how);
    count++;
  }
  (void) pthread_mutex_unlock (&lock);
  return count;
}


/* Any thread. */
int64_t
pymhd_sessions_live (void)
{
  int64_t count;

  (void) pthread_mutex_lock (&lock);
  count = live.used;
  (void) pthread_mutex_unlock (&lock);
  return count;
}


/* The driver.  The only place that says CLOSE to a session. */
static void
finish (struct session *session)
{
  struct pymhd_daemon *const daemon = session->daemon;

  (void) pthread_mutex_lock (&lock);
  slots_remove (&live, session->token);
  (void) pthread_mutex_unlock (&lock);
  /* Python's duplicate stays open as long as a call is blocked on it. */
  (void) shutdown (session->fd, SHUT_RDWR);
  if (daemon->per_connection)
    (void) MHD_upgrade_action (session->urh, MHD_UPGRADE_ACTION_CLOSE);
  else
    pump_close (daemon, session->urh);
  (void) sem_destroy (&session->closed);
  free (session);
  atomic_fetch_sub (&daemon->upgraded, 1);
}


/* Reads what has come and forgets it.  True if the session may be closed. */
static bool
drain (struct session *session)
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
say_goodbye (struct session *session)
{
  (void) pthread_mutex_lock (&lock);
  session->state = LINGERING;
  (void) pthread_mutex_unlock (&lock);
  session->deadline_ms = monotonic_ms () + LINGER_MS;
  (void) shutdown (session->fd, SHUT_WR);
}


/* The connection's own thread, inside the upgrade handler; no lock. */
void
session_wait (struct session *session)
{
  struct pollfd watched[] = {
    { .fd = session->fd, .events = POLLIN },
    { .fd = session->daemon->stop_fd, .events = POLLIN },
  };

  while ( (-1 == sem_wait (&session->closed)) &&
          (EINTR == errno) )
    ;
  say_goodbye (session);
  while (! drain (session))
  {
    const int64_t left = session->deadline_ms - monotonic_ms ();

    if ( (0 >= left) ||
         (0 != watched[1].revents) )
      break;
    (void) poll (watched, 2, (int) left);
  }
  finish (session);
}


static void
leave_lingering (struct session *session)
{
  struct pymhd_daemon *const daemon = session->daemon;

  pump_unwatch (daemon, session->fd);
  if (NULL != session->previous)
    session->previous->next = session->next;
  else
    daemon->lingering = session->next;
  if (NULL != session->next)
    session->next->previous = session->previous;
  finish (session);
}


/* The pump's thread. */
void
sessions_close_pending (struct pymhd_daemon *daemon)
{
  struct session *session;
  struct session *next;

  (void) pthread_mutex_lock (&lock);
  session = daemon->closing;
  daemon->closing = NULL;
  (void) pthread_mutex_unlock (&lock);
  for (; NULL != session; session = next)
  {
    next = session->next;
    say_goodbye (session);
    if ( (drain (session)) ||
         (! pump_watch (daemon, session->fd, EPOLLIN, &session->watcher)) )
    {
      finish (session);
      continue;
    }
    session->previous = NULL;
    session->next = daemon->lingering;
    if (NULL != session->next)
      session->next->previous = session;
    daemon->lingering = session;
  }
}


/* The pump's thread. */
void
session_readable (struct watcher *watcher)
{
  struct session *const session = (struct session *) watcher;

  if (drain (session))
    leave_lingering (session);
}


/* The pump's thread. */
int
sessions_linger (struct pymhd_daemon *daemon)
{
  struct session *session;
  struct session *next;
  int64_t earliest = -1;
  int64_t now;

  if (NULL == daemon->lingering)
    return -1;
  now = monotonic_ms ();
  for (session = daemon->lingering; NULL != session; session = next)
  {
    const int64_t left = session->deadline_ms - now;

    next = session->next;
    if ( (0 >= left) ||
         (atomic_load (&daemon->refusing)) )
      leave_lingering (session);
    else if ( (-1 == earliest) ||
              (left < earliest) )
      earliest = left;
  }
  return (int) earliest;
}


/* The daemon's next session at or after *at that nobody has closed: we do. */
static struct session *
take_live (struct pymhd_daemon *daemon,
           uint32_t *at)
{
  struct session *session;

  (void) pthread_mutex_lock (&lock);
  do
    session = slots_next (&live, at);
  while ( (NULL != session) &&
          ( (daemon != session->daemon) ||
            (LIVE != session->state) ) );
  if (NULL != session)
    session->state = CLOSING;
  (void) pthread_mutex_unlock (&lock);
  return session;
}


/* stop(), on the pump's thread. */
void
sessions_end (struct pymhd_daemon *daemon)
{
  struct session *session;
  uint32_t at = 0;

  /* First those that are live: what Python closes meanwhile is pending then. */
  while (NULL != (session = take_live (daemon, &at)))
    finish (session);
  sessions_close_pending (daemon);
  while (NULL != daemon->lingering)
    leave_lingering (daemon->lingering);
}


/* "per-connection": lets go every connection's thread that still waits. */
void
sessions_release (struct pymhd_daemon *daemon)
{
  struct session *session;
  uint32_t at = 0;

  while (NULL != (session = take_live (daemon, &at)))
    (void) sem_post (&session->closed);
}


/* A fork's child: the sessions are the parent's. */
void
sessions_forked (void)
{
  (void) pthread_mutex_init (&lock, NULL);
  /* Not freed: another thread may have been in the middle of that. */
  live = (struct slots) { 0 };
}
