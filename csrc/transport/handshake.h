/* SPDX-License-Identifier: MIT
 *
 * A TLS connection before its upgrade, and what is said when its handshake fails.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

#include "base/poller.h"

struct handshake;

struct handshake_list
{
  struct handshake *first;
  struct handshake *last;
};

/* What a daemon's handshakes share. */
struct handshakes
{
  void *priorities;             /* gnutls_priority_t; NULL without TLS */
  bool client_ca;               /* clients must have a certificate */
  pthread_mutex_t lock;         /* a leaf, for the two below */
  int64_t said_until_ms;        /* from then on there may be a line of the log again */
  unsigned int unsaid;          /* failures for which there was none */
  /* The pump's, where libmicrohttpd uses epoll: */
  struct poller poller;         /* for the suspended ones; -1 elsewhere */
  struct handshake_list waiting;        /* to be suspended */
  struct handshake_list suspended;      /* in the order in which they were */
  int64_t timeout_ms;           /* for each wait; 0: for ever */
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

/* The pump: its connection will be shut down, for this REASON; NULL does nothing. */
void
handshake_cut (struct handshake *handshake,
               const char *reason);

/* Whether FORMAT is what libmicrohttpd logs between the failure of a handshake and the
   close of its connection.  Then the client has been sent the alert that belongs to
   it, and the log has the reason. */
bool
handshake_has_failed (const char *format);

/* --- suspend.c --- */

/* The pump, before libmicrohttpd is started, where that uses epoll.  0, or the errno of
   what failed. */
int
handshakes_watch (struct handshakes *handshakes,
                  int64_t timeout_ms);

/* Inside GnuTLS: the handshake cannot go on before one of EVENTS; 0: it has gone on. */
void
handshake_waits (struct handshake *handshake,
                 uint32_t events);

/* The pump, when libmicrohttpd has run: suspends those that wait. */
void
handshakes_suspend (struct handshakes *handshakes);

/* The pump, when their poller has news: resumes those that need not wait any more,
   for libmicrohttpd's next run. */
void
handshakes_resume (struct handshakes *handshakes);

/* The pump: ends those that have waited for too long.  Milliseconds until it is to be
   called again, -1 for never. */
int64_t
handshakes_overdue (struct handshakes *handshakes);

/* The pump: libmicrohttpd is about to be stopped, and must have none that is
   suspended. */
void
handshakes_release (struct handshakes *handshakes);

/* Before it is freed. */
void
handshake_forget (struct handshake *handshake);
