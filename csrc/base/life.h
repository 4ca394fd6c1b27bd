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
