/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections that live, by token.
 *
 * Whoever ends a session (Python's close(), a finalizer, stop()) only marks it
 * here; linger.c does the rest on a thread that may.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "upgrade/session.h"
#include "api/session.h"
#include "base/fdsets.h"
#include "base/moves.h"
#include "base/slots.h"
#include "base/wakeup.h"
#include "mhd/config.h"
#include "mhd/server.h"
#include "transport/relay.h"
#include "upgrade/due.h"

/* Guards the table, every state and every list of closing sessions.  Under it
   nothing of Python's or of libmicrohttpd's is called. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slots live;

/* From where to where a session goes, and who moves it.  linger_finish() ends it in any
   state but LIVE. */
static const unsigned int moves[] = {
  /* session_close_locked(), session_leave_hub(), sessions_take_live() */
  [LIVE] = TO (CLOSING),
  /* sessions_close_pending(), linger_say_goodbye() */
  [CLOSING] = TO (FLUSHING) | TO (LINGERING),
  /* linger_say_goodbye() */
  [FLUSHING] = TO (LINGERING),
  [LINGERING] = 0,
};


void
sessions_lock (void)
{
  (void) pthread_mutex_lock (&lock);
}


void
sessions_unlock (void)
{
  (void) pthread_mutex_unlock (&lock);
}


void
session_move (struct session *session,
              enum state state)
{
  ASSERT_MOVE (moves, session->state, state);
  session->state = state;
}


struct session *
session_find (int64_t token)
{
  struct session *const session = slots_get (&live, token);

  return (NULL != session) && (LIVE == session->state) ? session : NULL;
}


struct session *
session_ending (int64_t token)
{
  return slots_get (&live, token);
}


struct session *
sessions_next_live (struct sessions *sessions,
                    uint32_t *at)
{
  struct session *session;

  do
    session = slots_next (&live, at);
  while ( (NULL != session) &&
          ( (sessions != session->sessions) ||
            (LIVE != session->state) ) );
  return session;
}


/* "per-connection": its thread looks again what has become of it. */
static void
session_wake (struct session *session)
{
  (void) sem_post (&session->closed);
  if (NULL != session->relay)
    relay_ask_to_close (session->relay);
}


void
session_close_locked (struct session *session)
{
  struct sessions *const sessions = session->sessions;

  session_move (session, CLOSING);
  if (config_is_per_connection (&sessions->server->config))
    session_wake (session);
  else
  {
    session->next = sessions->closing;
    sessions->closing = session;
    wakeup_signal (&sessions->server->wakeup);
  }
}


/* The driver, inside the upgrade handler. */
struct session *
session_new (struct sessions *sessions,
             struct MHD_UpgradeResponseHandle *urh,
             const struct session *kind,
             int64_t *token)
{
  struct session *session = malloc (sizeof (*session));

  if (NULL == session)
    return NULL;
  *session = *kind;
  session->watcher.ready = &session_readable;
  session->sessions = sessions;
  session->urh = urh;
  if (NULL != session->relay)
    session->relay->session = session;
  (void) sem_init (&session->closed, 0, 0);
  (void) pthread_mutex_lock (&lock);
  session->token = sessions->ended ? 0 : slots_add (&live, session);
  *token = session->token;
  if (0 != *token)
    atomic_fetch_add (&sessions->server->counts.upgraded, 1);
  (void) pthread_mutex_unlock (&lock);
  if (0 == *token)
  {
    free (session);
    return NULL;
  }
  return session;
}


void
sessions_shutdown (struct sessions *sessions,
                   int how)
{
  struct session *session;
  uint32_t at = 0;

  (void) pthread_mutex_lock (&lock);
  while (NULL != (session = sessions_next_live (sessions, &at)))
    session->ops->shutdown (session, how);
  (void) pthread_mutex_unlock (&lock);
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


void
sessions_unset (struct sessions *sessions,
                struct fdsets *sets)
{
  struct session *session;
  uint32_t at = 0;

  (void) pthread_mutex_lock (&lock);
  while (NULL != (session = slots_next (&live, &at)))
  {
    if ( (sessions != session->sessions) ||
         (FD_SETSIZE <= session->fd) )
      continue;
    FD_CLR (session->fd, &sets->read);
    FD_CLR (session->fd, &sets->write);
    FD_CLR (session->fd, &sets->except);
  }
  (void) pthread_mutex_unlock (&lock);
}


void
session_forget (struct session *session)
{
  (void) pthread_mutex_lock (&lock);
  slots_remove (&live, session->token);
  due_remove (&session->sessions->due, session);
  (void) pthread_mutex_unlock (&lock);
}


void
session_enter (struct session *session,
               enum state state)
{
  (void) pthread_mutex_lock (&lock);
  session_move (session, state);
  (void) pthread_mutex_unlock (&lock);
}


struct session *
sessions_take_closing (struct sessions *sessions)
{
  struct session *session;

  (void) pthread_mutex_lock (&lock);
  session = sessions->closing;
  sessions->closing = NULL;
  (void) pthread_mutex_unlock (&lock);
  return session;
}


struct session *
sessions_take_live (struct sessions *sessions,
                    uint32_t *at)
{
  struct session *session;

  (void) pthread_mutex_lock (&lock);
  sessions->ended = true;
  session = sessions_next_live (sessions, at);
  if (NULL != session)
    session_move (session, CLOSING);
  (void) pthread_mutex_unlock (&lock);
  return session;
}


/* "per-connection": lets go every connection's thread that still waits. */
void
sessions_release (struct sessions *sessions)
{
  struct session *session;
  uint32_t at = 0;

  while (NULL != sessions_take_live (sessions, &at))
    ;
  /* Those, and others that Python has closed and that may still be flushing. */
  at = 0;
  (void) pthread_mutex_lock (&lock);
  while (NULL != (session = slots_next (&live, &at)))
    if (sessions == session->sessions)
      session_wake (session);
  (void) pthread_mutex_unlock (&lock);
}


/* A fork's child: the sessions are the parent's. */
void
sessions_forked (void)
{
  struct session *session;
  uint32_t at = 0;

  (void) pthread_mutex_init (&lock, NULL);
  while (NULL != (session = slots_next (&live, &at)))
    if (NULL != session->relay)
      relay_forked (session->relay);
  /* Not freed: another thread may have been in the middle of that. */
  live = (struct slots) { 0 };
}
