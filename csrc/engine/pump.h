/* SPDX-License-Identifier: MIT
 *
 * The pump: Python drives libmicrohttpd.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/poller.h"

struct pymhd_driver;
struct pymhd_event;

struct pump
{
  struct watcher on_wakeup;
  struct watcher on_mhd;        /* libmicrohttpd's own epoll descriptor */
  struct watcher on_handshakes; /* that of suspended TLS handshakes */
  atomic_bool wants_python;     /* pymhd_pump() is to return to Python */
  bool answered;                /* there are answers that it has not seen */
  unsigned int turns;
  int64_t looked_ms;            /* when it last looked at what is not libmicrohttpd's */
};

/* 0, or the errno of what failed. */
int
pump_open (struct pymhd_driver *driver);

/* Has the pump watch what libmicrohttpd waits for.  0, or the errno of what failed. */
int
pump_drive (struct pymhd_driver *driver);

void
pump_free (struct pymhd_driver *driver);

/* timeout.c: how long epoll may wait: the caller's limit (-1: none),
   libmicrohttpd's, that of sessions which linger or are idle. */
int
pump_timeout (struct pymhd_driver *driver,
              int64_t limit_ms);
