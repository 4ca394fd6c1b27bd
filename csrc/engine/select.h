/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd in select mode.
 */
#pragma once

#include <stdbool.h>
#include <sys/select.h>

struct pymhd_daemon;

struct pymhd_select
{
  bool known;                   /* what select() has said */
  fd_set read;
  fd_set write;
  fd_set except;
};

int
select_open (struct pymhd_daemon *daemon);

bool
select_wait (struct pymhd_daemon *daemon,
             int timeout_ms);

void
select_run (struct pymhd_daemon *daemon);
