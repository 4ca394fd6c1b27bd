/* SPDX-License-Identifier: MIT
 *
 * What Python asks and says of a session, by its token.
 */
#include <fcntl.h>
#include <stdatomic.h>

#include "api/session.h"
#include "transport/relay.h"
#include "upgrade/session.h"


/* Any thread, and inside finalizers: no lock is held across a call into
   libmicrohttpd or Python.  0 if there is no such session any more. */
int
pymhd_session_close (int64_t token)
{
  struct session *session;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
    session_close_locked (session);
  sessions_unlock ();
  return NULL != session;
}


/* Any thread.  False once it has been closed, by whomever. */
int
pymhd_session_is_live (int64_t token)
{
  bool found;

  sessions_lock ();
  found = NULL != session_find (token);
  sessions_unlock ();
  return found;
}


/* Any thread: a descriptor of its own for a session's socket, -1 with an errno if
   there is none. */
int
pymhd_session_dup (int64_t token)
{
  struct session *session;
  int fd = -1;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
    fd = fcntl (session->fd, F_DUPFD_CLOEXEC, 3);
  sessions_unlock ();
  return fd;
}


/* Any thread.  The errno of what has ended a TLS connection, of which Python's
   descriptor can only tell that it has ended; 0 for an orderly end. */
int
pymhd_session_error (int64_t token)
{
  struct session *session;
  int error = 0;

  sessions_lock ();
  session = session_ending (token);
  if ( (NULL != session) &&
       (NULL != session->relay) )
    error = atomic_load (&session->relay->error);
  sessions_unlock ();
  return error;
}
