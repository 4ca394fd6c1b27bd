/* SPDX-License-Identifier: MIT
 *
 * A TLS connection before its upgrade: how its bytes come and go, and what is said
 * when its handshake fails.
 *
 * libmicrohttpd calls gnutls_handshake() itself.  When that fails it logs a line that
 * does not tell the reason, and closes the connection without an alert.  The line
 * comes on the same thread, before the close: there we say both.  What GnuTLS has
 * returned we are not told; blame.c finds it out.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "transport/handshake.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/blame.h"
#include "transport/gnutls.h"

/* A ClientHello has some 300 bytes, with keys for quantum computers 2,000. */
#define HELLO_LIMIT ((size_t) 1 << 14)

/* In the handshake and for the first request; later a client that writes in small
   pieces is its own business. */
#define ACKNOWLEDGEMENTS 3

/* A client could have as many lines written as it likes: a daemon writes so many at
   once, and then one a second. */
#define LINES_AT_ONCE 10
#define LINE_MS 1000

/* What libmicrohttpd logs, in all releases. */
#define FAILURE "received handshake message out of context"

/* The connection for which GnuTLS has last called us on this thread: the one that
   libmicrohttpd's line is about. */
static _Thread_local struct handshake *latest;


void
handshakes_open (struct handshakes *handshakes,
                 const char *priorities,
                 bool client_ca)
{
  *handshakes = (struct handshakes) {
    .priorities = NULL == priorities ? NULL : priorities_new (priorities),
    .client_ca = client_ca,
    .poller.fd = -1,
  };
  (void) pthread_mutex_init (&handshakes->lock, NULL);
}


void
handshakes_close (struct handshakes *handshakes)
{
  priorities_free (handshakes->priorities);
}


/* There is nothing more to read.  In TLS 1.3 the client speaks last in the handshake,
   so that our acknowledgement finds nothing to go with and is delayed; and if its
   request is a small write of its own, Nagle's algorithm holds that back until then. */
static void
handshake_acknowledge (struct handshake *handshake)
{
  const int on = 1;

  if ( (! handshake->answered) ||
       (! handshake->owes_word) ||
       (ACKNOWLEDGEMENTS == handshake->acknowledgements) )
    return;
  handshake->owes_word = false;
  handshake->acknowledgements++;
  (void) setsockopt (handshake->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof (on));
}


/* Keeps the last bytes that have come. */
static void
handshake_note_last (struct handshake *handshake,
                     const unsigned char *data,
                     size_t size)
{
  const size_t room = sizeof (handshake->last);

  if (size > room)
  {
    data += size - room;
    size = room;
  }
  memmove (handshake->last, handshake->last + size, room - size);
  memcpy (handshake->last + room - size, data, size);
}


/* What recv() has returned. */
static void
handshake_note_input (struct handshake *handshake,
                      const void *data,
                      ssize_t got)
{
  if (0 == got)
    handshake->ended = true;
  else if (0 < got)
  {
    handshake->owes_word = true;
    handshake_note_last (handshake, data, (size_t) got);
    if ( (! handshake->answered) &&
         (handshake->hello.size + (size_t) got <= HELLO_LIMIT) )
      (void) buffer_add (&handshake->hello, data, (size_t) got);
  }
  else if (EAGAIN == errno)
  {
    handshake_acknowledge (handshake);
    handshake_waits (handshake, EPOLLIN);
  }
  else if (EINTR != errno)
    handshake->error = errno;
}


/* gnutls_pull_func: whichever thread serves the connection; no Python inside. */
static ssize_t
handshake_pull (void *transport,
                void *data,
                size_t size)
{
  struct handshake *const handshake = transport;
  ssize_t got;
  int error;

  latest = handshake;
  got = recv (handshake->fd, data, size, 0);
  error = errno;
  handshake_note_input (handshake, data, got);
  errno = error;
  return got;
}


/* gnutls_vec_push_func: whichever thread serves the connection; no Python inside.  A
   flight of messages is one system call, and one segment as far as it fits. */
static ssize_t
handshake_push (void *transport,
                const struct iovec *pieces,
                int count)
{
  struct handshake *const handshake = transport;
  const struct msghdr message = {
    .msg_iov = (struct iovec *) (uintptr_t) pieces,
    .msg_iovlen = (size_t) count,
  };
  ssize_t sent;
  int error;

  latest = handshake;
  if (! handshake->answered)
  {
    handshake->answered = true;
    free (handshake->hello.at);
    handshake->hello = (struct buffer) { 0 };
  }
  handshake->owes_word = false;
  sent = sendmsg (handshake->fd, &message, MSG_NOSIGNAL);
  error = errno;
  handshake_waits (handshake,
                   (-1 == sent) && (EAGAIN == error) ? EPOLLOUT : 0);
  errno = error;
  return sent;
}


/* gnutls_handshake_hook_func: the client's Finished has come, the last message of its
   that belongs to the handshake. */
static int
handshake_finish (void *session,
                  unsigned int type,
                  unsigned int when,
                  unsigned int incoming,
                  const struct gnutls_datum *message)
{
  struct handshake *const handshake = gnutls_functions ()->transport_get_ptr (session);

  (void) type;
  (void) when;
  (void) message;
  if (0 != incoming)
    handshake->complete = true;
  return 0;
}


/* Whichever thread accepts; no lock of libmicrohttpd's.  With functions that are not
   GnuTLS's own it leaves the kernel's TLS alone, which could not be taken over later.
   TLS writes several times in a row, in the handshake and after it: with Nagle's
   algorithm all but the first would wait for the client's delayed acknowledgement. */
struct handshake *
handshake_begin (struct handshakes *handshakes,
                 struct MHD_Connection *connection,
                 const char *address)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  void *const session = NULL == info ? NULL : info->tls_session;
  struct handshake *const handshake
    = NULL == session ? NULL : calloc (1, sizeof (*handshake));
  const int on = 1;

  if (NULL == handshake)
    return NULL;
  info = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  *handshake = (struct handshake) {
    .all = handshakes,
    .connection = connection,
    .session = session,
    .fd = info->connect_fd,
    .address = address,
  };
  (void) setsockopt (handshake->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
  gnutls->transport_set_ptr (session, handshake);
  gnutls->transport_set_pull_function (session, &handshake_pull);
  gnutls->transport_set_vec_push_function (session, &handshake_push);
  gnutls->handshake_set_hook_function (session, GNUTLS_HANDSHAKE_FINISHED,
                                       GNUTLS_HOOK_POST, &handshake_finish);
  if (handshakes->client_ca)
  {
    /* libmicrohttpd asks for a certificate and takes what comes, or none. */
    gnutls->certificate_server_set_request (session, GNUTLS_REQUIRE_CERTIFICATE);
    gnutls->session_set_verify_cert (session, NULL, 0);
  }
  return handshake;
}


void
handshake_free (struct handshake *handshake)
{
  if (NULL == handshake)
    return;
  if (latest == handshake)
    latest = NULL;
  handshake_forget (handshake);
  free (handshake->hello.at);
  free (handshake);
}


void
handshake_cut (struct handshake *handshake,
               const char *reason)
{
  if (NULL != handshake)
    atomic_store (&handshake->cut, reason);
}


/* Whether one more line may be written, and how many have not been since the last. */
static bool
handshake_may_say (struct handshakes *all,
                   unsigned int *left_out)
{
  const int64_t now = monotonic_ms ();
  bool may;

  (void) pthread_mutex_lock (&all->lock);
  if (all->said_until_ms < now)
    all->said_until_ms = now;
  may = all->said_until_ms < now + LINES_AT_ONCE * LINE_MS;
  *left_out = all->unsaid;
  if (may)
    all->said_until_ms += LINE_MS;
  all->unsaid = may ? 0 : all->unsaid + 1;
  (void) pthread_mutex_unlock (&all->lock);
  return may;
}


/* "host port" as people write it. */
static void
handshake_name_client (char *text,
                       size_t size,
                       const char *address)
{
  char host[64];
  unsigned int port;

  if (2 != sscanf (address, "%63s %u", host, &port))
    (void) snprintf (text, size, "a client on a UNIX socket");
  else
    (void) snprintf (text, size, NULL == strchr (host, ':') ? "%s:%u" : "[%s]:%u",
                     host, port);
}


static void
handshake_say (const struct handshake *handshake,
               const struct blame *blame)
{
  char client[80];
  char others[64] = "";
  unsigned int left_out;

  if (! handshake_may_say (handshake->all, &left_out))
    return;
  handshake_name_client (client, sizeof (client), handshake->address);
  if (0 != left_out)
    (void) snprintf (others, sizeof (others), " (and %u more, not logged)", left_out);
  log_line ("the TLS handshake with %s failed: %s%s", client, blame->reason, others);
}


/* The thread that serves the connection, inside libmicrohttpd's logger; no lock, no
   Python inside.  Who connects and leaves without a word, as who looks whether the
   port is open, has had no handshake. */
bool
handshake_has_failed (const char *format)
{
  struct handshake *const handshake = latest;
  struct blame blame;

  if (NULL == strstr (format, FAILURE))
    return false;
  latest = NULL;
  if ( (NULL == handshake) ||
       ( (0 == handshake->hello.size) && (! handshake->answered) ) )
    return true;
  blame_find (handshake, &blame);
  handshake_say (handshake, &blame);
  blame_tell (handshake, &blame);
  return true;
}
