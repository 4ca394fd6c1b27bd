/* SPDX-License-Identifier: MIT
 *
 * A daemon of libmicrohttpd's with all that is ours, and who may touch what.
 *
 * "The driver" is the thread that runs libmicrohttpd for a connection: the one
 * that calls pymhd_pump(), or one of libmicrohttpd's own, which calls back into
 * Python.  "The pump" is the thread that calls pymhd_pump() in any case: beside
 * libmicrohttpd's threads it has the upgraded connections and the clients to
 * look after, and nothing to run.
 */
#pragma once

#include <stdatomic.h>
#include <microhttpd.h>

#include "base/life.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "engine/pump.h"
#include "engine/select.h"
#include "http/request.h"
#include "mhd/accept.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/log_mhd.h"
#include "mhd/runs.h"
#include "transport/handshake.h"
#include "transport/relay.h"
#include "upgrade/session.h"

struct hub;

/* How many there are; any thread may look. */
struct counts
{
  atomic_uint connections;
  atomic_uint requests;         /* whose head is here, not yet answered in full */
  atomic_uint upgraded;
};

struct pymhd_daemon
{
  struct MHD_Daemon *mhd;
  struct config config;
  struct life life;
  struct counts counts;
  struct said said;
  struct listening listening;
  struct clients clients;
  struct handshakes handshakes;
  struct poller poller;         /* what the pump waits for */
  struct wakeup wakeup;         /* readable: pymhd_pump() has something to do */
  struct runs runs;
  struct batch batch;
  struct requests requests;
  struct relays relays;
  struct sessions sessions;
  struct hub *hub;
  struct pump pump;
  struct select select;
  struct pymhd_daemon *next;    /* all daemons, for a fork's child */
  struct pymhd_daemon *previous;
};

void
daemon_called_back (struct pymhd_daemon *daemon);
