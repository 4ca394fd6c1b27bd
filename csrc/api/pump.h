/* SPDX-License-Identifier: MIT
 *
 * Python drives libmicrohttpd, one call a batch.
 */
#pragma once

#include <stddef.h>

#include "api/driver.h"
#include "api/batch.h"

void
pymhd_pump_answer (struct pymhd_driver *daemon,
                   const char *answers,
                   size_t size);

const struct pymhd_batch *
pymhd_pump (struct pymhd_driver *daemon,
            int timeout_ms);

const struct pymhd_batch *
pymhd_pump_batch (struct pymhd_driver *daemon);

void
pymhd_pump_wake (struct pymhd_driver *daemon);

int
pymhd_pump_timeout (struct pymhd_driver *daemon);

int
pymhd_pump_fileno (struct pymhd_driver *daemon);

enum pymhd_fdset
{
  PYMHD_FDSET_READ = 1,
  PYMHD_FDSET_WRITE = 2,
  PYMHD_FDSET_EXCEPT = 4
};

void
pymhd_pump_fdset (struct pymhd_driver *daemon,
                  unsigned char *watched,
                  int size);
