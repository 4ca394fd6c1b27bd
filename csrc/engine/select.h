/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd in select mode.
 */
#pragma once

#include <stdbool.h>

#include "base/fdsets.h"

struct pymhd_driver;

/* What select() is asked, and what it has said. */
struct select
{
  bool known;                   /* the answer, not the question */
  struct fdsets sets;
};

int
select_open (struct pymhd_driver *driver);

bool
select_wait (struct pymhd_driver *driver,
             int timeout_ms);

void
select_run (struct pymhd_driver *driver);
