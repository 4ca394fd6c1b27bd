/* SPDX-License-Identifier: MIT
 *
 * The whole of what Python drives, which only this floor knows: a server of
 * libmicrohttpd's, its requests, its upgraded connections, and the pump.
 */
#pragma once

#include "engine/pump.h"
#include "engine/select.h"
#include "http/request.h"
#include "hub/hub.h"
#include "mhd/server.h"
#include "upgrade/session.h"

struct pymhd_driver
{
  struct server server;
  struct requests requests;
  struct sessions sessions;
  struct hub hub;
  struct pump pump;
  struct select select;
  struct pymhd_driver *next;    /* all drivers, for a fork's child */
  struct pymhd_driver *previous;
};

/* Before anybody else knows it, and in a fork's child, where another thread of the
   parent's may have held one. */
void
driver_init_locks (struct pymhd_driver *driver);

void
driver_close_descriptors (struct pymhd_driver *driver);

/* The only thread of a fork's child: calls it for every driver there is. */
void
drivers_disown (void (*disown) (struct pymhd_driver *driver));
