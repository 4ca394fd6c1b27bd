/* SPDX-License-Identifier: MIT
 *
 * TLS: a connection's session with GnuTLS, from its upgrade on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <microhttpd.h>

#include "base/buffer.h"

struct relays;

/* --- tls.c --- */

/* As many bytes as a record holds at most. */
#define TLS_RECORD ((size_t) 16384)

/* A session that has been taken over from libmicrohttpd after an upgrade.
   Only the driver's thread uses it. */
struct tls
{
  void *session;                /* gnutls_session_t, libmicrohttpd's */
  int fd;                       /* libmicrohttpd's: valid until CLOSE */
  bool ours;                    /* it is us who call GnuTLS now */
  bool starved;                 /* the kernel had nothing to read */
  bool ended;                   /* nor will it have: the peer's FIN */
  bool said_bye;
  bool mute;                    /* that has been written: nothing may follow */
  int error;                    /* errno of what ended it, 0 */
  struct buffer out;              /* encrypted, not taken by the kernel yet */
  size_t sent;                  /* of out */
};

/* Writes "\tprotocol\tcipher", "" if there is no TLS.  After the handshake. */
void
tls_describe (struct MHD_Connection *connection,
              char *text,
              size_t size);

/* Inside the upgrade handler: from now on libmicrohttpd neither reads nor
   writes the connection.  False if it has no TLS. */
bool
tls_take_over (struct tls *tls,
               struct MHD_Connection *connection);

/* Inside the upgrade handler: takes the connection over with a structure of its own,
   which tls_free() will end.  NULL if memory is short, or it has no TLS. */
struct tls *
tls_new (struct MHD_Connection *connection);

/* Releases it and frees it. */
void
tls_free (struct tls *tls);

/* When it has been taken over: adds the decrypted bytes that GnuTLS holds already,
   which no descriptor tells of.  Later there are none if tls_recv() always gets
   TLS_RECORD to write to, which it must: what GnuTLS holds libmicrohttpd would take,
   when it runs.  False if memory is short. */
bool
tls_take_early (struct tls *tls,
                struct buffer *early);

/* As recv() that does not block: 0 at the peer's close_notify or FIN, else -1
   with EAGAIN only if the descriptor has nothing more, or with what has ended
   the connection. */
ssize_t
tls_recv (struct tls *tls,
          void *data,
          size_t size);

/* As send() that does not block: what it returns is on its way, if need be in
   our memory.  It takes 16 KiB at most, and nothing (EAGAIN) until
   tls_flush(). */
ssize_t
tls_send (struct tls *tls,
          const void *data,
          size_t size);

/* Sends what waits in our memory: wanted whenever tls_waits() and the
   descriptor is writable.  0, or -1 with errno, EAGAIN if some is left. */
int
tls_flush (struct tls *tls);

bool
tls_waits (const struct tls *tls);

/* Sends close_notify, once. */
void
tls_bye (struct tls *tls);

/* Says close_notify, if nobody has, and gives the session back, before CLOSE;
   libmicrohttpd still says a bye of its own, which nobody hears. */
void
tls_release (struct tls *tls);

/* Whoever serves the connection, inside one of libmicrohttpd's callbacks: sends what
   fits at once. */
void
tls_say (struct MHD_Connection *connection,
         const char *text,
         size_t size);

/* Whoever serves the connection, inside one of libmicrohttpd's callbacks: sends
   close_notify, behind which libmicrohttpd can send nothing. */
void
tls_say_bye (struct MHD_Connection *connection);
