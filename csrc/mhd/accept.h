/* SPDX-License-Identifier: MIT
 *
 * Listening: its end, and accepting again when descriptors were short.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct server;

struct listening
{
  pthread_mutex_t lock;         /* a leaf: guards fd against its end */
  int fd;                       /* libmicrohttpd's to close, unless quiesced */
  int mhd_epoll_fd;             /* libmicrohttpd's own, -1 if it has none */
  bool quiesced;
  atomic_bool deaf;             /* quiesced in epoll's stead */
  atomic_bool starved;          /* it listens no more, for want of descriptors */
  int64_t starved_until_ms;     /* when to look whether there are some again */
};

/* libmicrohttpd closes the descriptor that it is given, so each daemon has a duplicate
   of FD.  A fork's child knows it before libmicrohttpd does.  0, or an errno. */
int
listening_open (struct listening *listening,
                int fd);

/* libmicrohttpd has been started, and listens. */
void
listening_begin (struct server *server);

/* MHD_stop_daemon() will close the descriptor that it listens on. */
void
listening_leave (struct listening *listening);

void
listening_close (struct listening *listening);

/* A fork's child: closes its copy of libmicrohttpd's own descriptor. */
void
listening_forked (struct listening *listening);

/* Stops listening; once: before 1.0.0 a second call would return the descriptor
   again.  It is closed at once, which refuses who comes, unless another thread of
   libmicrohttpd's may still poll it.  The pump's thread. */
void
listening_quiesce (struct server *server);

/* Takes the events of the listening socket from libmicrohttpd's own epoll thread,
   which does not know.  MHD_quiesce_daemon() may abort the process beside that
   thread, in all releases: both may want to take the socket out of epoll.  Any
   thread; no lock. */
void
listening_deafen (struct server *server);

/* libmicrohttpd had no descriptor to accept with, and listens no more. */
void
accept_failed (struct server *server);

/* The pump: milliseconds until it is to be tried again, -1 for never. */
int64_t
accept_timeout (const struct server *server);

/* The pump: makes libmicrohttpd listen again, if there are descriptors. */
void
accept_again (struct server *server);
