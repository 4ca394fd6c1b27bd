/* SPDX-License-Identifier: MIT
 *
 * TLS sessions: GnuTLS's, which libmicrohttpd makes and we take over.
 *
 * libmicrohttpd's own forwarding between an upgraded TLS connection and the
 * application never tells of the peer's end, and up to 0.9.76 it is slow and
 * may use freed memory.  So at the upgrade we give GnuTLS functions of ours to
 * read and write with.  Whenever it is libmicrohttpd that calls, there is nothing
 * to read and everything is written, to nowhere; when it is us, they use the
 * connection's descriptor.
 *
 * Our write never says EAGAIN to GnuTLS: what the kernel does not take waits in
 * our memory, so that a record is always written as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "transport/tls.h"
#include "base/buffer.h"
#include "transport/gnutls.h"

/* So many records in a row that are no data (empty ones, key updates, alerts) are an
   attack: each costs us, and the others wait. */
#define USELESS_RECORDS 256

/* Who makes us answer (key updates, renegotiation) and never reads is cut. */
#define OUT_LIMIT ((size_t) 1 << 18)


static void *
tls_session_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *const info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

  return NULL == info ? NULL : info->tls_session;
}


/* The driver. */
void
tls_describe (struct MHD_Connection *connection,
              char *text,
              size_t size)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  void *const session = tls_session_of (connection);
  const char *protocol;
  const char *cipher;

  text[0] = '\0';
  if (NULL == session)
    return;
  protocol = gnutls->protocol_get_name (gnutls->protocol_get_version (session));
  cipher = gnutls->cipher_get_name (gnutls->cipher_get (session));
  (void) snprintf (text, size, "\t%s\t%s",
                   NULL == protocol ? "" : protocol,
                   NULL == cipher ? "" : cipher);
}


/* gnutls_pull_func.  Nor does it hear of a FIN, after which it would refuse to
   send, while the peer may still be listening. */
static ssize_t
tls_pull (void *transport,
          void *data,
          size_t size)
{
  struct tls *const tls = transport;
  ssize_t got;

  if ( (NULL == tls) ||
       (! tls->ours) )
  {
    errno = EAGAIN;
    return -1;
  }
  got = recv (tls->fd, data, size, MSG_DONTWAIT);
  if (0 < got)
    return got;
  tls->ended = 0 == got;
  if (tls->ended)
    errno = EAGAIN;
  if (EAGAIN == errno)
    tls->starved = true;
  else if (EINTR != errno)
    tls->error = errno;
  return -1;
}


/* gnutls_push_func.  What libmicrohttpd says is swallowed: its bye; and what GnuTLS
   would say behind our own, where nothing may follow: the answer to a key update. */
static ssize_t
tls_push (void *transport,
          const void *data,
          size_t size)
{
  struct tls *const tls = transport;
  ssize_t sent = 0;

  if ( (NULL == tls) ||
       (! tls->ours) ||
       (tls->mute) )
    return (ssize_t) size;
  if (! tls_waits (tls))
    sent = send (tls->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (-1 == sent)
  {
    if ( (EAGAIN != errno) &&
         (EINTR != errno) )
    {
      tls->error = errno;
      return -1;
    }
    sent = 0;
  }
  if ( (tls->out.size - tls->sent > OUT_LIMIT) ||
       (! buffer_add (&tls->out, (const char *) data + sent,
                      size - (size_t) sent)) )
  {
    tls->error = errno = ENOBUFS;
    return -1;
  }
  return (ssize_t) size;
}


bool
tls_take_over (struct tls *tls,
               struct MHD_Connection *connection)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const union MHD_ConnectionInfo *info;

  *tls = (struct tls) { .session = tls_session_of (connection) };
  info = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if ( (NULL == tls->session) ||
       (NULL == info) )
    return false;
  tls->fd = info->connect_fd;
  gnutls->transport_set_ptr (tls->session, tls);
  gnutls->transport_set_pull_function (tls->session, &tls_pull);
  gnutls->transport_set_push_function (tls->session, &tls_push);
  return true;
}


struct tls *
tls_new (struct MHD_Connection *connection)
{
  struct tls *const tls = malloc (sizeof (*tls));

  if ( (NULL == tls) ||
       (tls_take_over (tls, connection)) )
    return tls;
  free (tls);
  return NULL;
}


void
tls_free (struct tls *tls)
{
  tls_release (tls);
  free (tls);
}


/* Whether GnuTLS has returned something that is not the end. */
static bool
tls_goes_on (struct tls *tls,
             ssize_t result)
{
  const struct gnutls *const gnutls = gnutls_functions ();

  switch (result)
  {
  case GNUTLS_REHANDSHAKE:
    /* TLS 1.2: who wants to renegotiate may go on without it. */
    return 0 <= gnutls->alert_send (tls->session, GNUTLS_ALERT_WARNING,
                                    GNUTLS_ALERT_NO_RENEGOTIATION);
  case GNUTLS_AGAIN:            /* something that is no data, if not starved */
  case GNUTLS_INTERRUPTED:
  case GNUTLS_WARNING_ALERT_RECEIVED:
    return true;
  default:
    return false;
  }
}


ssize_t
tls_recv (struct tls *tls,
          void *data,
          size_t size)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  int useless = 0;
  ssize_t got;

  if (0 != tls->error)
  {
    errno = tls->error;
    return -1;
  }
  tls->ours = true;
  tls->starved = false;
  do
    got = gnutls->record_recv (tls->session, data, size);
  while ( (! tls->starved) &&
          (tls_goes_on (tls, got)) &&
          (USELESS_RECORDS > ++useless) );
  tls->ours = false;
  if (0 <= got)
    return got;
  if ( (tls->starved) &&
       (tls_goes_on (tls, got)) )
  {
    if (tls->ended)
      return 0;                 /* a FIN without close_notify */
    errno = EAGAIN;
    return -1;
  }
  if (0 == tls->error)
    tls->error = EPROTO;
  errno = tls->error;
  return -1;
}


bool
tls_take_early (struct tls *tls,
                struct buffer *early)
{
  char piece[TLS_RECORD];

  while (0 != gnutls_functions ()->record_check_pending (tls->session))
  {
    const ssize_t size = tls_recv (tls, piece, sizeof (piece));

    if (0 >= size)
      break;
    if (! buffer_add (early, piece, (size_t) size))
      return false;
  }
  return true;
}


bool
tls_waits (const struct tls *tls)
{
  return tls->sent != tls->out.size;
}


int
tls_flush (struct tls *tls)
{
  while ( (0 == tls->error) &&
          (tls_waits (tls)) )
  {
    const ssize_t sent = send (tls->fd, tls->out.at + tls->sent,
                               tls->out.size - tls->sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);

    if (0 <= sent)
      tls->sent += (size_t) sent;
    else if (EAGAIN == errno)
      return -1;
    else if (EINTR != errno)
      tls->error = errno;
  }
  if (NULL != tls->out.at)
    free (tls->out.at);
  tls->out = (struct buffer) { 0 };
  tls->sent = 0;
  errno = tls->error;
  return 0 == tls->error ? 0 : -1;
}


ssize_t
tls_send (struct tls *tls,
          const void *data,
          size_t size)
{
  const struct gnutls *const gnutls = gnutls_functions ();
  const size_t most = size < TLS_RECORD ? size : TLS_RECORD;
  size_t taken = 0;

  if (0 != tls_flush (tls))
    return -1;
  tls->ours = true;
  /* More than one record only where the peer wants small ones. */
  while ( (taken < most) &&
          (0 == tls->error) )
  {
    const ssize_t sent = gnutls->record_send (tls->session,
                                              (const char *) data + taken,
                                              most - taken);

    if (0 < sent)
      taken += (size_t) sent;
    else if (0 == tls->error)
      tls->error = EPROTO;
  }
  tls->ours = false;
  errno = tls->error;
  return 0 == tls->error ? (ssize_t) taken : -1;
}


void
tls_bye (struct tls *tls)
{
  if ( (tls->said_bye) ||
       (0 != tls->error) )
    return;
  tls->said_bye = true;
  tls->ours = true;
  (void) gnutls_functions ()->bye (tls->session, GNUTLS_SHUT_WRITING);
  tls->ours = false;
  tls->mute = true;
}


void
tls_release (struct tls *tls)
{
  tls_bye (tls);
  gnutls_functions ()->transport_set_ptr (tls->session, NULL);
  free (tls->out.at);
  tls->out = (struct buffer) { 0 };
}


void
tls_say (struct MHD_Connection *connection,
         const char *text,
         size_t size)
{
  void *const session = tls_session_of (connection);

  if (NULL != session)
    (void) gnutls_functions ()->record_send (session, text, size);
}


void
tls_say_bye (struct MHD_Connection *connection)
{
  void *const session = tls_session_of (connection);

  if (NULL != session)
    (void) gnutls_functions ()->bye (session, GNUTLS_SHUT_WRITING);
}
