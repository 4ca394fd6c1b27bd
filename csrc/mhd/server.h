/* SPDX-License-Identifier: MIT
 *
 * One daemon of libmicrohttpd's, and all that is ours around it: what the floors
 * above build on.
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
#include "base/sigpipe.h"
#include "base/wakeup.h"
#include "mhd/accept.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/listeners.h"
#include "mhd/log_mhd.h"
#include "mhd/runs.h"
#include "transport/handshake.h"

/* How many there are; any thread may look. */
struct counts
{
  atomic_uint connections;
  atomic_uint requests;         /* whose head is here, not yet answered in full */
  atomic_uint upgraded;
};

struct server
{
  struct MHD_Daemon *mhd;       /* NULL before its start and after its end */
  struct config config;
  struct life life;
  struct counts counts;
  struct said said;
  struct listening listening;   /* on one socket, */
  struct listeners listeners;   /* or on several */
  struct clients clients;
  struct handshakes handshakes;
  struct poller poller;         /* what the pump waits for */
  struct wakeup wakeup;         /* readable: pymhd_pump() has something to do */
  struct runs runs;
  struct sigpipe sigpipe;       /* of the thread that drives it, while it runs */
  struct batch batch;
};
