/* SPDX-License-Identifier: MIT
 *
 * How bytes of the hub's connections get in and out: the only place that knows
 * what is below.
 */
#include <sys/socket.h>

#include "hub.h"


/* The pump's thread; no lock. */
ssize_t
stream_recv (const struct link *link,
             void *bytes,
             size_t size)
{
  return recv (link->fd, bytes, size, MSG_DONTWAIT);
}


/* The pump's thread; no lock. */
ssize_t
stream_send (const struct link *link,
             const void *bytes,
             size_t size)
{
  return send (link->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}
