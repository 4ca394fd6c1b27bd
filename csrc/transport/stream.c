/* SPDX-License-Identifier: MIT
 *
 * How bytes of an upgraded connection get in and out: the only place that knows
 * what is below, a socket or TLS.  All on the pump's thread; no lock.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "transport/stream.h"
#include "transport/tls.h"


static ssize_t
stream_moved (const struct stream *stream,
              ssize_t size)
{
  if ( (0 < size) &&
       (NULL != stream->moved) )
    stream->moved (stream);
  return size;
}


ssize_t
stream_recv (struct stream *stream,
             void *bytes,
             size_t size)
{
  size_t got = 0;
  ssize_t count = 0;

  if (NULL == stream->tls)
    return stream_moved (stream, recv (stream->fd, bytes, size, MSG_DONTWAIT));
  /* A record at a time, a whole one, and epoll does not tell twice. */
  while ( (size - got >= TLS_RECORD) &&
          (0 < (count = tls_recv (stream->tls, (char *) bytes + got, size - got))) )
    got += (size_t) count;
  if (0 == got)
    return count;
  if ( (0 == count) ||
       ( (-1 == count) && (EAGAIN != errno) ) )
    stream->hung_up = true;
  return stream_moved (stream, (ssize_t) got);
}


ssize_t
stream_send (const struct stream *stream,
             const void *bytes,
             size_t size)
{
  return stream_moved (stream,
                       NULL == stream->tls
                       ? send (stream->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : tls_send (stream->tls, bytes, size));
}


size_t
stream_waiting (const struct stream *stream)
{
  return NULL == stream->tls ? 0 : stream->tls->out.size - stream->tls->sent;
}


int
stream_flush (const struct stream *stream)
{
  return NULL == stream->tls ? 0 : tls_flush (stream->tls);
}


void
stream_end (const struct stream *stream)
{
  if (NULL != stream->tls)
    tls_bye (stream->tls);
}
