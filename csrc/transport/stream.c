/* SPDX-License-Identifier: MIT
 *
 * How bytes of the hub's connections get in and out: the only place that knows
 * what is below, a socket or TLS.  All on the pump's thread; no lock.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "api/session.h"
#include "engine/driver.h"
#include "hub/hub.h"
#include "transport/tls.h"


/* Where the kernel does not tell when the last byte moved, and somebody asks. */
static ssize_t
moved (const struct link *link,
       ssize_t size)
{
  if ( (0 < size) &&
       (link->local) &&
       (0 != atomic_load (&link->daemon->sessions.idle_due_ms)) )
    pymhd_session_touch (link->session);
  return size;
}


ssize_t
stream_recv (struct link *link,
             void *bytes,
             size_t size)
{
  size_t got = 0;
  ssize_t count = 0;

  if (NULL == link->tls)
    return moved (link, recv (link->fd, bytes, size, MSG_DONTWAIT));
  /* A record at a time, a whole one, and epoll does not tell twice. */
  while ( (size - got >= TLS_RECORD) &&
          (0 < (count = tls_recv (link->tls, (char *) bytes + got, size - got))) )
    got += (size_t) count;
  if (0 == got)
    return count;
  if ( (0 == count) ||
       ( (-1 == count) && (EAGAIN != errno) ) )
    link->hung_up = true;
  return moved (link, (ssize_t) got);
}


ssize_t
stream_send (const struct link *link,
             const void *bytes,
             size_t size)
{
  return moved (link,
                NULL == link->tls
                ? send (link->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                : tls_send (link->tls, bytes, size));
}


size_t
stream_waiting (const struct link *link)
{
  return NULL == link->tls ? 0 : link->tls->out.size - link->tls->sent;
}


int
stream_flush (const struct link *link)
{
  return NULL == link->tls ? 0 : tls_flush (link->tls);
}


void
stream_end (const struct link *link)
{
  if (NULL != link->tls)
    tls_bye (link->tls);
}
