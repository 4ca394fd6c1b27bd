/* SPDX-License-Identifier: MIT
 *
 * Where a driver is in its life: anybody may look, on any thread.
 */
#pragma once

#include <stdatomic.h>

#include "base/wakeup.h"

struct life
{
  atomic_bool refusing;         /* stop() has begun */
  atomic_bool late;             /* stop() waits no longer */
  atomic_bool dead;             /* we are a fork's child: nothing may be called */
  struct wakeup stop;           /* readable once stop() has begun */
};

/* A thread of libmicrohttpd's, back from a callback that may have forked: in the
   child it must not go on, since it waits for descriptors of the parent's.  Nor may
   it return, which is an exit() where it is the only thread. */
void
life_go_on (const struct life *life);
