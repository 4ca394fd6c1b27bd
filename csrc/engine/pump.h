/* SPDX-License-Identifier: MIT
 *
 * The pump: Python drives libmicrohttpd.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

struct pymhd_daemon;
struct pymhd_event;

/* After so many runs in vain, one a millisecond is enough. */
#define VAIN_RUNS 1000

/* 0, or the errno of what failed. */
int
pump_open (struct pymhd_daemon *daemon);

/* Takes libmicrohttpd in.  The same. */
int
pump_drive (struct pymhd_daemon *daemon);

void
pump_free (struct pymhd_daemon *daemon);

/* Adds an event to the batch.  False if memory is short. */
bool
pump_add (struct pymhd_daemon *daemon,
          const struct pymhd_event *event);

/* timeout.c: how long epoll may wait: the caller's limit (-1: none),
   libmicrohttpd's, that of sessions which linger or are idle. */
int
pump_patience (struct pymhd_daemon *daemon,
               int64_t limit_ms);

/* libmicrohttpd must run so often from now on, whatever it says itself. */
void
pump_run_again (struct pymhd_daemon *daemon,
                int times);

/* Says CLOSE to an upgraded connection, and sees that it is carried out. */
void
pump_close (struct pymhd_daemon *daemon,
            struct MHD_UpgradeResponseHandle *urh);
