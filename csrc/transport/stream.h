/* SPDX-License-Identifier: MIT
 *
 * How bytes of an upgraded connection get in and out: a socket, or TLS above it.
 * The pump's thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

struct stream
{
  int fd;                       /* libmicrohttpd's: valid until CLOSE */
  struct tls *tls;              /* the session's; NULL without */
  bool hung_up;                 /* there is an end or an error to be read */
  /* NULL, or to be told whenever bytes have moved: where the kernel does not know
     when the last one did. */
  void (*moved) (const struct stream *stream);
};

/* As recv() and send() on a socket that does not block.  Where less comes than
   SIZE without a record of TLS, there is no more, or an end that makes it hung_up. */
ssize_t
stream_recv (struct stream *stream,
             void *bytes,
             size_t size);

ssize_t
stream_send (const struct stream *stream,
             const void *bytes,
             size_t size);

/* How many bytes wait below that stream_send() has taken. */
size_t
stream_waiting (const struct stream *stream);

/* Sends that.  -1 with an errno, EAGAIN if some is left. */
int
stream_flush (const struct stream *stream);

/* No more output: says so, as far as that is possible. */
void
stream_end (const struct stream *stream);
