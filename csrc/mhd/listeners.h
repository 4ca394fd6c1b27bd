/* SPDX-License-Identifier: MIT
 *
 * Listening on several addresses.
 *
 * libmicrohttpd listens on one socket at most.  Where there are several it is
 * given none: the pump accepts their connections and hands them over, in every
 * mode.  So there is one who accepts, and the limit of connections is ours.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listener;
struct server;

struct listeners
{
  struct listener *each;        /* NULL: libmicrohttpd listens itself */
  size_t count;
  atomic_bool paused;           /* nobody is accepted, until there is room again */
  int64_t paused_until_ms;      /* and, before that, until then */
  /* Connections that libmicrohttpd's own thread has been handed and has not begun
     yet; about as many, where it had no memory for one. */
  atomic_int pending;
};

/* Takes duplicates of the descriptors, which a fork's child knows.  0, or an errno. */
int
listeners_open (struct server *server,
                const int *fds,
                size_t count);

static inline bool
listeners_are_used (const struct listeners *listeners)
{
  return NULL != listeners->each;
}

/* libmicrohttpd has been started: begins to accept.  0, or an errno. */
int
listeners_begin (struct server *server);

/* The pump, before it waits: accepts again when there is room.  Milliseconds until it
   is to be asked again, -1 for never. */
int64_t
listeners_timeout (struct server *server);

/* libmicrohttpd has begun a connection; any thread. */
void
listeners_begun (struct server *server);

/* A connection has ended; any thread. */
void
listeners_have_room (struct server *server);

/* The pump: stops listening. */
void
listeners_quiesce (struct server *server);

/* Closes what is open, and leaves epoll alone: also in a fork's child. */
void
listeners_close (struct listeners *listeners);

void
listeners_free (struct listeners *listeners);
