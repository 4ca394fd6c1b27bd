/* SPDX-License-Identifier: MIT
 *
 * A TLS connection before its upgrade, and what is said when its handshake fails.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

struct handshake;

/* What a daemon's handshakes share. */
struct handshakes
{
  void *priorities;             /* gnutls_priority_t; NULL without TLS */
  bool client_ca;               /* clients must have a certificate */
  pthread_mutex_t lock;         /* a leaf, for the two below */
  int64_t said_until_ms;        /* from then on there may be a line of the log again */
  unsigned int unsaid;          /* failures for which there was none */
};

/* The driver, before libmicrohttpd is started, and after it has been stopped.
   PRIORITIES is NULL without TLS. */
void
handshakes_open (struct handshakes *handshakes,
                 const char *priorities,
                 bool client_ca);

void
handshakes_close (struct handshakes *handshakes);

/* NOTIFY_CONNECTION STARTED of a daemon with TLS.  ADDRESS is "host port", or "" if
   there is none, and outlives the connection.  NULL if memory is short, or the
   connection has no TLS. */
struct handshake *
handshake_begin (struct handshakes *handshakes,
                 struct MHD_Connection *connection,
                 const char *address);

/* NOTIFY_CONNECTION CLOSED, when GnuTLS's session is no more. */
void
handshake_free (struct handshake *handshake);

/* Whether FORMAT is what libmicrohttpd logs between the failure of a handshake and the
   close of its connection.  Then the client has been sent the alert that belongs to
   it, and the log has the reason. */
bool
handshake_has_failed (const char *format);
