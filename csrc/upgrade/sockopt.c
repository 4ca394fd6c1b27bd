/* SPDX-License-Identifier: MIT
 *
 * Options of an upgraded connection's own socket, by the session's token.  Over
 * TLS Python's descriptor is one end of a socket pair, on which they would have
 * no effect.
 *
 * The session's table is locked meanwhile, so that libmicrohttpd cannot close the
 * descriptor; the kernel does not make these calls wait for the peer.
 */
#include <errno.h>
#include <sys/socket.h>

#include "api/session.h"
#include "upgrade/session.h"


/* Any thread; no Python inside.  0 or an errno, EBADF if the session has been
   closed.  VALUE may be NULL, as for setsockopt(). */
int
pymhd_session_setsockopt (int64_t token,
                          int level,
                          int name,
                          const char *value,
                          unsigned int size)
{
  const struct session *session;
  int error = EBADF;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
    error = 0 == setsockopt (session->fd, level, name, value, size) ? 0 : errno;
  sessions_unlock ();
  return error;
}


/* Any thread; no Python inside.  0 or an errno, EBADF if the session has been
   closed.  *SIZE is how much VALUE has room for, then how much was written. */
int
pymhd_session_getsockopt (int64_t token,
                          int level,
                          int name,
                          char *value,
                          unsigned int *size)
{
  const struct session *session;
  int error = EBADF;

  sessions_lock ();
  session = session_find (token);
  if (NULL != session)
    error = 0 == getsockopt (session->fd, level, name, value, size) ? 0 : errno;
  sessions_unlock ();
  return error;
}
